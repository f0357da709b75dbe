//! What runs on the double runs on a real server as well.

use serde_json::json;

use super::super::target;

#[tokio::test]
async fn a_target_has_a_schema_of_its_own_and_cleans_up() {
    let (target, other) = tokio::join!(target(), target());
    assert_ne!(target.schema(), other.schema());
    assert!(target.url("/s/t?a=b").starts_with("crate://"), "{}", target.url("/s/t"));
    assert!(target.url("s/t?a=b").ends_with("/s/t?a=b"), "{}", target.url("s/t"));
    for table in ["\"A-b\"", "t"] {
        let create = format!("CREATE TABLE {table} (id BIGINT PRIMARY KEY)");
        let answer = target.sql(&create, &[]).await;
        assert_eq!(answer["rowcount"], 1, "{answer}");
    }
    assert_eq!(target.sql("INSERT INTO t (id) VALUES (?)", &[json!(1)]).await["rowcount"], 1);
    let again = target.sql("INSERT INTO t (id) VALUES (?)", &[json!(1)]).await;
    assert_eq!(again["error"]["code"], 4091);
    target.sql("REFRESH TABLE t", &[]).await;
    let schema = target.schema().to_owned();
    let count = target.sql(&format!("SELECT count(*) FROM \"{schema}\".t"), &[]).await;
    assert_eq!(count["rows"], json!([[1]]));
    target.clean().await;
    other.clean().await;
}
