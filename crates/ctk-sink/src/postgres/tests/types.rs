//! Columns of every type, in a table of somebody else: each value is there as it was sent, or beside.

use super::*;

/// Loads one record into a table with one column `v` of this type, and compares what stands there.
async fn check(world: &mut World, declared: &str, record: &str, expected: &str) {
    world.server.sql(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (v {declared})"));
    let record = format!(r#"{{"v": {record}}}"#);
    assert_eq!(world.load(World::settings(), &[&record]).await.unwrap(), written(1), "{declared}");
    assert_eq!(world.rows("t"), [expected], "{record} into {declared}");
}

#[tokio::test]
async fn numbers() {
    let mut world = World::new().await;
    for (declared, record, expected) in [
        ("smallint", "-5", "v=-5"),
        ("smallint", "40000", "v__bigint=40000"),
        ("integer", "7.0", "v=7"),
        ("integer", "7.5", "v__double=7.5"),
        ("real", "0.1", "v=0.1"),
        ("real", "0.123456789", "v__double=0.123456789"),
        ("double precision", "3", "v=3"),
        ("numeric", "12345678901234567890.123456789", "v=12345678901234567890.123456789"),
        ("numeric", "1.50", "v=1.50"),
        ("numeric", "-1e-20", "v=-0.00000000000000000001"),
        ("numeric(6, 2)", "1234.5", "v=1234.50"),
        ("numeric(6, 2)", "0.005", "v__double=0.005"),
        ("numeric(6, 2)", "12345", "v__bigint=12345"),
        ("numeric(2, -2)", "9900", "v=9900"),
        ("numeric(2, -2)", "9950", "v__bigint=9950"),
        ("bigint", "99999999999999999999", "v__numeric=99999999999999999999"),
        ("text", "5", "v__bigint=5"),
    ] {
        check(&mut world, declared, record, expected).await;
    }
}

#[tokio::test]
async fn texts() {
    let mut world = World::new().await;
    world
        .server
        .sql("CREATE TYPE color AS ENUM ('red', 'gr ün'); CREATE DOMAIN short AS varchar(3)");
    for (declared, record, expected) in [
        ("varchar(3)", r#""abc""#, "v=abc"),
        ("varchar(3)", r#""abcd""#, "v__text=abcd"),
        ("char(5)", r#""ab""#, "v=ab"),
        ("char(5)", r#""ab ""#, "v__text=ab "),
        ("color", r#""gr ün""#, "v=gr ün"),
        ("color", r#""blue""#, "v__text=blue"),
        ("short", r#""abc""#, "v=abc"),
        ("short", r#""abcd""#, "v__text=abcd"),
        ("json", r#"{"a":  1}"#, r#"v={"a":  1}"#),
        ("jsonb", r#"{"a":  1, "a": 2}"#, r#"v={"a": 2}"#),
        ("bytea", r#""a\u0000b""#, "v=\\x610062"),
        ("bytea", r#""ab""#, "v__text=ab"),
        (
            "uuid",
            r#""550E8400-e29b-41d4-a716-446655440000""#,
            "v=550e8400-e29b-41d4-a716-446655440000",
        ),
        ("uuid", r#""550E8400""#, "v__text=550E8400"),
        ("inet", r#""127.0.0.1""#, "v__text=127.0.0.1"),
        ("interval", r#""1 day""#, "v__text=1 day"),
        ("boolean", "true", "v=true"),
        ("boolean", r#""true""#, "v__text=true"),
    ] {
        check(&mut world, declared, record, expected).await;
    }
}

#[tokio::test]
async fn times() {
    let mut world = World::new().await;
    for (declared, record, expected) in [
        ("timestamptz", r#""2026-11-20T18:33:24.123456+01:00""#, "v=2026-11-20 17:33:24.123456+00"),
        ("timestamptz", r#""2026-11-20 18:33""#, "v=2026-11-20 18:33:00+00"),
        (
            "timestamptz",
            r#""2026-11-20T18:33:24.1234567Z""#,
            "v__text=2026-11-20T18:33:24.1234567Z",
        ),
        ("timestamptz(0)", r#""2026-11-20T18:33:24.5Z""#, "v__text=2026-11-20T18:33:24.5Z"),
        ("timestamptz", r#""0001-01-01""#, "v=0001-01-01 00:00:00+00"),
        ("timestamptz", "1795199400123", "v__bigint=1795199400123"),
        ("timestamp", r#""2026-11-20T18:33:24.5""#, "v=2026-11-20 18:33:24.5"),
        ("timestamp", r#""2026-11-20T18:33:24+01:00""#, "v__text=2026-11-20T18:33:24+01:00"),
        ("date", r#""1969-07-20""#, "v=1969-07-20"),
        ("date", r#""2026-02-30""#, "v__text=2026-02-30"),
        ("time", r#""23:59:59.999999""#, "v=23:59:59.999999"),
        ("time", r#""24:00""#, "v__text=24:00"),
    ] {
        check(&mut world, declared, record, expected).await;
    }
}

#[tokio::test]
async fn arrays() {
    let mut world = World::new().await;
    world.server.sql("CREATE TYPE color AS ENUM ('red')");
    for (declared, record, expected) in [
        ("integer[]", "[1, null, -3]", "v={1,NULL,-3}"),
        ("integer[]", "[]", "v={}"),
        ("integer[]", "[1.5]", "v__jsonb=[1.5]"),
        ("integer[]", "[[1], [2]]", "v__jsonb=[[1], [2]]"),
        ("text[]", r#"["a b", "\"", "NULL", ""]"#, r#"v={"a b","\"","NULL",""}"#),
        ("varchar(2)[]", r#"["ab", "abc"]"#, r#"v__jsonb=["ab", "abc"]"#),
        ("numeric(4, 1)[]", "[1.5, 2]", "v={1.5,2.0}"),
        ("numeric(4, 1)[]", "[1.55]", "v__jsonb=[1.55]"),
        ("timestamptz[]", r#"["2000-01-01T00:00:00Z"]"#, r#"v={"2000-01-01 00:00:00+00"}"#),
        ("color[]", r#"["red"]"#, "v={red}"),
        ("color[]", r#"["blue"]"#, r#"v__jsonb=["blue"]"#),
        ("jsonb[]", r#"[{"a": 1}]"#, r#"v={"{\"a\": 1}"}"#),
        (
            "uuid[]",
            r#"["550e8400-e29b-41d4-a716-446655440000"]"#,
            "v={550e8400-e29b-41d4-a716-446655440000}",
        ),
    ] {
        check(&mut world, declared, record, expected).await;
    }
}
