//! Keys that end while the program follows: it goes on with new ones.

use std::time::Duration;

use tokio::process::Child;

use crate::identity::{ENCODED, Place, ROLE, caller, first};

const PATIENCE: Duration = Duration::from_mins(1);

/// Follows with a role whose first keys are renewed after 2.5 to 7.5 seconds: the SDK does so 5 to 10 seconds before they
/// end, at a moment drawn by lot.
fn follow_with_a_role(place: &Place) -> Child {
    place.issuer.allow_role(ROLE, None);
    place.issuer.next_lifetimes(&[Duration::from_millis(12_500)]);
    let options = format!(
        "&access_key_id=AKIABASE&secret_access_key={ENCODED}&role_arn={ROLE}&poll_interval=0.1"
    );
    let source = place.source(&options);
    let mut command = place.world.command(&["load", "--follow", &source, "-"]);
    command.env("AWS_ENDPOINT_URL_STS", place.issuer.endpoint()).spawn().unwrap()
}

/// Waits until so many keys were used for reading.
async fn keys_in_use(place: &Place, count: usize) {
    let used = async {
        while place.world.kinesis.callers_of("GetRecords").len() < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, used).await.expect("the keys are used");
}

/// Interrupts the run, and asserts that it read with the first and with the second keys of the role.
async fn stop(place: &Place, child: Child) -> String {
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.expect("it ends").unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let second = caller("ASIAROLE2", Some("token-of-ASIAROLE2"));
    assert_eq!(place.world.kinesis.callers_of("GetRecords"), [first("ROLE"), second]);
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn keys_that_end_in_the_run_are_renewed() {
    let place = Place::new().await;
    let child = follow_with_a_role(&place);
    keys_in_use(&place, 2).await;
    let said = stop(&place, child).await;
    assert!(!said.contains("WARN"), "{said}");
    assert_eq!(place.issuer.calls().len(), 2, "{:?}", place.issuer.calls());
}

#[tokio::test]
async fn keys_that_cannot_be_renewed_are_asked_for_again_and_the_reason_is_said() {
    let place = Place::new().await;
    let child = follow_with_a_role(&place);
    keys_in_use(&place, 1).await;
    place.issuer.deny_role(ROLE);
    let refused = async {
        while place.issuer.calls().len() < 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("it tries again");
    place.issuer.allow_role(ROLE, None);
    keys_in_use(&place, 2).await;
    let said = stop(&place, child).await;
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("cannot renew")).collect();
    assert_eq!(warnings.len(), 1, "{said}");
    assert!(warnings[0].contains("is not authorized to perform: sts:AssumeRole"), "{said}");
}
