//! No secret in any output, whatever goes wrong and however much is logged.

use crate::world::World;

const SECRET: &str = "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY";

#[tokio::test]
async fn of_a_broken_env_file_are_not_told() {
    let world = World::with_sensors().await;
    let lines = format!("CRATEDB_CLUSTER_URL=sqlite:a.db\nAWS_SECRET_ACCESS_KEY=\"{SECRET}\" x\n");
    std::fs::write(world.path(".env"), lines).unwrap();
    let ended = world.run(&["load", &world.source("")]).await;
    assert!(!ended.stderr.contains(SECRET), "{}", ended.stderr.replace(SECRET, "<<<SECRET>>>"));
    assert!(ended.stderr.starts_with("warning: the file .env is left out"), "{ended:?}");
    // All of it, or nothing: the first line does not count either.
    assert!(ended.stderr.contains("error: the target is missing"), "{ended:?}");
}

#[tokio::test]
async fn are_in_no_output() {
    let world = World::with_sensors().await;
    let endpoint = world.kinesis.endpoint();
    let good = format!(
        "kinesis:?aws_access_key_id=AKIAEXAMPLE&aws_secret_access_key={SECRET}&aws_session_token={SECRET}&region=us-east-1\
         &table=demo&endpoint_url={endpoint}"
    );
    let userinfo =
        format!("kinesis://AKIAEXAMPLE:{SECRET}@{}/demo?region=us-east-1", world.kinesis.address());
    let mut runs = Vec::new();
    for source in [&good, &userinfo] {
        for extra in
            ["", "&regoin=x", "&region=y", "&start=never", "&create_shards=0", "&table=none"]
        {
            runs.push(vec![
                "load".to_owned(),
                format!("{source}{extra}"),
                "sqlite:a.db".to_owned(),
            ]);
        }
        runs.push(vec!["load".into(), source.replace("us-east-1", ""), "sqlite:a.db".into()]);
        runs.push(vec!["load".into(), source.replace("demo", "none"), "sqlite:a.db".into()]);
        runs.push(vec!["load".into(), source.clone(), "--dry-run".into(), "-".into()]);
        runs.push(vec![
            "load".into(),
            source.clone(),
            format!("postgresql://me:{SECRET}@localhost/db"),
        ]);
        runs.push(vec![
            "load".into(),
            source.clone(),
            format!("crate://me:{SECRET}@localhost:4200/a/b/c"),
        ]);
    }
    runs.push(vec!["ls".into(), format!("crate://me:{SECRET}@localhost:4200/")]);
    runs.push(vec!["load".into(), format!("kinesis://AKIA:{SECRET}/x@host/demo"), "-".into()]);
    for arguments in &runs {
        for level in ["-q", "-vvv"] {
            let arguments: Vec<&str> =
                std::iter::once(level).chain(arguments.iter().map(String::as_str)).collect();
            let ended = world.run(&arguments).await;
            let output = format!("{}{}", ended.stdout, ended.stderr);
            assert!(!output.contains(SECRET), "{}", output.replace(SECRET, "<<<SECRET>>>"));
        }
    }
}
