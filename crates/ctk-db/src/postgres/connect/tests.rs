//! Connecting to real servers, and to doubles of those that are refused.

mod doubles;
mod encryption;
mod environment;

use std::{error::Error, fs, net::TcpListener, time::Duration};

use ctk_test_support::postgres::{Options, Postgres, Stop};
use ctk_url::TargetUrl;

use super::*;

fn config(address: &str) -> PgConfig {
    let url = TargetUrl::parse(address).unwrap();
    PgConfig::take(&url, &mut url.options.clone()).unwrap()
}

/// Returns what a user sees of an error: the line, its cause, the hint.
fn shown(error: &DbError) -> String {
    let cause = error.source().map(|cause| format!("\n{cause}")).unwrap_or_default();
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{error}{cause}{hint}")
}

async fn value(connection: &mut Connection, sql: &'static str) -> String {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

/// Returns a port that nobody listens to.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn values_do_not_depend_on_how_the_server_is_set_up() {
    let odd = [
        ("timezone", "'Asia/Kathmandu'"),
        ("datestyle", "'German'"),
        ("intervalstyle", "'iso_8601'"),
        ("standard_conforming_strings", "off"),
        ("bytea_output", "escape"),
        ("array_nulls", "off"),
        ("extra_float_digits", "-5"),
        ("client_encoding", "latin1"),
        ("statement_timeout", "77s"),
        ("default_transaction_isolation", "serializable"),
        ("client_min_messages", "notice"),
    ];
    let settings = odd.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let server = Postgres::with(Options { settings, ..Options::default() }).await.unwrap();
    server.sql("ALTER DATABASE ctk SET timezone = 'Asia/Tokyo'");
    let address = format!("{}?options=-c%20work_mem%3D3MB", server.url());
    let mut connection = config(&address).connect().await.unwrap();
    let sql = "SELECT string_agg(current_setting(name), ' ' ORDER BY position) FROM unnest(ARRAY['timezone', 'datestyle', 'intervalstyle', \
               'standard_conforming_strings', 'bytea_output', 'array_nulls', 'extra_float_digits', 'client_encoding', \
               'statement_timeout', 'work_mem', 'application_name', 'transaction_isolation', 'client_min_messages', \
               'client_connection_check_interval']) WITH ORDINALITY AS all_of (name, position)";
    let expected = "UTC ISO, MDY postgres on hex on 1 UTF8 77s 3MB ctk read committed error 10s";
    assert_eq!(value(&mut connection, sql).await, expected);
    let address = format!("{}?options=-c%20client_connection_check_interval%3D3s", server.url());
    let mut connection = config(&address).connect().await.unwrap();
    let sql = "SHOW client_connection_check_interval";
    assert_eq!(value(&mut connection, sql).await, "3s", "what is set stays");
}

#[tokio::test]
async fn warnings_do_not_fill_the_connection() {
    let server = Postgres::start().await.unwrap();
    server.sql(
        "CREATE TABLE t (a text); CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE WARNING '%', repeat('x', 5000); RETURN NEW; END $$; \
         CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION warn()",
    );
    let mut connection = config(&server.url()).connect().await.unwrap();
    // More than all buffers hold, in both directions.
    let rows = format!("{}\n", "x".repeat(1000)).repeat(1000);
    let work = async {
        let mut copy = connection.copy_in_raw("COPY t FROM STDIN").await.unwrap();
        for _ in 0..20 {
            copy.send(rows.as_bytes()).await.unwrap();
        }
        copy.finish().await.unwrap()
    };
    let copied = tokio::time::timeout(Duration::from_secs(30), work).await;
    assert_eq!(copied.expect("both sides wait for ever"), 20_000);
}

#[tokio::test]
async fn what_is_wrong_is_said_and_what_to_do() {
    let options = Options { password: Some("pw".into()), ..Options::default() };
    let server = Postgres::with(options).await.unwrap();
    let port = server.port();
    server.sql("CREATE USER guest PASSWORD 'pw' CONNECTION LIMIT 0");
    let check = async |address: &str, expected: [&str; 3]| {
        let error = config(address).connect().await.unwrap_err();
        let shown = shown(&error).replace(&port.to_string(), "PORT");
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 3, "{shown}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.contains(expected), "{shown}");
        }
        assert!(!format!("{error:?}{shown}").contains("hunter2"), "{error:?}{shown}");
    };
    let at = format!("127.0.0.1:{port}");
    let lines = [
        "cannot connect to database ctk at 127.0.0.1:PORT",
        "password authentication failed for user \"ctk\"",
        "hint: check user and password; in an address write `/` as `%2F`",
    ];
    check(&format!("postgresql://ctk:hunter2@{at}/ctk"), lines).await;
    let lines = [
        "cannot connect to database none at",
        "database \"none\" does not exist",
        "hint: check the name of the database",
    ];
    check(&format!("postgresql://ctk:pw@{at}/none"), lines).await;
    let lines = [
        "cannot connect",
        "too many connections for role \"guest\"",
        "hint: end other sessions, or raise",
    ];
    check(&format!("postgresql://guest:pw@{at}/ctk"), lines).await;
    let lines = ["cannot connect", "server does not support TLS", "hint: `sslmode=prefer` takes"];
    check(&format!("postgresql://ctk:hunter2@{at}/ctk?sslmode=require"), lines).await;
    let lines = ["cannot connect", "onnection refused", "hint: check host and port, and that"];
    check(&format!("postgresql://ctk:hunter2@127.0.0.1:{}/ctk", closed_port()), lines).await;
    let lines = ["cannot connect", "lookup", "hint: check the host's name"];
    check("postgresql://ctk:hunter2@none.invalid/ctk", lines).await;
    let lines =
        ["cannot connect to database ctk at /none:5432", "No such file", "hint: check host"];
    check("postgresql://ctk:hunter2@/ctk?host=/none&port=5432", lines).await;
    let lines = ["cannot read /none.pem, which `sslrootcert` names", "No such file", "hint: check"];
    check(&format!("postgresql://ctk:hunter2@{at}/ctk?sslrootcert=/none.pem"), lines).await;
}

#[tokio::test]
async fn hosts_are_tried_in_turn() {
    let server = Postgres::start().await.unwrap();
    let (port, closed) = (server.port(), closed_port());
    let address = format!("postgresql://ctk@127.0.0.1:{closed},127.0.0.1:{port}/ctk");
    config(&address).connect().await.unwrap();
    let address = format!("postgresql://ctk@127.0.0.1:{closed},localhost:{closed}/ctk");
    let error = config(&address).connect().await.unwrap_err();
    assert_eq!(error.trouble(), Trouble::Connection);
    let text = error.to_string().replace(&closed.to_string(), "PORT");
    let expected = "cannot connect to database ctk at 127.0.0.1:PORT (cannot connect to database ctk at localhost:PORT: ";
    assert!(text.starts_with(expected), "{text}");
    // The first that answers decides who is let in.
    let address = format!("postgresql://nobody@127.0.0.1:{port},127.0.0.1:{closed}/ctk");
    let error = config(&address).connect().await.unwrap_err();
    assert!(shown(&error).contains("role \"nobody\" does not exist"), "{}", shown(&error));
}

#[tokio::test]
async fn sockets_need_no_encryption() {
    let server = Postgres::start().await.unwrap();
    let folder = server.socket_folder().display();
    let address =
        format!("postgresql:///ctk?host={folder}&port={}&user=ctk&sslmode=require", server.port());
    let mut connection = config(&address).connect().await.unwrap();
    let sql = "SELECT COALESCE(inet_client_addr()::text, 'socket')";
    assert_eq!(value(&mut connection, sql).await, "socket");
}

#[tokio::test]
async fn writing_skips_servers_that_only_read() {
    let mut server = Postgres::start().await.unwrap();
    let check = async |server: &Postgres, expected: &str| {
        let address = server.url();
        config(&address).connect().await.unwrap();
        let error = config(&address).connect_for_writing().await.unwrap_err();
        assert_eq!(error.trouble(), Trouble::ReadOnly);
        let shown = shown(&error).replace(&server.port().to_string(), "PORT");
        assert_eq!(shown, expected);
        let address = format!("{address}?target_session_attrs=read-write");
        assert!(config(&address).connect().await.is_err());
    };
    server.sql("ALTER DATABASE ctk SET default_transaction_read_only = on");
    let expected = "database ctk at 127.0.0.1:PORT only reads: its transactions are read-only by default\n\
                    hint: see default_transaction_read_only of the server, database and user";
    check(&server, expected).await;
    server.stop(Stop::Fast).await.unwrap();
    fs::write(server.socket_folder().join("data/standby.signal"), "").unwrap();
    server.run().await.unwrap();
    let expected = "database ctk at 127.0.0.1:PORT only reads: it is a standby\n\
                    hint: name the primary, or all servers: postgresql://a,b/database";
    check(&server, expected).await;

    let primary = Postgres::start().await.unwrap();
    let (standby, closed, primary) = (server.port(), closed_port(), primary.port());
    let address = |last: u16| {
        format!("postgresql://ctk@127.0.0.1:{closed},127.0.0.1:{standby},127.0.0.1:{last}/ctk")
    };
    let mut connection = config(&address(primary)).connect_for_writing().await.unwrap();
    assert_eq!(value(&mut connection, "SHOW port").await, primary.to_string());
    let mut connection = config(&address(primary)).connect().await.unwrap();
    assert_eq!(value(&mut connection, "SHOW port").await, standby.to_string());
    // The one that answers is told first, since it says more.
    let error = config(&address(closed)).connect_for_writing().await.unwrap_err().to_string();
    let expected =
        format!("database ctk at 127.0.0.1:{standby} (cannot connect to database ctk at");
    assert!(
        error.starts_with(&expected) && error.ends_with("only reads: it is a standby"),
        "{error}"
    );
}
