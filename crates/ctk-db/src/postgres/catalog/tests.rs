//! The catalog of a real server.

use ctk_test_support::postgres::Postgres;
use ctk_url::TargetUrl;

use super::*;
use crate::postgres::PgConfig;

async fn connect(server: &Postgres) -> Connection {
    let url = TargetUrl::parse(&server.url()).unwrap();
    PgConfig::take(&url, &mut url.options.clone()).unwrap().connect().await.unwrap()
}

fn column(name: &str, of: Type) -> Column {
    Column {
        name: name.into(),
        of,
        is_domain: false,
        nullable: true,
        has_default: false,
        is_generated: false,
        is_key: false,
    }
}

fn array(element: Type, element_oid: u32) -> Type {
    Type::Array { element: Box::new(element), element_oid }
}

fn other(name: &str) -> Type {
    Type::Other { name: name.into() }
}

#[tokio::test]
async fn columns_have_the_types_below_what_is_declared() {
    let server = Postgres::start().await.unwrap();
    server.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'O''Hara, ok');
         ALTER TYPE mood ADD VALUE 'great' BEFORE 'sad';
         CREATE DOMAIN money_like AS numeric(10, 2) NOT NULL DEFAULT 0;
         CREATE DOMAIN price AS money_like CHECK (VALUE >= 0);
         CREATE DOMAIN codes AS varchar(3)[];
         CREATE TYPE point_like AS (x int, y int);
         CREATE TABLE \"T a\" (bo bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(6,3), n5 numeric(5),
           t text, v varchar, v5 varchar(5), c char, c4 char(4), bp bpchar, js json, jb jsonb, by bytea, tz timestamptz, tz3 timestamptz(3),
           ts timestamp, ts0 timestamp(0), d date, ti time, ti2 time(2), u uuid, m mood, ms mood[], ia int[], ia2 int[][], va varchar(5)[],
           na numeric(4,2)[], p price, ps price[], cs codes, nm name, iv interval(3), ip inet, vec int2vector, pt point_like, \"x\"\"y\" text)",
    );
    let mut connection = connect(&server).await;
    let oid = |name: &str| -> u32 {
        server.sql(&format!("SELECT '{name}'::regtype::oid")).parse().unwrap()
    };
    let mood = || Type::Enum { labels: vec!["great".into(), "sad".into(), "O'Hara, ok".into()] };
    let domain = |name, of| Column { is_domain: true, ..column(name, of) };
    let text = |most| Type::Text { most };
    let numeric = |precision| Type::Numeric { precision };
    let expected = vec![
        column("bo", Type::Bool),
        column("i2", Type::Int2),
        column("i4", Type::Int4),
        column("i8", Type::Int8),
        column("f4", Type::Float4),
        column("f8", Type::Float8),
        column("n", numeric(None)),
        column("n2", numeric(Some((6, 3)))),
        column("n5", numeric(Some((5, 0)))),
        column("t", text(None)),
        column("v", text(None)),
        column("v5", text(Some(5))),
        column("c", Type::Char { length: 1 }),
        column("c4", Type::Char { length: 4 }),
        column("bp", text(None)),
        column("js", Type::Json),
        column("jb", Type::Jsonb),
        column("by", Type::Bytea),
        column("tz", Type::Timestamptz { digits: 6 }),
        column("tz3", Type::Timestamptz { digits: 3 }),
        column("ts", Type::Timestamp { digits: 6 }),
        column("ts0", Type::Timestamp { digits: 0 }),
        column("d", Type::Date),
        column("ti", Type::Time { digits: 6 }),
        column("ti2", Type::Time { digits: 2 }),
        column("u", Type::Uuid),
        column("m", mood()),
        column("ms", array(mood(), oid("mood"))),
        column("ia", array(Type::Int4, 23)),
        column("ia2", array(Type::Int4, 23)),
        column("va", array(text(Some(5)), 1043)),
        column("na", array(numeric(Some((4, 2))), 1700)),
        Column { nullable: false, has_default: true, ..domain("p", numeric(Some((10, 2)))) },
        column("ps", array(numeric(Some((10, 2))), oid("price"))),
        domain("cs", array(text(Some(3)), 1043)),
        column("nm", other("name")),
        column("iv", other("interval")),
        column("ip", other("inet")),
        column("vec", other("int2vector")),
        column("pt", other("point_like")),
        column("x\"y", text(None)),
    ];
    let found = table(&mut connection, "public", "T a").await.unwrap().unwrap();
    for (found, expected) in found.columns.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.columns.len(), expected.len());
    assert_eq!(table(&mut connection, "public", "t a").await.unwrap(), None);
    assert_eq!(table(&mut connection, "Public", "T a").await.unwrap(), None);
    assert_eq!(table(&mut connection, "pg_catalog", "T a").await.unwrap(), None);
}
