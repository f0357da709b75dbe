//! The files of `examples/cdc/aws`: every line is a change, with each of the recipes.

use ctk_decode::{DecodeOptions, Decoder, Format, Recipe, RecipeError};
use ctk_flow::{Allowance, Asks, Change, Changes, Decode, Record, Sequence, ShardId};

fn decode(format: Format, recipe: Recipe, dump: &str) -> Changes {
    let record = |(line, data): (usize, &str)| Record {
        data: data.into(),
        sequence: Sequence::new((line + 1).to_string()),
        partition_key: None,
        arrived_at: None,
        done: 0,
    };
    let mut records = dump.lines().enumerate().map(record).collect();
    let decoder =
        Decoder::with_recipe(DecodeOptions { format, ..DecodeOptions::default() }, recipe);
    let changes = decoder.decode(&ShardId::new("s"), &mut records, Allowance::ALL).changes;
    assert_eq!(changes.dead_letters(), []);
    assert_eq!((changes.len(), changes.filtered()), (dump.lines().count(), 0));
    changes
}

/// Returns a letter for each change.
fn asks(changes: &Changes) -> String {
    let letter = |change: Change<'_>| match change.asks() {
        Asks::Put => 'P',
        Asks::Patch => 'U',
        Asks::Delete => 'D',
        Asks::Table(_) => 'T',
    };
    changes.rows().filter_map(|row| row.change()).map(letter).collect()
}

#[test]
fn the_shop_of_dms_is_read() -> Result<(), RecipeError> {
    let dump = include_str!("../../../examples/cdc/aws/dms-shop.ndjson");
    let direct = include_str!("../../../examples/cdc/aws/dms-load-schema-direct.yaml");
    let universal = include_str!("../../../examples/cdc/aws/dms-load-schema-universal.yaml");
    for (recipe, renamed) in [("{}", false), (direct, true), (universal, false)] {
        let changes = decode(Format::Dms, Recipe::parse(recipe)?, dump);
        assert_eq!(asks(&changes), "TTPPPPPPUUUDTUTP");
        let has = |name: &str| changes.columns().iter().any(|column| &**column == name);
        assert_eq!(
            (has("customer_since"), has("joined"), has("email")),
            (renamed, !renamed, !renamed)
        );
    }
    Ok(())
}

#[test]
fn the_shop_of_dynamodb_is_read() {
    let dump = include_str!("../../../examples/cdc/aws/dynamodb-shop.ndjson");
    assert_eq!(asks(&decode(Format::DynamoDb, Recipe::default(), dump)), "PPPPPD");
}
