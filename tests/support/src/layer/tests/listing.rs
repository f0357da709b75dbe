//! Pages of `ListShards`, in order and in disorder.

use serde_json::{Value, json};

use super::{SHARD, Stream, ids};

async fn list(stream: &Stream, first: Value) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut body = first;
    loop {
        let answer = stream.socket.call("ListShards", body).await.unwrap();
        pages.push(ids(&answer).iter().map(|id| id.replace("shardId-00000000000", "")).collect());
        let Some(token) = answer["NextToken"].as_str() else { return pages };
        assert!(pages.len() < 20, "it goes round in circles");
        body = json!({ "NextToken": token });
    }
}

#[tokio::test]
async fn pages_in_disorder_overlap_and_lack_nothing() {
    let stream = Stream::of(&[]).await;
    stream.kinesis.split_shard("s", SHARD).await.unwrap();
    stream.kinesis.split_shard("s", "shardId-000000000001").await.unwrap();
    let script = stream.kinesis.script();
    let whole = json!({ "StreamName": "s" });
    script.shards_per_page(3);
    assert_eq!(list(&stream, whole.clone()).await, [vec!["0", "1", "2"], vec!["3", "4"]]);
    script.list_pages_in_disorder(true);
    assert_eq!(list(&stream, whole.clone()).await, [["4", "3", "2"], ["2", "1", "0"]]);
    script.shards_per_page(2);
    let pages = [["4", "3"], ["3", "2"], ["2", "1"], ["1", "0"]];
    assert_eq!(list(&stream, whole.clone()).await, pages);
    script.shards_per_page(1);
    assert_eq!(list(&stream, whole).await, [["4"], ["3"], ["2"], ["1"], ["0"]]);
    let behind = json!({ "StreamName": "s", "ExclusiveStartShardId": "shardId-000000000002" });
    assert_eq!(list(&stream, behind).await, [["3"], ["4"]], "from a shard on: in order");
}

#[tokio::test]
async fn no_page_is_larger_than_a_thousand() {
    let stream = Stream::of(&[]).await;
    stream.kinesis.create_stream("large", 1001).await.unwrap();
    let asked = json!({ "StreamName": "large", "MaxResults": 10_000 });
    let answer = stream.socket.call("ListShards", asked).await.unwrap();
    assert_eq!(ids(&answer).len(), 1000);
    let rest = json!({ "NextToken": answer["NextToken"] });
    assert_eq!(ids(&stream.socket.call("ListShards", rest).await.unwrap()).len(), 1);
}
