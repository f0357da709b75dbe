//! What libpq's environment says, in a child that has it.

use std::{env, os::unix::fs::PermissionsExt, process::Command};

use ctk_test_support::tls;

use super::*;

/// By this name the child knows itself: nothing but libpq's environment is handed to it.
const CHILD: &str = "ctk-child";

/// Returns true when a child that has this environment, and no other, gets in.
fn gets_in(server: &Postgres, environment: &[(&str, &str)]) -> bool {
    let mut command = Command::new(env::current_exe().unwrap());
    let name = "postgres::connect::tests::environment::the_child_connects";
    command.args(["--exact", name]).env_clear().env("PGAPPNAME", CHILD);
    command.env("PGHOST", "127.0.0.1").env("PGPORT", server.port().to_string());
    command.env("PGUSER", "ctk").env("PGDATABASE", "ctk").env("PGOPTIONS", "-c work_mem=3MB");
    let output = command.env("HOME", "/none").envs(environment.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "{text}");
    output.status.success()
}

/// Does nothing but in a child.
#[tokio::test]
async fn the_child_connects() {
    let options = PgConnectOptions::new_without_pgpass();
    if options.get_application_name() == Some(CHILD) {
        let mut connection = config("postgresql://").connect().await.unwrap();
        let sql = "SELECT current_user || ' ' || current_database() || ' ' || current_setting('work_mem')";
        assert_eq!(value(&mut connection, sql).await, "ctk ctk 3MB");
    }
}

#[tokio::test]
async fn the_environment_and_the_file_of_passwords_are_used() {
    let password = "a:b\\c/d@";
    let options = Options { password: Some("first".into()), ..Options::default() };
    let server = Postgres::with(options).await.unwrap();
    server.sql(&format!("ALTER USER ctk PASSWORD '{password}'"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pass");
    let port = server.port();
    let check = |password: Option<&str>, lines: &str, expected: bool| {
        fs::write(&file, format!("# host:port:database:user:password\n{lines}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut environment = vec![("PGPASSFILE", file.to_str().unwrap())];
        environment.extend(password.map(|password| ("PGPASSWORD", password)));
        assert_eq!(gets_in(&server, &environment), expected, "{password:?} {lines}");
    };
    let line = "a\\:b\\\\c/d@";
    check(Some(password), "", true);
    check(Some("other"), "", false);
    check(None, "", false);
    check(None, &format!("*:*:*:*:{line}"), true);
    check(None, &format!("127.0.0.1:{port}:ctk:ctk:{line}\n*:*:*:*:other"), true);
    check(None, &format!("other:{port}:ctk:ctk:{line}\n*:*:*:*:other"), false);
    check(Some("other"), &format!("*:*:*:*:{line}"), false);
}

#[tokio::test]
async fn without_a_folder_for_temporary_files_connections_are_slower_and_no_more() {
    let server = Postgres::start().await.unwrap();
    assert!(gets_in(&server, &[("TMPDIR", "/none")]));
}

#[tokio::test]
async fn an_authority_of_the_environment_is_what_require_verifies_with() {
    let server = Postgres::with(Options { tls: true, ..Options::default() }).await.unwrap();
    let authority = tls::authority();
    let stranger = authority.with_file_name("server.pem");
    let check = |mode: &str, root: &Path, expected: bool| {
        let environment = [("PGSSLMODE", mode), ("PGSSLROOTCERT", root.to_str().unwrap())];
        assert_eq!(gets_in(&server, &environment), expected, "{mode} {}", root.display());
    };
    check("require", &authority, true);
    check("require", &stranger, false);
    check("prefer", &stranger, true);
    check("disable", &authority, false);
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
