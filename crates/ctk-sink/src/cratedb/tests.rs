//! The CrateDB sink over real sockets: on the double, and on the server that `CTK_TEST_CRATEDB_URL` names. What needs faults
//! by script runs on the double alone.

use ctk_db::cratedb::CrateDbConfig;
use ctk_decode::{DecodeOptions, Decoder};
use ctk_flow::{Allowance, Decode, Record, Sequence, ShardId};
use ctk_test_support::cratedb::{CrateDb, Options, Target};
use ctk_url::TargetUrl;
use serde_json::Value;

use super::*;

mod faults;
mod tables;
mod values;

/// A schema of its own on a server, and how to load into it.
struct World {
    target: Target,
    decode: DecodeOptions,
    read: u64,
}

impl World {
    /// On the double, or the server of the environment.
    async fn new() -> Self {
        Self::on(ctk_test_support::cratedb::target().await)
    }

    /// On a double of its own.
    async fn with_double(options: Options) -> Self {
        Self::on(Target::of(CrateDb::start_with(options).await.unwrap()))
    }

    fn on(target: Target) -> Self {
        Self { target, decode: DecodeOptions::default(), read: 0 }
    }

    fn settings(&self) -> Settings {
        Settings {
            schema: self.target.schema().to_owned(),
            table: "t".into(),
            stream: "stream".into(),
            envelope: Envelope::Full,
            is_document: false,
            create_table: true,
            evolve: true,
            shards: None,
            replicas: Some("0".into()),
            partitioned_by: None,
            batch_rows: 10_000,
            batch_bytes: 8 << 20,
            linger: Duration::ZERO,
            connections: 4,
            dead_letters: DeadLetters::Table,
        }
    }

    fn client(&self) -> Client {
        let url = TargetUrl::parse(&self.target.url("")).unwrap();
        Client::new(&CrateDbConfig::take(&url, &mut url.options.clone()).unwrap()).unwrap()
    }

    fn sink(&self, settings: Settings) -> CrateDbSink {
        CrateDbSink::start(self.client(), settings)
    }

    fn double(&self) -> &CrateDb {
        self.target.double().unwrap()
    }

    fn changes(&self, shard: &str, from: u64, records: &[&str]) -> Changes {
        let records = records.iter().enumerate().map(|(index, data)| Record {
            data: data.as_bytes().to_vec(),
            sequence: Sequence::new((from + index as u64).to_string()),
            partition_key: Some("key".into()),
            arrived_at: Some(1_748_772_000_123),
            done: 0,
        });
        let decoder = Decoder::new(self.decode);
        decoder.decode(&ShardId::new(shard), &mut records.collect(), Allowance::ALL).changes
    }

    /// Loads records as one batch, each with the next sequence number.
    async fn load(&mut self, settings: Settings, records: &[&str]) -> Result<Committed, Failure> {
        let from = self.read + 1;
        self.read += records.len() as u64;
        self.load_from(settings, from, records).await
    }

    async fn load_from(
        &self,
        settings: Settings,
        from: u64,
        records: &[&str],
    ) -> Result<Committed, Failure> {
        let sink = self.sink(settings);
        let written = sink.write(self.changes("shard-1", from, records)).await;
        sink.close().await.unwrap();
        written
    }

    /// Loads, which must succeed with so many rows and letters.
    async fn loads(&mut self, records: &[&str], written: u64, dead_lettered: u64) {
        let settings = self.settings();
        let committed = self.load(settings, records).await.unwrap();
        assert_eq!((committed.written, committed.dead_lettered), (written, dead_lettered));
    }

    /// Runs a statement in which `TABLE` stands for the quoted table `t`, and `"t` for its beginning.
    async fn sql(&self, statement: &str) -> Value {
        let schema = quote(self.target.schema());
        let statement = statement.replace("\"t", &format!("{schema}.\"t"));
        let answer = self.target.sql(&statement, &[]).await;
        assert!(answer.get("error").is_none(), "{statement}: {answer}");
        answer
    }

    /// Returns the rows of a table, in the order of the stream, each as `name=JSON`, without NULLs and without the envelope.
    async fn rows(&self, table: &str) -> Vec<String> {
        self.sql(&format!("REFRESH TABLE \"{table}\"")).await;
        let answer =
            self.sql(&format!("SELECT * FROM \"{table}\" ORDER BY \"kinesis\"['seq_no']")).await;
        let names: Vec<&str> =
            answer["cols"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let show = |row: &Value| {
            let mut cells: Vec<String> = names
                .iter()
                .zip(row.as_array().unwrap())
                .filter(|(name, value)| !name.starts_with("kinesis") && !value.is_null())
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            cells.sort();
            cells.join(" ")
        };
        answer["rows"].as_array().unwrap().iter().map(show).collect()
    }

    /// Returns the columns of a table as `name type`, keys included, without the envelope.
    async fn columns(&self, table: &str) -> Vec<String> {
        let sql = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = ? AND table_name = ?";
        let answer = self.target.sql(sql, &[self.target.schema().into(), table.into()]).await;
        let mut columns: Vec<String> = answer["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| format!("{} {}", row[0].as_str().unwrap(), row[1].as_str().unwrap()))
            .filter(|column| !column.starts_with("kinesis"))
            .collect();
        columns.sort();
        columns
    }

    /// Returns the reasons of the dead letters, in the order of the stream.
    async fn letters(&self) -> Vec<String> {
        self.sql("REFRESH TABLE \"t_dead_letters\"").await;
        let sql =
            "SELECT \"error\" FROM \"t_dead_letters\" ORDER BY \"sequence\", \"sub_sequence\"";
        let answer = self.sql(sql).await;
        answer["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row[0].as_str().unwrap().to_owned())
            .collect()
    }

    async fn count(&self, table: &str) -> i64 {
        self.sql(&format!("REFRESH TABLE \"{table}\"")).await;
        let answer = self.sql(&format!("SELECT count(*) FROM \"{table}\"")).await;
        answer["rows"][0][0].as_i64().unwrap()
    }

    async fn end(self) {
        self.target.clean().await;
    }
}
