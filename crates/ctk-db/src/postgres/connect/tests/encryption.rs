//! Encryption with a real server, whose certificate is for `localhost`, `127.0.0.1` and `::1`.

use ctk_test_support::tls;

use super::*;

async fn server() -> Postgres {
    let options = Options {
        tls: true,
        settings: vec![("listen_addresses", "'127.0.0.1, 127.0.0.2'".into())],
        ..Options::default()
    };
    Postgres::with(options).await.unwrap()
}

#[tokio::test]
async fn connections_are_encrypted_as_asked_for() {
    let server = server().await;
    let authority = tls::authority();
    let authority = authority.display();
    let check = async |host: &str, query: &str| {
        let address = format!("postgresql://ctk@{host}:{}/ctk?{query}", server.port());
        let mut connection = config(&address).connect().await.unwrap();
        let sql = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(value(&mut connection, sql).await, "true", "{host} {query}");
    };
    check("127.0.0.1", "").await;
    check("127.0.0.1", "sslmode=allow").await;
    check("127.0.0.1", "sslmode=require").await;
    check("127.0.0.1", &format!("sslmode=verify-full&sslrootcert={authority}")).await;
    check("localhost", &format!("sslmode=verify-full&sslrootcert={authority}")).await;
    // Not a name of the certificate.
    check("127.0.0.2", "sslmode=require").await;
    check("127.0.0.2", &format!("sslmode=verify-ca&sslrootcert={authority}")).await;
    check("127.0.0.2", &format!("sslmode=require&sslrootcert={authority}")).await;
}

#[tokio::test]
async fn certificates_are_verified_where_that_is_asked_for() {
    let server = server().await;
    let authority = tls::authority();
    let stranger = authority.with_file_name("server.pem");
    let (authority, stranger) = (authority.display(), stranger.display());
    let check = async |host: &str, query: &str, expected: &str| {
        let address = format!("postgresql://ctk:hunter2@{host}:{}/ctk?{query}", server.port());
        let error = config(&address).connect().await.unwrap_err();
        let shown = shown(&error);
        assert!(shown.contains(expected), "{query}: {shown}");
        assert!(shown.contains("\nhint: "), "{query}: {shown}");
        // It stays so, and another host does not help.
        assert_eq!(error.trouble(), Trouble::Other, "{query}: {error:?}");
    };
    check("127.0.0.1", "sslmode=disable", "no encryption").await;
    for mode in ["verify-ca", "verify-full"] {
        check("127.0.0.1", &format!("sslmode={mode}"), "invalid peer certificate").await;
    }
    check("127.0.0.1", "sslrootcert=system", "invalid peer certificate").await;
    let query = format!("sslmode=verify-full&sslrootcert={authority}");
    check("127.0.0.2", &query, "certificate not valid for name \"127.0.0.2\"").await;
    for mode in ["require", "verify-ca"] {
        let query = format!("sslmode={mode}&sslrootcert={stranger}");
        check("127.0.0.1", &query, "invalid peer certificate").await;
    }
}

#[tokio::test]
async fn a_server_without_encryption_is_taken_unless_it_is_asked_for() {
    let server = Postgres::start().await.unwrap();
    let check = async |mode: &str, is_taken: bool| {
        let address = format!("{}?sslmode={mode}", server.url());
        assert_eq!(config(&address).connect().await.is_ok(), is_taken, "{mode}");
    };
    for mode in ["disable", "allow", "prefer"] {
        check(mode, true).await;
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        check(mode, false).await;
    }
}
