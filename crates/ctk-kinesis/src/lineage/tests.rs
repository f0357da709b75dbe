//! Tables over families: splits, merges, three generations, expired parents, garbage.

use super::*;

/// Reads `a; b<a; c<a,d!` : shards, their parents behind `<`, `!` for closed.
fn listing(text: &str) -> Vec<ShardListing> {
    let shard = |text: &str| {
        let (text, closed) = match text.trim().strip_suffix('!') {
            Some(text) => (text, true),
            None => (text.trim(), false),
        };
        let (id, parents) = text.split_once('<').unwrap_or((text, ""));
        let parents =
            parents.split(',').filter(|parent| !parent.is_empty()).map(ShardId::new).collect();
        ShardListing { id: ShardId::new(id), parents, closed }
    };
    text.split(';').filter(|text| !text.trim().is_empty()).map(shard).collect()
}

/// Reads `a=5 b=end c=none d=@7 e=5+6/2`: saved sequences, finished shards, rows without a sequence, rows that wait since an
/// instant, and a record of which two units are done.
fn saved(text: &str) -> HashMap<ShardId, Saved> {
    let row = |row: &str| {
        let (shard, state) = row.split_once('=').expect("shard=state");
        let (sequence, part) = state.split_once('+').unwrap_or((state, ""));
        let part = part.split_once('/').map(|(sequence, units)| Part {
            sequence: Sequence::new(sequence),
            units: units.parse().expect("a number"),
            form: 0,
        });
        let saved = match (state, state.strip_prefix('@')) {
            ("end", _) => Saved { finished: true, ..Saved::default() },
            ("none", _) => Saved::default(),
            (_, Some(instant)) => Saved { begins_at: instant.parse().ok(), ..Saved::default() },
            (_, None) => {
                Saved { sequence: Some(Sequence::new(sequence)), part, ..Saved::default() }
            }
        };
        (ShardId::new(shard), saved)
    };
    text.split_whitespace().map(row).collect()
}

/// Writes what is handed out as `a:start b:0 c:5 d:0?a`: where the user said, from the beginning, behind a sequence, and
/// from the beginning because the rest of `a` is lost.
fn ready(lineage: &mut Lineage) -> String {
    let shard = |ready: &Ready| {
        let from = match &ready.from {
            From::RunStart => "start".to_owned(),
            From::Beginning => "0".to_owned(),
            From::Time(instant) => format!("@{instant}"),
            From::Saved(sequence) => sequence.to_string(),
            From::Part { part, .. } => format!("{}/{}", part.sequence, part.units),
        };
        let lost = ready.lost.as_ref().map(|lost| format!("?{lost}")).unwrap_or_default();
        format!("{}:{from}{lost}", ready.id)
    };
    lineage.hand_out().iter().map(shard).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_may_be_read_first() {
    let check = |shards: &str, rows: &str, expected: &str| {
        for scope in [Scope::Following, Scope::UntilCaughtUp] {
            let mut lineage = Lineage::new(saved(rows), scope);
            lineage.list(listing(shards));
            assert_eq!(ready(&mut lineage), expected, "{shards} | {rows} | {scope:?}");
            assert_eq!(ready(&mut lineage), "", "nothing is handed out twice");
        }
    };
    check("", "", "");
    check("a;b", "", "a:start b:start");
    check("a;b", "a=7 b=none", "a:7 b:start");
    // Claimed by a run that began at an instant, and nothing came: that instant counts, for children as well.
    check("a;b", "a=@5", "a:@5 b:start");
    check("a!;b<a;c<a", "a=@5", "a:@5");
    check("b<a;c<a,d", "a=@5 d=@3", "b:0?a c:0?a");
    check("b<a;c<a", "a=@5 c=9", "b:@5 c:9");
    check("b<a;c<a", "a=7 b=@5", "b:@5 c:0?a");
    // A split: the parent first.
    check("a!;b<a;c<a", "", "a:start");
    check("a!;b<a;c<a", "a=7", "a:7");
    check("a!;b<a;c<a", "a=end", "b:0 c:0");
    check("a!;b<a;c<a", "a=none", "a:start");
    // A descendant with a position: its ancestors are done, its sister continues.
    check("a!;b<a;c<a", "b=3", "b:3 c:start");
    check("a!;b<a;c<a", "a=7 b=3", "b:3 c:0");
    check("a!;b<a!;c<b", "c=1", "c:1");
    check("a!;b<a!;c<b", "b=1", "b:1");
    check("a!;b<a!;c<b", "b=none a=7", "a:7");
    // An expired parent is done; where it had a position, its child continues.
    check("b<a;c<a", "", "b:start c:start");
    check("b<a;c<a", "a=end", "b:0 c:0");
    // It was not read to its end: what was left in it is lost, and that is told.
    check("b<a;c<a", "a=7", "b:0?a c:0?a");
    check("c<b,d", "b=end d=end", "c:0");
    check("c<b,d", "b=end d=8", "c:0?d");
    // A generation that no run ever saw, since another one did run.
    check("c<b", "a=end", "c:0?b");
    check("c<b;d", "d=3", "c:start d:3");
    check("c<b;d", "a=7 d=3", "c:0?b d:3");
    check("c<b;d", "a=7 c=3", "c:3 d:start");
    check("d<b", "", "d:start");
    // Within a record; a tool that knows no parts may have moved on.
    check("a", "a=5+6/2", "a:6/2");
    check("a", "a=7+6/2", "a:7");
    check("b<a;c<a", "a=end b=9", "b:9 c:0");
    // A merge waits for both parents.
    check("a!;b!;c<a,b", "", "a:start b:start");
    check("a!;b!;c<a,b", "a=end", "b:start");
    check("a!;b!;c<a,b", "a=end b=end", "c:0");
    check("b!;c<a,b", "", "b:start");
    // Three generations, and the grandparent's position reaches the grandchild.
    check("a!;b<a!;c<b", "", "a:start");
    check("b<a!;c<b", "a=end", "b:0");
    check("c<b;b<a!;a!", "a=end b=end", "c:0");
    // Garbage: a circle, a shard that is its own parent.
    check("a<b;b<a", "", "a:start b:start");
    check("a<a", "", "a:start");
    check("a<b;b<c;c<a;d<a", "", "a:start b:start c:start");
    check("a<b;b<a", "a=5", "a:5");
}

#[test]
fn children_come_after_their_parents() {
    let mut lineage = Lineage::new(saved("a=7"), Scope::Following);
    lineage.list(listing("a;b"));
    assert_eq!(ready(&mut lineage), "a:7 b:start");
    lineage.list(listing("a!;b!;c<a,b;d"));
    assert_eq!(ready(&mut lineage), "d:0", "what appears later is read from its beginning");
    assert_eq!(lineage.closed().map(ShardId::as_str).collect::<Vec<_>>(), ["a", "b"]);
    lineage.finish(&ShardId::new("a"));
    assert_eq!(ready(&mut lineage), "");
    lineage.finish(&ShardId::new("b"));
    assert_eq!(ready(&mut lineage), "c:0");
    lineage.list(listing("c<a,b!;e<c;f<c"));
    assert_eq!(ready(&mut lineage), "");
    lineage.finish(&ShardId::new("c"));
    assert_eq!(ready(&mut lineage), "e:0 f:0");
}

#[test]
fn a_run_that_ends_takes_only_children_of_what_it_finished() {
    let mut lineage = Lineage::new(HashMap::new(), Scope::UntilCaughtUp);
    lineage.list(listing("a;b"));
    assert_eq!(ready(&mut lineage), "a:start b:start");
    // `b` was caught up and is closed since: its child belongs to the next run, as does a stranger.
    lineage.list(listing("a!;b!;c<a;d<b;e;f<gone"));
    lineage.finish(&ShardId::new("a"));
    assert_eq!(ready(&mut lineage), "c:0");
}

#[test]
fn a_child_that_was_there_at_the_start_begins_where_the_user_said() {
    // Its parent may have ended before that time, so its own beginning may be too early.
    let mut lineage = Lineage::new(HashMap::new(), Scope::Following);
    lineage.list(listing("a!;b<a"));
    assert_eq!(ready(&mut lineage), "a:start");
    lineage.finish(&ShardId::new("a"));
    assert_eq!(ready(&mut lineage), "b:start");
}
