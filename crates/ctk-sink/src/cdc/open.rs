//! A table of the target, ready for changes: found or made, with its key.

use std::{collections::HashMap, sync::Arc};

use ctk_flow::{Asks, ColumnDef, ColumnKind, Reason, SourceTable};

use super::{
    definition::Definition,
    engine::Work,
    fit::{Entry, kind_of, own_column},
    store::{Alteration, Found, Layout, NewColumn, NewTable, Open, Store, TargetTable},
    tables::{Opened, bookkeeping_key, target_of},
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
    let told = first.map(|entry| told_key(work, entry)).unwrap_or_default();
    if let Some(definition) = work.tables.definitions.get(source) {
        let mut definition = definition.clone();
        let is_same = told.len() == definition.key.len()
            && told.iter().all(|key| definition.key.contains(key));
        if !rules.key.is_empty() {
            definition.key = rules.key;
        } else if !told.is_empty() && !is_same {
            // A table of the name was made anew.
            definition.key = told;
        }
        definition.layout = rules.layout.unwrap_or(definition.layout);
        let wanted = target_of(work.store, work.settings, source);
        let assigned = work.tables.assign(work.store, work.settings, (source, source));
        // The user wants it elsewhere than in earlier runs.
        if wanted.schema != definition.target.schema
            || work.settings.table.is_some() && assigned != definition.target
        {
            definition.target = assigned;
        }
        return Ok(definition);
    }
    let target = work.tables.assign(work.store, work.settings, (source, source));
    let found = look(work, &target).await?.unwrap_or_default();
    let has_objects = found.as_ref().is_some_and(|found| is_universal(&found.columns));
    let layout = rules.layout.unwrap_or(work.settings.layout);
    let mut key = rules.key;
    if key.is_empty() {
        key = told;
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
    let mut definition = Definition {
        source: source.clone(),
        target,
        layout,
        key,
        columns: Vec::new(),
        is_told: false,
        renamed: Vec::new(),
    };
    // Another shard has brought it, in a batch that is still to come.
    if first.is_some()
        && let Some(def) = work.settled.told(source)
    {
        let key = definition.key.clone();
        definition.take(&def);
        if !work.settings.rules(source).key.is_empty() {
            definition.key = key;
        }
    }
    Ok(definition)
}

/// Returns the names of the key, where the record says them.
fn told_key<S: Store>(work: &Work<'_, S>, entry: Entry) -> Vec<String> {
    let columns = work.group[entry.member].changes.columns();
    let key = entry.row(work.group).change().into_iter().flat_map(|change| change.key());
    key.map(|(column, _)| columns[column.index()].to_string()).collect()
}

/// Returns the table as it is; an error in words for what bears the name and is no table to write to.
pub(crate) async fn look<S: Store>(
    work: &mut Work<'_, S>,
    target: &TargetTable,
) -> Result<Result<Option<Found<S::Holds>>, String>, SinkError> {
    match work.store.look(target).await {
        Ok(found) => Ok(Ok(found)),
        Err(error @ (SinkError::NoTableAtAll { .. } | SinkError::Strict { .. })) => {
            Ok(Err(error.to_string()))
        }
        Err(error) => Err(error),
    }
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
    work.tables.note::<S>(definition, work.settled);
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
            let name = definition.name(&name).to_owned();
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
    match look(work, target).await? {
        Ok(Some(found)) => return ready(work, definition, found).await,
        Ok(None) => {}
        Err(why) => return Ok(Opened::Closed((Reason::Refused, why))),
    }
    let shown = format!("{}.{}", target.schema, target.table);
    let shown = shown.trim_start_matches('.').to_owned();
    if !work.settings.create_table {
        return Err(SinkError::NoTable { table: shown });
    }
    let new = match new_table::<S>(definition, &seen(work, entries)) {
        Ok(new) => new,
        Err(why) => return Ok(Opened::Closed((Reason::NoKey, why))),
    };
    if let Some(why) = work.store.create(target, &new).await? {
        let why = format!("the table {shown} cannot be created: {why}");
        return Ok(Opened::Closed((Reason::Refused, why)));
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
    let closed = |why: String| Ok(Opened::Closed((Reason::Refused, why)));
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
        let found = if definition.key.is_empty() {
            columns.find(name.clone())
        } else {
            own_column(&columns, name)
        };
        match found {
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
        let refused = work.store.alter(&name, Layout::Direct, &unique).await?;
        if refused.is_some() && found_key == [S::MESSAGE_ID] && !definition.key.is_empty() {
            return Ok(Opened::Closed((
                Reason::NoKey,
                format!(
                    "rows came before the key ({}) was told, so the table is keyed by {}; load it into a new one",
                    key_names.join(", "),
                    S::MESSAGE_ID
                ),
            )));
        }
        if let Some(why) = refused {
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
    seen: &[(String, Seen)],
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
        told.or_else(|| {
            let (_, seen) = seen.iter().find(|(seen, _)| definition.name(seen) == name)?;
            seen.kind().map(kind_of)
        })
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

/// Returns what the members of changes are, in the order in which they came.
fn seen<S: Store>(work: &Work<'_, S>, entries: &[Entry]) -> Vec<(String, Seen)> {
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
    let mut by_name: Vec<(String, Seen)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (delivery, seen) in work.group.iter().zip(all) {
        for (name, seen) in delivery.changes.columns().iter().zip(seen) {
            if let Some(seen) = seen {
                let place = *places.entry(name.to_string()).or_insert(by_name.len());
                if place == by_name.len() {
                    by_name.push((name.to_string(), Seen::default()));
                }
                by_name[place].1.merge(seen);
            }
        }
    }
    by_name
}
