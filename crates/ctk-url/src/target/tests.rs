//! Tables of target addresses.

use super::*;

fn parse(text: &str) -> TargetUrl {
    TargetUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn servers() {
    fn check(text: &str, scheme: TargetScheme, hosts: &str, path: &[&str], written: &str) {
        let url = parse(text);
        let actual: Vec<_> = url.hosts.iter().map(ToString::to_string).collect();
        assert_eq!((url.scheme, actual.join(" ").as_str()), (scheme, hosts), "{text}");
        assert_eq!(url.path, path, "{text}");
        assert_eq!(url.file, None, "{text}");
        assert_eq!(url.to_exposed_string(), written, "{text}");
        assert_eq!(parse(written), url, "{text}");
    }
    use TargetScheme::{CrateDb, PostgreSql};
    check("crate://", CrateDb, "", &[], "crate:///");
    check("crate:", CrateDb, "", &[], "crate:///");
    check("crate:///", CrateDb, "", &[], "crate:///");
    check("crate://localhost/", CrateDb, "localhost", &[], "crate://localhost/");
    check(
        "crate://localhost:4200/testdrive",
        CrateDb,
        "localhost:4200",
        &["testdrive"],
        "crate://localhost:4200/testdrive",
    );
    check(
        "crate://crate:crate@localhost:4200/testdrive/kinesis",
        CrateDb,
        "localhost:4200",
        &["testdrive", "kinesis"],
        "crate://crate:crate@localhost:4200/testdrive/kinesis",
    );
    check("crate://h/s/t/", CrateDb, "h", &["s", "t"], "crate://h/s/t");
    check("crate://h/s/", CrateDb, "h", &["s"], "crate://h/s");
    check("crate://h?schema=s", CrateDb, "h", &[], "crate://h/?schema=s");
    check(
        "crate://h/My%20Schema/a%2Fb",
        CrateDb,
        "h",
        &["My Schema", "a/b"],
        "crate://h/My%20Schema/a%2Fb",
    );
    check("crate://a:4200,b:4201/s", CrateDb, "a:4200 b:4201", &["s"], "crate://a:4200,b:4201/s");
    check(
        "crate://[::1]:4200,[::2]/",
        CrateDb,
        "[::1]:4200 [::2]",
        &[],
        "crate://[::1]:4200,[::2]/",
    );
    check("CrateDB://h/s", CrateDb, "h", &["s"], "crate://h/s");
    check("http://h:4200/s/t", CrateDb, "h:4200", &["s", "t"], "crate://h:4200/s/t");
    check("https://h/s", CrateDb, "h", &["s"], "crate://h/s?ssl=true");
    check("https://h/s?ssl=yes&schema=x", CrateDb, "h", &["s"], "crate://h/s?ssl=yes&schema=x");
    check(
        "postgresql://h/db?sslmode=require",
        PostgreSql,
        "h",
        &["db"],
        "postgresql://h/db?sslmode=require",
    );
    check(
        "postgresql://h:1/db?user=me@x",
        PostgreSql,
        "h:1",
        &["db"],
        "postgresql://h:1/db?user=me%40x",
    );
    check("postgres://h:5432/db", PostgreSql, "h:5432", &["db"], "postgresql://h:5432/db");
    check(
        "postgresql:///db?host=/var/run/postgresql",
        PostgreSql,
        "",
        &["db"],
        "postgresql:///db?host=/var/run/postgresql",
    );
    check("postgresql://a,b:1/db", PostgreSql, "a b:1", &["db"], "postgresql://a,b:1/db");
}

#[test]
fn the_parts_of_a_path_have_names() {
    fn check(text: &str, schema: Option<&str>, table: Option<&str>, database: Option<&str>) {
        let url = parse(text);
        assert_eq!(
            (url.schema(), url.table(), url.database()),
            (schema, table, database),
            "{text}"
        );
    }
    check("crate://h/s/t", Some("s"), Some("t"), None);
    check("crate://h/s", Some("s"), None, None);
    check("crate://h", None, None, None);
    check("postgresql://h/db", None, None, Some("db"));
    check("sqlite:x.db", None, None, None);
}

#[test]
fn credentials() {
    fn check(text: &str, user: Option<&str>, password: Option<&str>, shown: &str) {
        let url = parse(text);
        assert_eq!(url.user.as_deref(), user, "{text}");
        assert_eq!(url.password.as_ref().map(Secret::expose), password, "{text}");
        assert_eq!(url.to_string(), shown, "{text}");
        assert_eq!(parse(&url.to_exposed_string()), url, "{text}");
        if let Some(password) = password {
            assert!(!format!("{url:?}").contains(password), "{text}");
        }
    }
    check("crate://me@h/", Some("me"), None, "crate://me@h/");
    check("crate://crate:@h/", Some("crate"), None, "crate://crate@h/");
    check("crate://me:p%40%2F%3A%25%23%3F@h/", Some("me"), Some("p@/:%#?"), "crate://me:***@h/");
    check("crate://me:p:q:r@h/", Some("me"), Some("p:q:r"), "crate://me:***@h/");
    check("postgresql://:hunter2@h/db", None, Some("hunter2"), "postgresql://:***@h/db");
    check("postgresql://h/db?password=hunter2", None, None, "postgresql://h/db?password=***");
    check("postgresql://me:ünter@/db", Some("me"), Some("ünter"), "postgresql://me:***@/db");
}

#[test]
fn files() {
    fn check(text: &str, scheme: TargetScheme, file: Option<&str>, written: &str) {
        let url = parse(text);
        assert_eq!(
            (url.scheme, url.file.as_deref().and_then(|it| it.to_str())),
            (scheme, file),
            "{text}"
        );
        assert_eq!(url.to_string(), written, "{text}");
        assert_eq!(parse(written), url, "{text}");
    }
    use TargetScheme::{Discard, DuckDb, Jsonl, Sqlite};
    check("sqlite:path.db", Sqlite, Some("path.db"), "sqlite:path.db");
    check("sqlite:dir/path.db?table=t", Sqlite, Some("dir/path.db"), "sqlite:dir/path.db?table=t");
    check("sqlite:/abs/path.db", Sqlite, Some("/abs/path.db"), "sqlite:///abs/path.db");
    check("sqlite:///abs/path.db", Sqlite, Some("/abs/path.db"), "sqlite:///abs/path.db");
    check("sqlite:////abs/path.db", Sqlite, Some("/abs/path.db"), "sqlite:///abs/path.db");
    check("sqlite:../my%20file.db", Sqlite, Some("../my file.db"), "sqlite:../my%20file.db");
    check("sqlite:my file@1.db", Sqlite, Some("my file@1.db"), "sqlite:my%20file%401.db");
    check("duckdb:demo.duckdb", DuckDb, Some("demo.duckdb"), "duckdb:demo.duckdb");
    check("jsonl:out.jsonl", Jsonl, Some("out.jsonl"), "jsonl:out.jsonl");
    check("jsonl:///dev/stdout", Jsonl, Some("/dev/stdout"), "jsonl:///dev/stdout");
    check("jsonl:./-", Jsonl, Some("./-"), "jsonl:./-");
    check("-", Jsonl, None, "stdout:");
    check("jsonl:-", Jsonl, None, "stdout:");
    check("stdout:", Jsonl, None, "stdout:");
    check("null:", Discard, None, "null:");
    check("stdout://?layout=document", Jsonl, None, "stdout:?layout=document");
}

#[test]
fn what_is_wrong_is_refused_with_a_hint_and_not_repeated() {
    fn check(text: &str, expected: &UrlError, hint: &str) {
        let error = TargetUrl::parse(text).unwrap_err();
        assert_eq!(&error, expected, "{text}");
        let hinted = error.hint().unwrap_or_default();
        assert!(hinted.contains(hint), "{text}: {hinted}");
        assert!(!format!("{error} {error:?} {hinted}").contains("hunter2"), "{text}");
    }
    check("", &UrlError::Empty { example: EXAMPLE }, EXAMPLE);
    check("demo.db", &UrlError::NoScheme { example: EXAMPLE }, EXAMPLE);
    check("- ", &UrlError::Whitespace, "%20");
    check("crate://me:hunter2/x@h/s", &UrlError::UnescapedPassword, "%2F");
    check("crate://me:12/hunter2@h/s", &UrlError::UnescapedPassword, "%2F");
    check("crate://me:hunter2@x@h/s", &UrlError::UnescapedPassword, "%40");
    check("crate://me:hunter2?x@h/s", &UrlError::UnescapedPassword, "%3F");
    check("crate://me:@?hunter2=@h/s", &UrlError::UnescapedPassword, "%40");
    check("crate://me:hunter2#x@h/s", &UrlError::Fragment, "%23");
    check("crate://me:hunter2%x@h/s", &UrlError::Percent { part: "password" }, "%25");
    check("crate:me:hunter2@h/s", &UrlError::UnescapedPassword, "%40");
    check("crate:///me:hunter2@h/s", &UrlError::UnescapedPassword, "%40");
    check("crate://me:hunter2/s", &UrlError::BadPort, "%2F");
    check("crate:localhost/s", &UrlError::NoSlashes { scheme: "crate" }, "crate://host");
    check("crate://h/a/b/c", &UrlError::PathTooLong { form: "crate://host/schema/table" }, "%2F");
    check("crate://h//s//t", &UrlError::EmptySegment, "slashes");
    check("crate://h/s//", &UrlError::EmptySegment, "slashes");
    check("crate://a,,b/", &UrlError::BadHost, "IPv6");
    check("crate://a,/", &UrlError::BadHost, "IPv6");
    check("https://h/?ssl=false", &UrlError::HttpsWithoutSsl, "http://");
    let form = "postgresql://host/database?table=schema.table";
    check("postgresql://h/db/t", &UrlError::PathTooLong { form }, "?table=");
    check("sqlite:", &UrlError::NoFile { scheme: "sqlite" }, "sqlite:demo.db");
    check("sqlite://", &UrlError::NoFile { scheme: "sqlite" }, "sqlite:demo.db");
    check("sqlite:///", &UrlError::NoFile { scheme: "sqlite" }, "sqlite:demo.db");
    check("sqlite:dir/", &UrlError::NoFile { scheme: "sqlite" }, "sqlite:demo.db");
    check("sqlite:.", &UrlError::NoFile { scheme: "sqlite" }, "sqlite:demo.db");
    check("jsonl:", &UrlError::NoFile { scheme: "jsonl" }, "`-`");
    check("sqlite::memory:", &UrlError::InMemory { scheme: "sqlite" }, "sqlite:demo.db");
    check("sqlite:///:memory:", &UrlError::InMemory { scheme: "sqlite" }, "sqlite:demo.db");
    check(
        "sqlite://:memory:",
        &UrlError::UnwantedHost { scheme: "sqlite" },
        "sqlite:relative/path",
    );
    check(
        "sqlite://relative.db",
        &UrlError::UnwantedHost { scheme: "sqlite" },
        "sqlite:relative/path",
    );
    check(
        "sqlite://me:hunter2@h/x.db",
        &UrlError::UnwantedHost { scheme: "sqlite" },
        "sqlite:///absolute/path",
    );
    check("sqlite:~/x.db", &UrlError::Tilde, "$HOME");
    check("sqlite:file:x.db", &UrlError::FileScheme { scheme: "sqlite" }, "sqlite:demo.db");
    check("stdout:x", &UrlError::UnwantedHost { scheme: "jsonl" }, "jsonl:relative/path");
}

#[test]
fn an_unknown_scheme_is_answered_with_the_known() {
    fn check(text: &str, hint: Option<&str>) {
        let error = TargetUrl::parse(text).unwrap_err();
        assert!(error.to_string().ends_with(KNOWN), "{error}");
        assert_eq!(error.hint().as_deref(), hint, "{text}");
    }
    check("mysql://h/db", None);
    check("creat://h/db", Some("did you mean `crate:`?"));
    check("sqlite3:x.db", Some("did you mean `sqlite:`?"));
    check("postgresql+psycopg2://h/db", Some("did you mean `postgresql:`?"));
}
