//! Errors as a real server makes them.

use ctk_test_support::postgres::{Postgres, Stop};
use ctk_url::TargetUrl;

use super::*;
use crate::postgres::{Connection, PgConfig};

async fn connect(server: &Postgres) -> Connection {
    let url = TargetUrl::parse(&server.url()).unwrap();
    PgConfig::take(&url, &mut url.options.clone()).unwrap().connect().await.unwrap()
}

async fn fail(connection: &mut Connection, sql: &str) -> sqlx::Error {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(connection).await.unwrap_err()
}

#[tokio::test]
async fn codes_are_sorted_by_what_can_be_done() {
    let server = Postgres::start().await.unwrap();
    let mut connection = connect(&server).await;
    let mut check = async |codes: &[&str], expected: Trouble| {
        for code in codes {
            let sql = format!("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$");
            let error = fail(&mut connection, &sql).await;
            assert_eq!(sqlstate(&error).as_deref(), Some(*code));
            assert_eq!(trouble(&error), expected, "{code}");
        }
    };
    check(&["08006", "08P01", "57P01", "57P02", "57P03", "57P05"], Trouble::Connection).await;
    check(&["53300", "25P03"], Trouble::Connection).await;
    check(&["40001", "40P01", "55P03", "57014", "53200", "25P04"], Trouble::Retry).await;
    check(&["25006"], Trouble::ReadOnly).await;
    check(&["22001", "22003", "22P02", "22021", "22P05", "23502", "23505"], Trouble::Rows).await;
    check(&["23514", "44000", "54000", "54001", "P0001", "21000", "38000"], Trouble::Rows).await;
    check(&["42703", "42P01", "42804", "42701", "42P07", "26000", "42P10"], Trouble::Table).await;
    check(&["42501", "42601", "53100", "0A000", "XX000", "25P02", "54011"], Trouble::Other).await;
}

#[tokio::test]
async fn a_statement_whose_table_has_changed_is_about_the_table() {
    let server = Postgres::start().await.unwrap();
    let mut connection = connect(&server).await;
    server.sql("CREATE TABLE t (a int)");
    fail(&mut connection, "SELECT * FROM u").await;
    let select = "SELECT * FROM t";
    sqlx::query(select).fetch_all(&mut connection).await.unwrap();
    server.sql("ALTER TABLE t ADD COLUMN b int");
    let error = sqlx::query(select).fetch_all(&mut connection).await.unwrap_err();
    assert_eq!(sqlstate(&error).as_deref(), Some("0A000"));
    assert_eq!(trouble(&error), Trouble::Table);
}

#[tokio::test]
async fn a_lost_session_is_told_however_it_was_lost() {
    let mut server = Postgres::start().await.unwrap();
    let mut check = async |how: &str| {
        let mut connection = connect(&server).await;
        match how {
            "terminated" => assert_eq!(server.terminate_sessions(), 1),
            "killed" => {
                assert!(server.kill_session());
                // The server ends the others, and is back when it takes sessions.
                while connect_once(&server).await.is_err() {
                    tokio::task::yield_now().await;
                }
            }
            "fast" => server.stop(Stop::Fast).await.unwrap(),
            _ => server.stop(Stop::Immediate).await.unwrap(),
        }
        let error = fail(&mut connection, "SELECT 1").await;
        assert_eq!(trouble(&error), Trouble::Connection, "{how}: {error:?}");
        let again = sqlx::query("SELECT 1").execute(&mut connection).await.unwrap_err();
        assert_eq!(trouble(&again), Trouble::Connection, "{how}, again: {again:?}");
        if how == "fast" || how == "immediate" {
            let error = connect_once(&server).await.unwrap_err();
            assert_eq!(error.trouble(), Trouble::Connection, "{how}: {error:?}");
            server.run().await.unwrap();
        }
    };
    for how in ["terminated", "killed", "fast", "immediate"] {
        check(how).await;
    }
}

async fn connect_once(server: &Postgres) -> Result<Connection, crate::DbError> {
    let url = TargetUrl::parse(&server.url()).unwrap();
    PgConfig::take(&url, &mut url.options.clone()).unwrap().connect().await
}
