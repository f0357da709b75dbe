//! A Kinesis and all that AWS gives credentials from, and a program that knows of them what a test tells it.

use ctk_test_support::{
    callers::Caller,
    embedded::Options,
    identity::{CONTAINER_TOKEN, Issuer, SSO_TOKEN, WEB_TOKEN},
};

use crate::world::{Ended, World, ended};

pub(crate) const SECRET: &str = "wJal/rXU+tn%FEMI=K7&MDENG@bPx:Rfi?CY";
/// [`SECRET`] as it stands in an address.
pub(crate) const ENCODED: &str = "wJal%2FrXU%2Btn%25FEMI%3DK7%26MDENG%40bPx%3ARfi%3FCY";
pub(crate) const TOKEN: &str = "FwoGZXIvYXdzEXAMPLETOKEN";
pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/reader";

/// What must be in no output: what tests have themselves, and what the issuer gives away.
const SECRETS: [&str; 8] =
    [SECRET, ENCODED, TOKEN, CONTAINER_TOKEN, WEB_TOKEN, SSO_TOKEN, "secret-of-", "token-of-"];

/// The two records of the tutorial, and nobody who may read them yet.
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) issuer: Issuer,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::at(Options::default()).await
    }

    pub(crate) async fn at(options: Options) -> Self {
        let world = World::with_sensors_at(options).await;
        Self { world, issuer: Issuer::start().await.unwrap() }
    }

    /// Returns an address of the stream with a region and the endpoint, and further options.
    pub(crate) fn source(&self, options: &str) -> String {
        let endpoint = self.world.kinesis.endpoint();
        format!("kinesis:?table=demo&region=us-east-1&endpoint_url={endpoint}{options}")
    }

    /// Writes a file, and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.world.path(name);
        std::fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// Runs the program with these variables alone, logging `log` (as `-vvv`), which must not tell any secret.
    pub(crate) async fn run(&self, log: &str, source: &str, environment: &[(&str, &str)]) -> Ended {
        let mut command = self.world.command(&["load", log, source, "-"]);
        // Where STS is looked for; a test that does not want it there says otherwise.
        command.env("AWS_ENDPOINT_URL_STS", self.issuer.endpoint());
        command.envs(environment.iter().copied());
        let ended = ended(command).await;
        for output in [&ended.stdout, &ended.stderr] {
            for secret in SECRETS {
                let shown = || output.replace(secret, "<<<SECRET>>>");
                assert!(!output.contains(secret), "{secret} is told: {}", shown());
            }
        }
        ended
    }

    /// Loads, which must bring all records, and returns who asked for them.
    pub(crate) async fn load(&self, source: &str, environment: &[(&str, &str)]) -> Vec<Caller> {
        let ended = self.run("-vvv", source, environment).await;
        let said = ended.stderr.lines().filter(|line| !line.contains("TRACE"));
        let said = || said.clone().collect::<Vec<_>>().join("\n");
        assert_eq!(ended.code, Some(0), "{}", said());
        assert_eq!(ended.stdout.lines().count(), 2, "{}\n{}", ended.stdout, said());
        self.world.kinesis.callers()
    }

    /// Runs into an error, and returns what is said of it behind the log.
    pub(crate) async fn fail(
        &self,
        code: i32,
        source: &str,
        environment: &[(&str, &str)],
    ) -> String {
        let ended = self.run("-vvv", source, environment).await;
        let lines: Vec<_> = ended.stderr.lines().collect();
        let error = lines.iter().position(|line| line.starts_with("error:")).unwrap_or_default();
        // What runs beside may log something while the error is told.
        let is_said = |line: &&&str| !line.contains(" TRACE ") && !line.contains(" DEBUG ");
        let said = lines[error..].iter().filter(is_said).copied().collect::<Vec<_>>().join("\n");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{said}");
        said + "\n"
    }
}

/// Returns a caller in us-east-1.
pub(crate) fn caller(access_key_id: &str, session_token: Option<&str>) -> Caller {
    caller_in("us-east-1", access_key_id, session_token)
}

pub(crate) fn caller_in(region: &str, access_key_id: &str, session_token: Option<&str>) -> Caller {
    Caller {
        access_key_id: access_key_id.to_owned(),
        region: region.to_owned(),
        session_token: session_token.map(str::to_owned),
    }
}

/// Returns who has the first keys of a kind that the issuer gives away, in us-east-1.
pub(crate) fn first(kind: &str) -> Caller {
    caller(&format!("ASIA{kind}1"), Some(&format!("token-of-ASIA{kind}1")))
}
