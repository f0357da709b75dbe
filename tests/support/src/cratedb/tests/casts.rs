//! What becomes of values: mostly something, silently.

use serde_json::{Value, json};

use super::{bulk, with_table};

/// Inserts one value into a column of a type and reads it back; `expected` is the value, or the code of the refusal of the
/// request (400), or of the row (-2).
async fn check(kind: &str, value: &str, expected: Result<Value, &str>) {
    let server = with_table(&format!("(id BIGINT PRIMARY KEY, a {kind})")).await;
    let rows = format!("[[1, {value}]]");
    let (status, results) = bulk(&server, "INSERT INTO t (id, a) VALUES (?, ?)", &rows).await;
    let found = match (status, results.as_slice()) {
        (200, [1]) => Ok(server.rows("SELECT a FROM t WHERE id = 1").remove(0).remove(0)),
        (200, [-2]) => Err("row"),
        (400, [4000]) => Err("request"),
        other => panic!("{kind} {value}: {other:?}"),
    };
    assert_eq!(found, expected, "{kind} {value}");
}

#[tokio::test]
async fn integers_wrap_and_fractions_are_cut_off() {
    check("BIGINT", "18446744073709551615", Ok(json!(-1))).await;
    check("BIGINT", "18446744073709551621", Ok(json!(5))).await;
    check("BIGINT", "-18446744073709551617", Ok(json!(-1))).await;
    check("BIGINT", "1.7", Ok(json!(1))).await;
    check("BIGINT", "-1.7", Ok(json!(-1))).await;
    check("BIGINT", "9223372036854775807", Err("row")).await;
    check("BIGINT", "-9223372036854775808", Err("row")).await;
    check("BIGINT", "1e300", Err("row")).await;
    check("BIGINT", "9223372036854775806", Ok(json!(9_223_372_036_854_775_806_i64))).await;
    check("BIGINT", "\"5\"", Ok(json!(5))).await;
    check("BIGINT", "\"5.5\"", Err("request")).await;
    check("BIGINT", "\"x\"", Err("request")).await;
    check("BIGINT", "true", Err("request")).await;
    check("BIGINT", "[1]", Err("request")).await;
    check("INTEGER", "2147483648", Err("request")).await;
    check("INTEGER", "18446744073709551615", Err("request")).await;
    check("SMALLINT", "-32768", Ok(json!(-32768))).await;
    check("CHAR", "128", Err("request")).await;
}

#[tokio::test]
async fn timestamps_are_milliseconds_and_floats_are_seconds() {
    check("TIMESTAMP WITH TIME ZONE", "1700000000123", Ok(json!(1_700_000_000_123_i64))).await;
    check("TIMESTAMP WITH TIME ZONE", "1700000000.5", Ok(json!(1_700_000_000_500_i64))).await;
    check("TIMESTAMP WITH TIME ZONE", "\"1970-01-01T01:00:00.1239+01:00\"", Ok(json!(123))).await;
    check("TIMESTAMP", "\"1970-01-01T01:00:00+01:00\"", Ok(json!(3_600_000))).await;
    check("TIMESTAMP", "\"1970-01-32\"", Err("request")).await;
    check("TIMESTAMP", "true", Err("request")).await;
}

#[tokio::test]
async fn texts_take_scalars() {
    check("TEXT", "5", Ok(json!("5"))).await;
    check("TEXT", "18446744073709551616", Ok(json!("18446744073709551616"))).await;
    check("TEXT", "2.5", Ok(json!("2.5"))).await;
    check("TEXT", "1e10", Ok(json!("1.0E10"))).await;
    check("TEXT", "true", Ok(json!("true"))).await;
    check("TEXT", r#"{"k": 1}"#, Ok(json!("{\"k\":1}"))).await;
    check("TEXT", "[1]", Err("request")).await;
    check("TEXT", r#""\ud83d\ude00 \u00e4\n""#, Ok(json!("😀 ä\n"))).await;
}

#[tokio::test]
async fn other_types() {
    check("BOOLEAN", "\"no\"", Ok(json!(false))).await;
    check("BOOLEAN", "\"maybe\"", Err("request")).await;
    check("DOUBLE PRECISION", "3", Ok(json!(3.0))).await;
    check("DOUBLE PRECISION", "\"inf\"", Err("request")).await;
    check("DOUBLE PRECISION", "false", Err("request")).await;
    check("REAL", "0.1", Ok(json!(0.1))).await;
    check("REAL", "1e300", Err("request")).await;
    check("NUMERIC(6, 2)", "\"1234.565\"", Ok(json!(1234.57))).await;
    check("NUMERIC(6, 2)", "99999", Err("request")).await;
    check("NUMERIC(4, 2)", "99.995", Err("request")).await;
    check("IP", "\"::1\"", Ok(json!("::1"))).await;
    check("IP", "\"1.2.3\"", Err("request")).await;
    check("GEO_POINT", "[9.5, 47]", Ok(json!([9.5, 47.0]))).await;
    check("GEO_POINT", "[200, 47]", Err("request")).await;
    check("ARRAY(BIGINT)", "[1, \"2\", 3.5]", Ok(json!([1, 2, 3]))).await;
    check("ARRAY(BIGINT)", "[1, \"x\"]", Err("request")).await;
    check("ARRAY(BIGINT)", "5", Err("request")).await;
    check("OBJECT(DYNAMIC)", "\"no object\"", Err("request")).await;
}
