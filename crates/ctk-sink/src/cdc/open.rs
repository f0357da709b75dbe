//! A table of the target, ready for changes: found or made, with its key.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ctk_flow::{Asks, ColumnDef, ColumnKind, SourceTable};

use super::{
    definition::Definition,
    engine::Work,
    fit::{Entry, kind_of},
    store::{Alteration, Found, Layout, NewColumn, NewTable, Open, Store},
    tables::{Opened, bookkeeping_key},
};
use crate::{SinkError, columns::Columns, kinds::Seen, names};

/// The columns of the universal layout.
pub(crate) const PK: &str = "pk";
pub(crate) const DATA: &str = "data";
pub(crate) const AUX: &str = "aux";

/// Returns what is known of a table; if nothing is, makes it out: by the rules, the record, or the table that is there.
pub(crate) async fn define<S: Store>(
    work: &mut Work<'_, S>,
    source: &SourceTable,
    first: Option<Entry>,
) -> Result<Definition, SinkError> {
    let rules = work.settings.rules(source);
    if let Some(definition) = work.tables.definitions.get(source) {
        let mut definition = definition.clone();
        if !rules.key.is_empty() {
            definition.key = rules.key;
        }
        return Ok(definition);
    }
    let target = work.tables.assign(work.store, work.settings, source);
    let found = work.store.look(&target).await?;
    let has_objects = found.as_ref().is_some_and(|found| is_universal(&found.columns));
    let layout = rules.layout.unwrap_or(work.settings.layout);
    let mut key = rules.key;
    if key.is_empty()
        && let Some(change) = first.and_then(|entry| entry.row(work.group).change())
        && let Some(entry) = first
    {
        let columns = work.group[entry.member].changes.columns();
        key = change.key().map(|(column, _)| columns[column.index()].to_string()).collect();
    }
    if key.is_empty() {
        key = bookkeeping_key(source).iter().map(|name| (*name).to_owned()).collect();
    }
    if key.is_empty()
        && let Some(found) = found
        && (layout == Layout::Universal) == has_objects
        && found.key != [S::MESSAGE_ID]
        && !(layout == Layout::Universal && found.key == [PK])
    {
        key = found.key;
    }
    Ok(Definition { source: source.clone(), target, layout, key, columns: Vec::new() })
}

fn is_universal<H>(columns: &Columns<H>) -> bool {
    [PK, DATA, AUX].iter().all(|name| columns.find((*name).to_owned()).is_ok())
}

/// Stores a definition, if it is another one than before.
pub(crate) async fn remember<S: Store>(
    work: &mut Work<'_, S>,
    definition: Definition,
) -> Result<(), SinkError> {
    if work.tables.definitions.get(&definition.source) != Some(&definition) {
        work.store.define(&definition.source, Some(&definition.to_json())).await?;
    }
    work.tables.note(definition, work.settled);
    Ok(())
}

/// Returns the table that these changes go to.
pub(crate) async fn open<'w, S: Store>(
    work: &'w mut Work<'_, S>,
    source: &SourceTable,
    entries: &[Entry],
) -> Result<&'w Opened<S::Holds>, SinkError> {
    if !work.tables.open.contains_key(source) {
        let mut definition = define(work, source, entries.first().copied()).await?;
        // What rows have is a column of the source from here on, as far as nothing else is told.
        for (name, seen) in seen(work, entries) {
            if definition.position(&name).is_none() && !definition.key.contains(&name) {
                let kind = seen.kind().map_or(ColumnKind::Unknown, kind_of);
                definition.columns.push(ColumnDef { name, kind });
            }
        }
        let opened = find_or_make(work, &definition, entries).await?;
        remember(work, definition).await?;
        work.tables.open.insert(source.clone(), opened);
    }
    work.tables.open.get(source).ok_or(SinkError::Gone)
}

async fn find_or_make<S: Store>(
    work: &mut Work<'_, S>,
    definition: &Definition,
    entries: &[Entry],
) -> Result<Opened<S::Holds>, SinkError> {
    let target = &definition.target;
    if let Some(found) = work.store.look(target).await? {
        return ready(work, definition, found).await;
    }
    let shown = format!("{}.{}", target.schema, target.table);
    let shown = shown.trim_start_matches('.').to_owned();
    if !work.settings.create_table {
        return Err(SinkError::NoTable { table: shown });
    }
    let new = match new_table::<S>(definition, &seen(work, entries)) {
        Ok(new) => new,
        Err(why) => return Ok(Opened::Closed(why)),
    };
    if let Some(why) = work.store.create(target, &new).await? {
        return Ok(Opened::Closed(format!("the table {shown} cannot be created: {why}")));
    }
    match work.store.look(target).await? {
        Some(found) => ready(work, definition, found).await,
        None => Err(SinkError::NoTable { table: shown }),
    }
}

/// Sees to the key of a table that is there.
async fn ready<S: Store>(
    work: &mut Work<'_, S>,
    definition: &Definition,
    found: Found<S::Holds>,
) -> Result<Opened<S::Holds>, SinkError> {
    let Found { columns, key: found_key } = found;
    let closed = |why: String| Ok(Opened::Closed(why));
    let name = definition.target.clone();
    let mut key_names: Vec<String> = definition.key.clone();
    if key_names.is_empty() {
        key_names.push(S::MESSAGE_ID.to_owned());
    }
    if definition.layout == Layout::Universal {
        let Ok(pk) = columns.find(PK.to_owned()) else {
            return closed("the table has no column pk, which the universal layout needs".into());
        };
        if !is_universal(&columns) {
            return closed("the table lacks the column data or aux of the universal layout".into());
        }
        let layout = Layout::Universal;
        return Ok(Opened::Table(Arc::new(Open {
            name,
            layout,
            columns,
            key: vec![pk],
            key_names,
        })));
    }
    let mut key = Vec::new();
    for name in &key_names {
        let name = if definition.key.is_empty() { name.clone() } else { names::of_member(name) };
        match columns.find(name) {
            Ok(slot) => key.push(slot),
            Err(name) => {
                return closed(format!("the table has no column {name}, which is its key"));
            }
        }
    }
    let key_names: Vec<String> = key.iter().map(|slot| columns[*slot].name.clone()).collect();
    let is_same =
        found_key.len() == key_names.len() && found_key.iter().all(|name| key_names.contains(name));
    if !is_same {
        let unique = Alteration::MakeUnique(key_names.clone());
        if let Some(why) = work.store.alter(&name, Layout::Direct, &unique).await? {
            let names = key_names.join(", ");
            return closed(format!("the table cannot be made unique by its key ({names}): {why}"));
        }
    }
    let layout = Layout::Direct;
    Ok(Opened::Table(Arc::new(Open { name, layout, columns, key, key_names })))
}

/// Returns the table to make; an error says what is not known.
pub(crate) fn new_table<S: Store>(
    definition: &Definition,
    seen: &BTreeMap<String, Seen>,
) -> Result<NewTable, String> {
    let mut columns: Columns<()> = Columns::new(S::NAMING);
    let mut new = Vec::new();
    let mut key = Vec::new();
    let mut add = |name: String, kind: ColumnKind| {
        let name = match columns.find(name) {
            Ok(slot) => return columns[slot].name.clone(),
            Err(name) => name,
        };
        columns.push(name.clone(), (), false);
        new.push(NewColumn { name: name.clone(), kind });
        name
    };
    if definition.key.is_empty() {
        key.push(add(S::MESSAGE_ID.to_owned(), ColumnKind::Text));
    }
    let told: HashMap<&str, ColumnKind> =
        definition.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    let kind = |name: &str| {
        let told = told.get(name).copied().filter(|kind| *kind != ColumnKind::Unknown);
        told.or_else(|| seen.get(name).and_then(|seen| seen.kind()).map(kind_of))
    };
    if definition.layout == Layout::Direct {
        let others = definition.key.iter().filter(|name| !told.contains_key(name.as_str()));
        let names = others.chain(definition.columns.iter().map(|column| &column.name));
        for name in names {
            let is_key = definition.key.contains(name);
            // One of which only NULLs came is made when a value comes.
            match kind(name) {
                Some(kind) => drop(add(names::of_member(name), kind)),
                None if is_key && told.contains_key(name.as_str()) => {
                    drop(add(names::of_member(name), ColumnKind::Text));
                }
                None if is_key => {
                    return Err(format!("no record has a value for the key column {name}"));
                }
                None => {}
            }
        }
    }
    for name in &definition.key {
        let made = match definition.layout {
            Layout::Direct => add(names::of_member(name), ColumnKind::Text),
            Layout::Universal => add(name.clone(), kind(name).unwrap_or(ColumnKind::Text)),
        };
        key.push(made);
    }
    Ok(NewTable { layout: definition.layout, columns: new, key })
}

/// Returns what the members of changes are, by name, as far as they are more than NULL.
fn seen<S: Store>(work: &Work<'_, S>, entries: &[Entry]) -> BTreeMap<String, Seen> {
    let mut all: Vec<Vec<Option<Seen>>> =
        work.group.iter().map(|delivery| vec![None; delivery.changes.columns().len()]).collect();
    for entry in entries {
        let Some(change) = entry.row(work.group).change() else { continue };
        if matches!(change.asks(), Asks::Table(_)) {
            continue;
        }
        for (column, value) in change.data().chain(change.aux()) {
            all[entry.member][column.index()].get_or_insert_default().see(value);
        }
    }
    let mut by_name: BTreeMap<String, Seen> = BTreeMap::new();
    for (delivery, seen) in work.group.iter().zip(all) {
        for (name, seen) in delivery.changes.columns().iter().zip(seen) {
            if let Some(seen) = seen {
                by_name.entry(name.to_string()).or_default().merge(seen);
            }
        }
    }
    by_name
}
