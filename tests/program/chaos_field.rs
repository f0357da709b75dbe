//! What chaos is about: a stream of which everything is known, the database that it is loaded into, and what must be there
//! at the end.

use std::collections::BTreeMap;

use ctk_test_support::{
    embedded::{Kinesis, Options},
    postgres::Postgres,
};

use crate::world::World;

const SHARDS: u32 = 16;

/// Where rows go.
pub(crate) enum Database {
    Sqlite,
    PostgreSql(Box<Postgres>),
}

/// A stream, and where it goes.
pub(crate) struct Field {
    pub(crate) world: World,
    pub(crate) database: Database,
    /// Each of them loads the whole stream.
    pub(crate) namespaces: &'static [&'static str],
    pub(crate) filled: Filled,
}

/// What is in the stream.
pub(crate) struct Filled {
    pub(crate) records: u64,
    /// For each key: how many records, and the sum of their numbers, as the query has it.
    rows: Vec<String>,
    /// The last sequence number of each shard.
    last: BTreeMap<String, String>,
}

/// Numbers the records of each key.
async fn fill(kinesis: &Kinesis, about: u64) -> Filled {
    let name = |key: u64| format!("key-{key}");
    let record = |key: u64, number: u64| {
        format!(r#"{{"key":{key},"number":{number},"note":"of no interest"}}"#)
    };
    let put = async |key: u64, number: u64| {
        kinesis.put("demo", &name(key), record(key, number).as_bytes()).await.unwrap()
    };
    // So many keys that every shard has one.
    let (mut last, mut keys) = (BTreeMap::new(), 0);
    while last.len() < SHARDS as usize {
        last.extend([put(keys, 1).await]);
        keys += 1;
    }
    let each = about / keys;
    let numbers: Vec<u64> = (2..each).collect();
    for numbers in numbers.chunks(50) {
        let all: Vec<(String, String)> = numbers
            .iter()
            .flat_map(|number| (0..keys).map(|key| (name(key), record(key, *number))))
            .collect();
        let all = all.iter().map(|(name, data)| (name.as_str(), data.as_bytes()));
        kinesis.put_all("demo", all).await.unwrap();
    }
    for key in 0..keys {
        last.extend([put(key, each).await]);
    }
    let row = |key| format!("{key} {each} {each} {}", each * (each + 1) / 2);
    Filled { records: each * keys, rows: (0..keys).map(row).collect(), last }
}

impl Field {
    pub(crate) async fn new(
        database: Database,
        records: u64,
        namespaces: &'static [&'static str],
    ) -> Self {
        let world =
            World::with(Options { exact_arrival: false, ..Options::default() }, SHARDS).await;
        let filled = fill(&world.kinesis, records).await;
        Self { world, database, namespaces, filled }
    }

    pub(crate) fn target(&self) -> String {
        match &self.database {
            Database::Sqlite => "sqlite:demo.db".to_owned(),
            Database::PostgreSql(server) => server.url(),
        }
    }

    /// Returns the rows of a query; none when there is no table yet, or no server at present.
    async fn ask(&self, of_sqlite: &'static str, of_postgresql: &str) -> Vec<String> {
        match &self.database {
            Database::Sqlite => {
                let tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('demo', 'kinesis_checkpoints')";
                if !self.world.path("demo.db").exists()
                    || self.world.query("demo.db", tables).await != ["2"]
                {
                    return Vec::new();
                }
                self.world.query("demo.db", of_sqlite).await
            }
            Database::PostgreSql(server) => {
                let answer = server.try_sql(of_postgresql).unwrap_or_default();
                answer.lines().map(str::to_owned).collect()
            }
        }
    }

    pub(crate) async fn count(&self) -> u64 {
        let sql = "SELECT count(*) FROM demo";
        self.ask(sql, sql).await.first().map_or(0, |count| count.parse().unwrap())
    }

    /// Returns how many rows are missing.
    pub(crate) async fn left(&self) -> u64 {
        self.filled.records.saturating_sub(self.count().await)
    }

    pub(crate) async fn positions(&self) -> Vec<String> {
        let all = "SELECT namespace || ' ' || shard_id || ' ' || sequence FROM kinesis_checkpoints ORDER BY namespace, shard_id";
        self.ask(all, &all.replace("FROM ", "FROM ext.")).await
    }

    pub(crate) fn expected_positions(&self) -> Vec<String> {
        let of = |namespace: &'static str| {
            self.filled
                .last
                .iter()
                .map(move |(shard, sequence)| format!("{namespace} {shard} {sequence}"))
        };
        self.namespaces.iter().copied().flat_map(of).collect()
    }

    /// Asserts that all is there, and nothing twice.
    pub(crate) async fn check(&self) {
        let sql = "SELECT \"key\" || ' ' || count(*) || ' ' || count(DISTINCT number) || ' ' || sum(number) \
                   FROM demo GROUP BY \"key\" ORDER BY \"key\"";
        assert_eq!(self.ask(sql, sql).await, self.filled.rows);
        assert_eq!(self.count().await, self.filled.records);
        assert_eq!(self.positions().await, self.expected_positions());
        let letters = self
            .ask(
                "SELECT count(*) FROM sqlite_master WHERE name LIKE '%dead_letters%'",
                "SELECT count(*) FROM pg_class WHERE relname LIKE '%dead_letters%'",
            )
            .await;
        assert_eq!(letters, ["0"]);
        let active = "SELECT count(*) FROM kinesis_checkpoints WHERE active";
        assert_eq!(self.ask(active, &active.replace("FROM ", "FROM ext.")).await, ["0"]);
    }
}
