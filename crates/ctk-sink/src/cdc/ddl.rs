//! Changes of tables: of what is known of them, and of the table in the target. What the database refuses is a dead letter.

use ctk_flow::{ColumnDef, ColumnKind, Reason, SourceTable, TableChange, TableDef};

use super::{
    definition::Definition,
    engine::Work,
    fit::{Entry, own_column, variants},
    open::{define, look, new_table, remember},
    store::{Alteration, Layout, NewColumn, Store},
};
use crate::{SinkError, columns::Columns, names};

/// Why a column is not added.
const NOT_ADDED: &str = "evolve=none forbids to add columns";

/// Applies a change of a table.
pub(crate) async fn apply<S: Store>(
    work: &mut Work<'_, S>,
    entry: Entry,
    source: &SourceTable,
    change: &TableChange,
) -> Result<(), SinkError> {
    let definition = define(work, source, None).await?;
    work.tables.open.remove(source);
    let refused = match change {
        TableChange::Create(def) => create(work, definition, def).await?,
        TableChange::Drop => {
            let mut definition = definition;
            let refused = alter(work, &definition, Alteration::Drop).await?;
            // Its key stays known, for changes that come late from other shards; a new table of the name tells its own.
            definition.columns.clear();
            definition.renamed.clear();
            definition.is_told = false;
            work.tables.barred.remove(source);
            remember(work, definition).await?;
            refused
        }
        TableChange::Truncate => {
            let refused = alter(work, &definition, Alteration::Truncate).await?;
            remember(work, definition).await?;
            refused
        }
        TableChange::Rename(to) => rename(work, definition, to).await?,
        TableChange::AddColumn(column) => add(work, definition, column).await?,
        TableChange::DropColumn(name) => drop_column(work, definition, name).await?,
        TableChange::RenameColumn { from, to } => rename_column(work, definition, from, to).await?,
        TableChange::ChangeColumn(column) => change_column(work, definition, column).await?,
        TableChange::Become(def) => {
            let (mut refused, mut definition) = (None, definition);
            definition.forget_names(def);
            for step in difference(&definition, def) {
                let definition = define(work, source, None).await?;
                let one = match &step {
                    TableChange::DropColumn(name) => drop_column(work, definition, name).await?,
                    TableChange::RenameColumn { from, to } => {
                        rename_column(work, definition, from, to).await?
                    }
                    TableChange::ChangeColumn(column) => {
                        change_column(work, definition, column).await?
                    }
                    _ => create(work, definition, def).await?,
                };
                refused = refused.or(one);
            }
            refused
        }
    };
    match refused {
        None => work.written(entry),
        Some(why) => work.refuse(entry, source, (Reason::Refused, why)),
    }
    Ok(())
}

async fn alter<S: Store>(
    work: &mut Work<'_, S>,
    definition: &Definition,
    alteration: Alteration,
) -> Result<Option<String>, SinkError> {
    work.store.alter(&definition.target, definition.layout, &alteration).await
}

/// Makes the table, or adds the columns that it lacks.
async fn create<S: Store>(
    work: &mut Work<'_, S>,
    mut definition: Definition,
    def: &TableDef,
) -> Result<Option<String>, SinkError> {
    definition.take(def);
    let rules = work.settings.rules(&definition.source);
    if !rules.key.is_empty() {
        definition.key = rules.key;
    }
    let is_told = !definition.columns.is_empty() && !definition.key.is_empty();
    let refused = match look(work, &definition.target).await? {
        Err(why) => Some(why),
        Ok(Some(_)) if definition.layout == Layout::Universal => None,
        Ok(Some(found)) => {
            let missing = missing(&definition, &found.columns);
            if missing.is_empty() {
                None
            } else if !work.settings.evolve {
                Some(NOT_ADDED.to_owned())
            } else {
                alter(work, &definition, Alteration::AddColumns(missing)).await?
            }
        }
        // Of what is not told, the first rows decide.
        Ok(None) if !is_told || !work.settings.create_table => None,
        Ok(None) => match new_table::<S>(&definition, &[]) {
            Ok(new) => work.store.create(&definition.target, &new).await?,
            Err(why) => Some(why),
        },
    };
    remember(work, definition).await?;
    Ok(refused)
}

/// Returns the columns that a table lacks, as far as their types are told.
fn missing<H>(definition: &Definition, columns: &Columns<H>) -> Vec<NewColumn> {
    let column = |column: &ColumnDef| {
        let name = own_column(columns, &column.name).err()?;
        (column.kind != ColumnKind::Unknown).then_some(NewColumn { name, kind: column.kind })
    };
    definition.columns.iter().filter_map(column).collect()
}

async fn rename<S: Store>(
    work: &mut Work<'_, S>,
    definition: Definition,
    to: &SourceTable,
) -> Result<Option<String>, SinkError> {
    let is_known = work.tables.definitions.contains_key(&definition.source);
    if definition.source == *to
        || !is_known && !look(work, &definition.target).await?.is_ok_and(|found| found.is_some())
    {
        // It has the name already, as when the change comes once more.
        return Ok(None);
    }
    let target = work.tables.assign(work.store, work.settings, (to, &definition.source));
    let mut was_renamed = false;
    if target != definition.target {
        let there = look(work, &target).await?.is_ok_and(|found| found.is_some());
        let is_left = look(work, &definition.target).await?.is_ok_and(|found| found.is_some());
        let is_of_source = work.tables.definitions.contains_key(to);
        let alteration = match there && is_left {
            // The change comes once more: the table with the new name is that of a later time, and has all that is left.
            true if is_of_source => Alteration::Drop,
            true => return Ok(Some(format!("there is a table {} already", target.table))),
            false => {
                was_renamed = is_left;
                Alteration::Rename(target.clone())
            }
        };
        let refused = alter(work, &definition, alteration).await?;
        if refused.is_some() {
            return Ok(refused);
        }
    }
    if target == definition.target {
        work.store.define(&definition.source, None).await?;
        work.tables.forget(&definition.source);
    } else {
        // As of a table that went, its key stays known: changes of before that time may come once more.
        let left = Definition {
            columns: Vec::new(),
            is_told: false,
            renamed: Vec::new(),
            ..definition.clone()
        };
        remember(work, left).await?;
    }
    work.tables.open.remove(to);
    // What is known of the new name is of a later time.
    let is_there = look(work, &target).await?.is_ok_and(|found| found.is_some()) && !was_renamed;
    let later = work.tables.definitions.get(to).filter(|_| is_there).cloned();
    let definition = match later {
        Some(later) => later,
        None => Definition { source: to.clone(), target, ..definition },
    };
    remember(work, definition).await?;
    Ok(None)
}

async fn add<S: Store>(
    work: &mut Work<'_, S>,
    mut definition: Definition,
    column: &ColumnDef,
) -> Result<Option<String>, SinkError> {
    let is_new = definition.position(&column.name).is_none();
    if is_new {
        make_way(work, &definition, &column.name).await?;
    }
    definition.renamed.retain(|(from, _)| *from != column.name);
    match definition.position(&column.name) {
        Some(at) => definition.columns[at] = column.clone(),
        None => definition.columns.push(column.clone()),
    }
    let mut refused = None;
    if definition.layout == Layout::Direct
        && let Ok(Some(found)) = look(work, &definition.target).await?
    {
        let mut missing = missing(&definition, &found.columns);
        missing.retain(|new| new.name == names::of_member(&column.name));
        if !missing.is_empty() && !work.settings.evolve {
            refused = Some(NOT_ADDED.to_owned());
        } else if !missing.is_empty() {
            refused = alter(work, &definition, Alteration::AddColumns(missing)).await?;
        }
    }
    remember(work, definition).await?;
    Ok(refused)
}

/// Gives the variant of a column that has the name of a new one another name.
async fn make_way<S: Store>(
    work: &mut Work<'_, S>,
    definition: &Definition,
    name: &str,
) -> Result<(), SinkError> {
    let mut after = definition.clone();
    after.columns.push(ColumnDef { name: name.to_owned(), kind: ColumnKind::Unknown });
    let Ok(Some(found)) = look(work, &definition.target).await? else { return Ok(()) };
    if definition.layout == Layout::Universal || found.columns.find(name.to_owned()).is_err() {
        return Ok(());
    }
    let is_variant = definition.columns.iter().any(|column| {
        let own = names::of_member(&column.name);
        let variants = variants(&found.columns, definition, &own);
        variants.into_iter().any(|slot| found.columns[slot].name == name)
    });
    if is_variant && let Some((_, kind)) = name.rsplit_once("__") {
        let to = (S::NAMING.fit)(names::variant(name, kind));
        let aside = Alteration::RenameColumn { from: name.to_owned(), to };
        alter(work, definition, aside).await?;
    }
    Ok(())
}

/// Returns the columns in which the values of a member stand: its own, and its variants.
async fn columns_of<S: Store>(
    work: &mut Work<'_, S>,
    definition: &Definition,
    name: &str,
) -> Result<Vec<String>, SinkError> {
    if definition.layout == Layout::Universal {
        return Ok(vec![name.to_owned()]);
    }
    let Ok(Some(found)) = look(work, &definition.target).await? else { return Ok(Vec::new()) };
    let Ok(own) = own_column(&found.columns, name) else { return Ok(Vec::new()) };
    let own_name = found.columns[own].name.clone();
    let others = variants(&found.columns, definition, &own_name);
    let others = others.into_iter().map(|slot| found.columns[slot].name.clone());
    Ok([own_name].into_iter().chain(others).collect())
}

async fn drop_column<S: Store>(
    work: &mut Work<'_, S>,
    mut definition: Definition,
    name: &str,
) -> Result<Option<String>, SinkError> {
    let name = &definition.name(name).to_owned();
    for column in columns_of(work, &definition, name).await? {
        let refused = alter(work, &definition, Alteration::DropColumn(column)).await?;
        if refused.is_some() {
            return Ok(refused);
        }
    }
    definition.columns.retain(|column| column.name != *name);
    // What has one of its names from here on is another column.
    definition.renamed.retain(|(_, to)| to != name);
    remember(work, definition).await?;
    Ok(None)
}

async fn rename_column<S: Store>(
    work: &mut Work<'_, S>,
    mut definition: Definition,
    from: &str,
    to: &str,
) -> Result<Option<String>, SinkError> {
    if definition.name(from) == definition.name(to) && definition.position(from).is_none() {
        // It has the name already.
        return Ok(None);
    }
    let columns = columns_of(work, &definition, from).await?;
    let new = match definition.layout {
        Layout::Direct => names::of_member(to),
        Layout::Universal => to.to_owned(),
    };
    let old = columns.first().cloned().unwrap_or_default();
    for column in columns {
        let suffix = column.strip_prefix(&old).unwrap_or_default();
        let renamed = Alteration::RenameColumn {
            to: (S::NAMING.fit)(format!("{new}{suffix}")),
            from: column.clone(),
        };
        let refused = alter(work, &definition, renamed).await?;
        if refused.is_some() {
            return Ok(refused);
        }
    }
    let name = |name: &mut String| {
        if name == from {
            to.clone_into(name);
        }
    };
    definition.columns.iter_mut().for_each(|column| name(&mut column.name));
    definition.key.iter_mut().for_each(name);
    definition.renamed.retain(|(old, _)| old != to);
    definition.renamed.push((from.to_owned(), to.to_owned()));
    remember(work, definition).await?;
    Ok(None)
}

async fn change_column<S: Store>(
    work: &mut Work<'_, S>,
    mut definition: Definition,
    column: &ColumnDef,
) -> Result<Option<String>, SinkError> {
    let name = definition.name(&column.name).to_owned();
    let column = &ColumnDef { name, kind: column.kind };
    match definition.position(&column.name) {
        Some(at) if definition.columns[at] == *column => return Ok(None),
        Some(at) => definition.columns[at] = column.clone(),
        None => return add(work, definition, column).await,
    }
    let mut refused = None;
    if definition.layout == Layout::Direct && column.kind != ColumnKind::Unknown {
        let own = columns_of(work, &definition, &column.name).await?.into_iter().next();
        refused = match own {
            Some(name) => {
                let change = Alteration::ChangeColumn(NewColumn { name, kind: column.kind });
                alter(work, &definition, change).await?
            }
            // Of which there were only NULLs so far.
            None => return add(work, definition, column).await,
        };
    }
    remember(work, definition).await?;
    Ok(refused)
}

/// Returns what made a table what it is now: columns that went, got another name or type. The last step adds what came.
fn difference(definition: &Definition, def: &TableDef) -> Vec<TableChange> {
    let is_told =
        |name: &str| def.columns.iter().any(|column| definition.name(&column.name) == name);
    let mut steps = Vec::new();
    if !def.columns.is_empty() {
        // The key has its own place, and is not among the columns that were only seen.
        let others = |columns: &'_ [ColumnDef]| {
            let is_key = |column: &ColumnDef| definition.key.contains(&column.name);
            let others: Vec<_> = columns.iter().filter(|column| !is_key(column)).cloned().collect();
            others.into_iter().enumerate()
        };
        let gone: Vec<_> =
            others(&definition.columns).filter(|(_, column)| !is_told(&column.name)).collect();
        let come: Vec<_> = others(&def.columns)
            .filter(|(_, column)| definition.position(definition.name(&column.name)).is_none())
            .collect();
        match (gone.as_slice(), come.as_slice()) {
            // One for one, in its place: the same column. Of columns that were only seen the places are not known for sure.
            ([(was, old)], [(is, new)]) if was == is || !definition.is_told => {
                let (from, to) = (old.name.clone(), new.name.clone());
                steps.push(TableChange::RenameColumn { from, to });
            }
            _ => steps.extend(
                gone.iter().map(|(_, column)| TableChange::DropColumn(column.name.clone())),
            ),
        }
        for column in &def.columns {
            let was = definition
                .position(definition.name(&column.name))
                .map(|at| definition.columns[at].kind);
            if was.is_some_and(|was| was != column.kind) {
                steps.push(TableChange::ChangeColumn(column.clone()));
            }
        }
    }
    steps.push(TableChange::Create(def.clone()));
    steps
}

#[cfg(test)]
mod tests {
    use super::{super::store::TargetTable, *};

    #[test]
    fn a_table_tells_what_changed() {
        let column = |name: &str, kind: ColumnKind| ColumnDef { name: name.into(), kind };
        let (a, b) = (column("a", ColumnKind::Text), column("b", ColumnKind::Double));
        let definition = Definition {
            source: SourceTable::default(),
            target: TargetTable { schema: String::new(), table: String::new() },
            layout: Layout::Direct,
            key: vec!["a".into()],
            columns: vec![a.clone(), b.clone()],
            is_told: true,
            renamed: Vec::new(),
        };
        let check = |columns: Vec<ColumnDef>, expected: &[TableChange]| {
            let def = TableDef { columns, key: Vec::new() };
            let mut steps = difference(&definition, &def);
            assert_eq!(steps.pop(), Some(TableChange::Create(def)));
            assert_eq!(steps, expected);
        };
        let c = column("c", ColumnKind::Double);
        check(vec![a.clone(), b.clone()], &[]);
        check(vec![a.clone(), b.clone(), c.clone()], &[]);
        check(vec![a.clone()], &[TableChange::DropColumn("b".into())]);
        let rename = TableChange::RenameColumn { from: "b".into(), to: "c".into() };
        check(vec![a.clone(), c.clone()], &[rename]);
        // The key is not counted.
        let rename = TableChange::RenameColumn { from: "b".into(), to: "c".into() };
        check(vec![c, a.clone()], &[rename]);
        let text = column("b", ColumnKind::Text);
        check(vec![a, text.clone()], &[TableChange::ChangeColumn(text)]);
        check(vec![], &[]);
    }
}
