//! What comes back is what was built.

use super::*;
use crate::record::Sequence;

#[test]
fn changes_come_back_as_they_were_built() {
    let mut changes = Changes::new(ShardId::new("s"), 1, 100);
    changes.push_origin(origin("1"));
    let table = changes.table("shop", "orders");
    assert_eq!(changes.table("shop", "orders"), table);
    let other = changes.table("", "orders");
    assert_ne!(other, table);
    let (id, total, tags) = (changes.column("id"), changes.column("total"), changes.column("tags"));
    changes.cell(id, Value::Integer(1));
    changes.cell(id, Value::Integer(2));
    changes.cell(total, Value::Decimal("1.50"));
    changes.cell(tags, Value::Json("[1, \"a\"]"));
    let parts = Parts { before: 1, key: 1, aux: 1 };
    changes.end_change(0, table, Action::Patch, parts, b"first");
    let drop = Action::Table(TableChange::Drop);
    changes.end_change(1, other, drop, Parts::default(), b"second");

    let all: Vec<_> = changes.rows().filter_map(|row| row.change()).collect();
    let [first, second] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((first.table(), first.asks()), (table, Asks::Patch));
    assert_eq!(first.before().collect::<Vec<_>>(), [(id, Value::Integer(1))]);
    assert_eq!(first.key().collect::<Vec<_>>(), [(id, Value::Integer(2))]);
    assert_eq!(
        first.data().collect::<Vec<_>>(),
        [(id, Value::Integer(2)), (total, Value::Decimal("1.50"))]
    );
    assert_eq!(first.aux().collect::<Vec<_>>(), [(tags, Value::Json("[1, \"a\"]"))]);
    assert_eq!((first.payload(), second.payload()), (&b"first"[..], &b"second"[..]));
    assert_eq!((second.table(), second.asks()), (other, Asks::Table(&TableChange::Drop)));
    assert_eq!(second.data().count(), 0);
}

fn origin(sequence: &str) -> Origin {
    Origin {
        sequence: Sequence::new(sequence),
        partition_key: Some("key".into()),
        arrived_at: Some(1),
    }
}

#[test]
fn rows_come_back_as_they_were_built() {
    let mut changes = Changes::new(ShardId::new("s"), 2, 100);
    changes.push_origin(origin("1"));
    let (a, b) = (changes.column("a"), changes.column("b"));
    changes.cell(a, Value::Integer(1));
    changes.cell(b, Value::Text("grün"));
    changes.end_row(0);
    changes.cell(a, Value::Bytes(&[0xff]));
    changes.end_row(1);
    changes.push_origin(origin("2"));
    assert_eq!(changes.column("b"), b);
    changes.cell(b, Value::Json("[1]"));
    changes.abandon_row();
    changes.cell(b, Value::Decimal("1.50"));
    changes.end_row(0);

    let rows: Vec<_> = changes
        .rows()
        .map(|row| {
            (row.origin().sequence.to_string(), row.sub_sequence(), row.cells().collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("1".to_owned(), 0, vec![(a, Value::Integer(1)), (b, Value::Text("grün"))]),
            ("1".to_owned(), 1, vec![(a, Value::Bytes(&[0xff]))]),
            ("2".to_owned(), 0, vec![(b, Value::Decimal("1.50"))]),
        ]
    );
}
