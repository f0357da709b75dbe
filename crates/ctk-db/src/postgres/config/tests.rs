//! Addresses, without a server and without the environment.

use super::*;

fn defaults() -> Defaults {
    Defaults {
        host: "/run/pg".into(),
        port: 5432,
        user: "me".into(),
        database: None,
        mode: PgSslMode::Prefer,
        has_root: false,
        application: None,
    }
}

fn config(address: &str, defaults: Defaults) -> Result<PgConfig, OptionError> {
    let url = TargetUrl::parse(address).unwrap();
    let mut options = url.options.clone();
    let config = PgConfig::take_with(&url, &mut options, defaults)?;
    options.finish(OPTIONS)?;
    Ok(config)
}

/// Returns who is where, as `user:password@host:port,…/database`.
fn whereto(config: &PgConfig) -> String {
    let places: Vec<_> = config.places.iter().map(Place::to_string).collect();
    let password = config.password.as_ref().map(|password| format!(":{}", password.expose()));
    let password = password.unwrap_or_default();
    format!("{}{password}@{}/{}", config.user, places.join(","), config.database)
}

#[test]
fn addresses_say_where() {
    let check = |address: &str, expected: &str| {
        assert_eq!(whereto(&config(address, defaults()).unwrap()), expected, "{address}");
    };
    check("postgresql://", "me@/run/pg:5432/me");
    check("postgres:///db", "me@/run/pg:5432/db");
    check("postgresql://you@h", "you@h:5432/you");
    check("postgresql://you:pw@h:1/db", "you:pw@h:1/db");
    check("postgresql://u%40x:p%2Fw%3A%40@h/db", "u@x:p/w:@@h:5432/db");
    check("postgresql://a:1,b,c:3/db", "me@a:1,b:5432,c:3/db");
    check("postgresql://a:1,b/db?port=7", "me@a:1,b:7/db");
    check("postgresql://[::1]:1,[fe80::1]/db", "me@[::1]:1,[fe80::1]:5432/db");
    check("postgresql:///db?host=/var/run/postgresql", "me@/var/run/postgresql:5432/db");
    check("postgresql://?host=a,b&port=1,2&user=u&password=p%26&dbname=d", "u:p&@a:1,b:2/d");
    check("postgresql://?host=a,,/s&port=1", "me@a:1,localhost:1,/s:1/me");
    check("postgresql://?host=%3A%3A1", "me@[::1]:5432/me");
}

#[test]
fn the_environment_is_the_default() {
    let defaults = Defaults {
        host: "a,b".into(),
        port: 7,
        database: Some("base".into()),
        mode: PgSslMode::Require,
        has_root: true,
        application: Some("loader".into()),
        ..defaults()
    };
    let check = |address: &str, expected: &str, application: &str, mode: PgSslMode| {
        let config = config(address, defaults.clone()).unwrap();
        assert_eq!(whereto(&config), expected, "{address}");
        assert_eq!(config.application, application, "{address}");
        assert_eq!(format!("{:?}", config.tls.mode), format!("{mode:?}"), "{address}");
    };
    check("postgresql://", "me@a:7,b:7/base", "loader", PgSslMode::VerifyCa);
    check(
        "postgresql://you@c:1/d?application_name=x&sslmode=disable",
        "you@c:1/d",
        "x",
        PgSslMode::Disable,
    );
}

#[test]
fn encryption_is_as_libpq_has_it() {
    let check = |query: &str, mode: PgSslMode, root: Option<&str>| {
        let tls = config(&format!("postgresql://h/db?{query}"), defaults()).unwrap().tls;
        assert_eq!(format!("{:?}", tls.mode), format!("{mode:?}"), "{query}");
        assert_eq!(tls.root, root.map(PathBuf::from), "{query}");
    };
    check("", PgSslMode::Prefer, None);
    check("sslmode=Disable", PgSslMode::Disable, None);
    check("sslmode=allow", PgSslMode::Allow, None);
    check("sslmode=require", PgSslMode::Require, None);
    check("sslmode=require&sslrootcert=/ca", PgSslMode::VerifyCa, Some("/ca"));
    check("sslmode=prefer&sslrootcert=/ca", PgSslMode::Prefer, Some("/ca"));
    check("sslmode=verify-ca", PgSslMode::VerifyCa, None);
    check("sslmode=verify-full&sslrootcert=/ca", PgSslMode::VerifyFull, Some("/ca"));
    check("sslrootcert=system", PgSslMode::VerifyFull, None);
    check("sslcert=/c&sslkey=/k", PgSslMode::Prefer, None);
}

#[test]
fn what_else_an_address_says() {
    let address = "postgresql://h/db?options=-c%20work_mem=1MB&connect_timeout=0&target_session_attrs=primary&channel_binding=prefer&gssencmode=disable";
    let found = config(address, defaults()).unwrap();
    assert_eq!(found.settings.as_deref(), Some("-c work_mem=1MB"));
    assert_eq!((found.timeout, found.is_for_writing), (None, true));
    let found = config("postgresql://h/db", defaults()).unwrap();
    assert_eq!((found.timeout, found.is_for_writing), (Some(Duration::from_secs(10)), false));
    assert_eq!(found.application, "ctk");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let check = |query: &str, expected: &str| {
        let error = config(&format!("postgresql://u:hunter2@h/db?{query}"), defaults());
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("hunter"), "{error}");
    };
    check("host=other", "option `host` has no effect in this address");
    check("user=other", "option `user` has no effect in this address");
    check("password=hunter3", "option `password` has no effect in this address");
    check("dbname=other", "option `dbname` has no effect in this address");
    check("port=0", "option `port` is not a port, or one for each host");
    check("port=1,2", "option `port` is not a port, or one for each host");
    check("sslmode=verify", "option `sslmode` is not one of `disable`, `allow`");
    check("sslrootcert=system&sslmode=require", "option `sslmode` is not `verify-full`, with");
    check("sslcert=/c", "option `sslkey` is missing");
    check("sslkey=/k", "option `sslcert` is missing");
    check("channel_binding=require", "option `channel_binding` is not one of `disable`, `prefer`");
    check("connect_timeout=soon", "option `connect_timeout` is not an integer");
    check("target_session_attrs=standby", "option `target_session_attrs` is not one of `any`");
    check("keepalives=1", "unknown option `keepalives`");
}

#[test]
fn secrets_are_not_shown() {
    let config = config("postgresql://u:hunter2@a,b:1/db", defaults()).unwrap();
    assert_eq!(config.describe(), "database db at a:5432, b:1");
    let shown = format!("{config:?}");
    assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
}
