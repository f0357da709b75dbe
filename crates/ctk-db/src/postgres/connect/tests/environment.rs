//! What libpq's environment says, in a child that has it.

use std::{env, os::unix::fs::PermissionsExt, process::Command};

use super::*;

/// By this name the child knows itself: nothing but libpq's environment is handed to it.
const CHILD: &str = "ctk-child";

#[tokio::test]
async fn the_environment_and_the_file_of_passwords_are_used() {
    let options = PgConnectOptions::new_without_pgpass();
    if options.get_application_name() == Some(CHILD) {
        let mut connection = config("postgresql://").connect().await.unwrap();
        let sql = "SELECT current_user || ' ' || current_database() || ' ' || current_setting('work_mem')";
        assert_eq!(value(&mut connection, sql).await, "ctk ctk 3MB");
        return;
    }
    let password = "a:b\\c/d@";
    let options = Options { password: Some("first".into()), ..Options::default() };
    let server = Postgres::with(options).await.unwrap();
    server.sql(&format!("ALTER USER ctk PASSWORD '{password}'"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pass");
    let port = server.port();
    let child = |password: Option<&str>, line: &str| {
        fs::write(&file, format!("# host:port:database:user:password\n{line}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        let name = "the_environment_and_the_file_of_passwords_are_used";
        let name = format!("postgres::connect::tests::environment::{name}");
        command.args(["--exact", &name]).env_clear().env("PGAPPNAME", CHILD);
        command.env("PGHOST", "127.0.0.1").env("PGPORT", port.to_string());
        command.env("PGUSER", "ctk").env("PGDATABASE", "ctk").env("PGPASSFILE", &file);
        command.env("PGOPTIONS", "-c work_mem=3MB").env("HOME", "/none");
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("running 1 test"), "{text}");
        output.status.success()
    };
    let line = "a\\:b\\\\c/d@";
    assert!(child(Some(password), ""));
    assert!(!child(Some("other"), ""));
    assert!(!child(None, ""));
    assert!(child(None, &format!("*:*:*:*:{line}")));
    assert!(child(None, &format!("127.0.0.1:{port}:ctk:ctk:{line}\n*:*:*:*:other")));
    assert!(!child(None, &format!("other:{port}:ctk:ctk:{line}\n*:*:*:*:other")));
    assert!(!child(Some("other"), &format!("*:*:*:*:{line}")));
}

#[tokio::test]
async fn passwords_of_an_address_are_decoded() {
    let password = "p/w:@ %+ü&=?#'";
    let quoted = password.replace('\'', "''");
    let options = Options { password: Some("first".into()), ..Options::default() };
    let server = Postgres::with(options).await.unwrap();
    server.sql(&format!("CREATE USER \"u@x:y\" PASSWORD '{quoted}'"));
    let encoded = utf8_percent_encode(password, NON_ALPHANUMERIC);
    let port = server.port();
    let check = async |address: String| {
        let mut connection = config(&address).connect().await.unwrap();
        assert_eq!(value(&mut connection, "SELECT current_user::text").await, "u@x:y");
    };
    check(format!("postgresql://u%40x%3Ay:{encoded}@127.0.0.1:{port}/ctk")).await;
    check(format!("postgresql://127.0.0.1:{port}/ctk?user=u%40x%3Ay&password={encoded}")).await;
}
