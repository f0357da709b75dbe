//! Change data of the shop in `examples/cdc`: what its page shows is what comes of its commands.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _};

use crate::world::World;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the blocks of code of a page.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        match line.strip_prefix("    ") {
            Some(code) => {
                if let Some(block) = blocks.last_mut() {
                    block.push_str(code);
                    block.push('\n');
                }
            }
            None => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// Splits a command as a shell does that knows nothing but quotation marks.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// Returns what `sqlite3 -header` prints.
async fn rows(database: PathBuf, sql: &str) -> String {
    let mut connection = ctk_db::sqlite::open(&database, ctk_db::sqlite::Mode::Read).await.unwrap();
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
    let rows = rows.unwrap();
    let names = rows[0].columns().iter().map(|column| column.name().to_owned()).collect();
    let cells = |row: &sqlx::sqlite::SqliteRow| {
        let text = |index: usize| {
            let value = row.try_get_raw(index).unwrap();
            match (value.is_null(), value.type_info().name()) {
                (true, _) => String::new(),
                (_, "INTEGER") => row.get_unchecked::<i64, _>(index).to_string(),
                (_, "REAL") => row.get_unchecked::<f64, _>(index).to_string(),
                _ => row.get_unchecked(index),
            }
        };
        (0..row.len()).map(text).collect::<Vec<_>>()
    };
    let lines = std::iter::once(names).chain(rows.iter().map(cells));
    lines.map(|cells: Vec<String>| cells.join("|") + "\n").collect()
}

#[tokio::test]
async fn the_page_of_the_shop_shows_what_comes() {
    let page = std::fs::read_to_string(root().join("examples/cdc/README.md")).unwrap();
    let world = World::new(1).await;
    std::os::unix::fs::symlink(root().join("examples"), world.path("examples")).unwrap();
    let (mut loads, mut looks) = (0, 0);
    let blocks = blocks(&page);
    for (index, block) in blocks.iter().enumerate() {
        let block = block.replace("\\\n", "");
        let mut shown = String::new();
        for command in block.lines().map(words) {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            match command.as_slice() {
                // Into CrateDB, from a stream that is not there.
                ["ctk", "load", source, ..] if source.contains("///") => {}
                ["ctk", arguments @ ..] => {
                    let ended = world.run(arguments).await;
                    assert_eq!(ended.code, Some(0), "{command:?}: {ended:?}");
                    let nothing_else = "written + 0 dead-lettered + 0 filtered";
                    assert!(ended.stderr.contains(nothing_else), "{ended:?}");
                    loads += 1;
                }
                ["sqlite3", "-header", database, sql] => {
                    shown += &rows(world.path(database), sql).await;
                }
                _ => {}
            }
        }
        if !shown.is_empty() {
            assert_eq!(blocks.get(index + 1), Some(&shown), "{block}");
            looks += 1;
        }
    }
    assert_eq!((loads, looks), (4, 4));
}

#[tokio::test]
async fn a_table_of_the_target_is_refused_for_dms() {
    let world = World::new(1).await;
    for target in ["crate://localhost/shop/orders", "sqlite:a.db?table=orders"] {
        let ended = world.run(&["load", "--once", "kinesis+dms:///demo", target]).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let expected = "the target names the table orders, but the tables are those of the records";
        assert!(ended.stderr.contains(expected), "{ended:?}");
    }
    assert_eq!(world.files(), Vec::<String>::new());
}
