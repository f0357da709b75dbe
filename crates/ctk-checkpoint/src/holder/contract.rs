//! What both databases promise to runs that follow each other in one namespace, as one suite.

use ctk_flow::Sequence;
use tokio::sync::{Mutex, MutexGuard};

use super::*;
use crate::CheckpointStore;

/// A database with the table, and its functions.
pub(crate) trait Place: Send + Sync + 'static {
    type Connection: Send;
    /// Begins a transaction that writes.
    const BEGIN: &str;

    fn connect(&self) -> impl Future<Output = Self::Connection> + Send;
    /// Waits until a connection waits for another one, where that can be seen.
    fn until_one_waits(&self) -> impl Future<Output = ()> + Send;
    fn run(connection: &mut Self::Connection, sql: String) -> impl Future<Output = ()> + Send;
    /// Returns the number that a query asks for.
    fn number(
        connection: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = i64> + Send;
    fn open(
        connection: &mut Self::Connection,
        namespace: &str,
    ) -> impl Future<Output = Result<(Holder, Vec<Checkpoint>), CheckpointError>> + Send;
    fn load(
        connection: &mut Self::Connection,
        namespace: &str,
    ) -> impl Future<Output = Result<Vec<Checkpoint>, CheckpointError>> + Send;
    fn claim(
        connection: &mut Self::Connection,
        holder: &Holder,
        shard: &ShardId,
        begins: Option<Millis>,
    ) -> impl Future<Output = Result<(), CheckpointError>> + Send;
    fn save(
        connection: &mut Self::Connection,
        holder: &Holder,
        positions: &[Position],
    ) -> impl Future<Output = Result<Vec<Saved>, CheckpointError>> + Send;
    fn is_saved(
        connection: &mut Self::Connection,
        holder: &Holder,
        positions: &[Position],
    ) -> impl Future<Output = Result<bool, CheckpointError>> + Send;
    fn release(
        connection: &mut Self::Connection,
        holder: &Holder,
        shard: &ShardId,
    ) -> impl Future<Output = Result<(), CheckpointError>> + Send;
}

/// A run: a namespace that was opened, on a connection of its own.
pub(crate) struct Run<P: Place> {
    pub(crate) holder: Holder,
    connection: Mutex<P::Connection>,
    /// What was there when it opened the namespace.
    found: Vec<Checkpoint>,
}

impl<P: Place> Run<P> {
    pub(crate) async fn open(place: &P, namespace: &str) -> Self {
        let mut connection = place.connect().await;
        let (holder, found) = P::open(&mut connection, namespace).await.unwrap();
        Self { holder, connection: Mutex::new(connection), found }
    }

    pub(crate) async fn connection(&self) -> MutexGuard<'_, P::Connection> {
        self.connection.lock().await
    }

    pub(crate) async fn sql(&self, sql: &str) {
        P::run(&mut *self.connection().await, sql.to_owned()).await;
    }

    /// Saves without a transaction: one is open, or none is wanted.
    pub(crate) async fn save_in(&self, position: Position) -> Result<Vec<Saved>, CheckpointError> {
        P::save(&mut *self.connection().await, &self.holder, &[position]).await
    }

    pub(crate) async fn is_saved(&self, positions: &[Position]) -> Result<bool, CheckpointError> {
        P::is_saved(&mut *self.connection().await, &self.holder, positions).await
    }

    async fn save_one(&self, position: Position) -> Result<Saved, CheckpointError> {
        Ok(self.save(&[position]).await?.remove(0))
    }
}

impl<P: Place> CheckpointStore for Run<P> {
    async fn load(&self) -> Result<Vec<Checkpoint>, CheckpointError> {
        P::load(&mut *self.connection().await, &self.holder.namespace).await
    }

    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), CheckpointError> {
        P::claim(&mut *self.connection().await, &self.holder, shard, begins).await
    }

    async fn save(&self, positions: &[Position]) -> Result<Vec<Saved>, CheckpointError> {
        let mut connection = self.connection().await;
        P::run(&mut connection, P::BEGIN.to_owned()).await;
        let saved = P::save(&mut connection, &self.holder, positions).await;
        let end = if saved.is_ok() { "COMMIT" } else { "ROLLBACK" };
        P::run(&mut connection, end.to_owned()).await;
        saved
    }

    async fn release(&self, shard: &ShardId) -> Result<(), CheckpointError> {
        P::release(&mut *self.connection().await, &self.holder, shard).await
    }
}

pub(crate) fn shard(number: u32) -> ShardId {
    ShardId::new(&format!("s{number}"))
}

pub(crate) fn at(number: u32, sequence: &str) -> Position {
    Position { sequence: Some(Sequence::new(sequence)), ..Position::new(shard(number)) }
}

pub(crate) fn is_taken_over<T: fmt::Debug>(result: Result<T, CheckpointError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, CheckpointError::TakenOver { .. }), "{error:?}");
}

/// One text for each row: shard, sequence, active.
pub(crate) fn shown(rows: &[Checkpoint]) -> Vec<String> {
    let show = |row: &Checkpoint| {
        let sequence = row.sequence.as_ref().map_or("-", Sequence::as_str);
        let active = if row.active == Some(true) { " active" } else { "" };
        format!("{}: {sequence}{active}", row.shard_id)
    };
    rows.iter().map(show).collect()
}

/// Runs the whole suite; the place has the table, without rows.
pub(crate) async fn fences<P: Place>(place: P) {
    let place = Arc::new(place);
    the_second_run_takes_over(&place).await;
    children_belong_to_the_second_run(&place).await;
    a_straggler_is_waited_for(&place).await;
    two_that_start_at_once_write_nothing_twice(&place).await;
    of_two_that_start_at_once_one_goes_on(&place).await;
    rows_of_others_are_ours_if_nothing_moved(&place).await;
    an_answer_that_was_lost_is_found_out(&place).await;
    what_the_target_lost_is_noticed(&place).await;
    every_record_is_there_once_whoever_takes_over(&place).await;
}

async fn the_second_run_takes_over<P: Place>(place: &Arc<P>) {
    let first = Run::open(&**place, "takes").await;
    first.claim(&shard(1), None).await.unwrap();
    first.claim(&shard(2), None).await.unwrap();
    assert_eq!(first.save_one(at(1, "5")).await.unwrap(), Saved::Written);
    let time = async |run: &Run<P>| run.load().await.unwrap()[0].updated_at;
    let before = time(&first).await;

    let second = Run::open(&**place, "takes").await;
    assert!(second.holder.owner > first.holder.owner);
    assert_eq!(shown(&second.found), ["s1: 5 active", "s2: - active"]);
    assert_eq!(time(&second).await, before, "the position is as old as it was");
    is_taken_over(first.save_one(at(1, "6")).await);
    is_taken_over(first.save(&[at(2, "1"), at(1, "6")]).await);
    is_taken_over(first.claim(&shard(1), None).await);
    is_taken_over(first.claim(&shard(3), None).await);
    assert_eq!(shown(&second.load().await.unwrap()), ["s1: 5 active", "s2: - active"]);

    second.claim(&shard(1), None).await.unwrap();
    first.release(&shard(1)).await.unwrap();
    assert_eq!(second.save_one(at(1, "6")).await.unwrap(), Saved::Written);
    assert_eq!(shown(&second.load().await.unwrap()), ["s1: 6 active", "s2: - active"]);
    second.release(&shard(1)).await.unwrap();
    assert_eq!(shown(&second.load().await.unwrap()), ["s1: 6", "s2: - active"]);

    // After an orderly end generations go on, and another namespace is another matter.
    let third = Run::open(&**place, "takes").await;
    assert!(third.holder.owner > second.holder.owner);
    is_taken_over(second.save_one(at(1, "7")).await);
    let other = Run::open(&**place, "other").await;
    other.claim(&shard(1), None).await.unwrap();
    assert_eq!(third.save_one(at(1, "7")).await.unwrap(), Saved::Written);
}

async fn children_belong_to_the_second_run<P: Place>(place: &Arc<P>) {
    let first = Run::open(&**place, "children").await;
    first.claim(&shard(1), None).await.unwrap();
    first.claim(&shard(2), Some(7)).await.unwrap();
    let second = Run::open(&**place, "children").await;
    is_taken_over(first.claim(&shard(3), None).await);
    second.claim(&shard(2), Some(9)).await.unwrap();
    second.claim(&shard(3), Some(9)).await.unwrap();
    let begins: Vec<_> =
        second.load().await.unwrap().into_iter().map(|row| row.begins_at).collect();
    assert_eq!(begins, [None, Some(7), Some(9)]);
}

async fn a_straggler_is_waited_for<P: Place>(place: &Arc<P>) {
    let first = Run::open(&**place, "straggler").await;
    first.claim(&shard(1), None).await.unwrap();
    first.sql(P::BEGIN).await;
    first.save_in(at(1, "7")).await.unwrap();
    let other = Arc::clone(place);
    let second = tokio::spawn(async move { Run::open(&*other, "straggler").await });
    place.until_one_waits().await;
    first.sql("COMMIT").await;
    let second = second.await.unwrap();
    assert_eq!(shown(&second.found), ["s1: 7 active"]);
    is_taken_over(first.save_one(at(1, "8")).await);
    second.claim(&shard(1), None).await.unwrap();
}

/// Returns two runs that opened the same, empty namespace: the one that counts as later is the last.
async fn at_once<P: Place>(place: &P, namespace: &str) -> (Run<P>, Run<P>) {
    let (one, two) = tokio::join!(Run::open(place, namespace), Run::open(place, namespace));
    assert!(one.found.is_empty() && two.found.is_empty());
    assert_ne!(one.holder.owner, two.holder.owner);
    if one.holder.owner < two.holder.owner { (one, two) } else { (two, one) }
}

async fn two_that_start_at_once_write_nothing_twice<P: Place>(place: &Arc<P>) {
    let (first, last) = at_once(&**place, "at once 1").await;
    first.claim(&shard(1), None).await.unwrap();
    last.claim(&shard(1), None).await.unwrap();
    is_taken_over(first.save_one(at(1, "3")).await);
    is_taken_over(first.claim(&shard(2), None).await);
    assert_eq!(last.save_one(at(1, "3")).await.unwrap(), Saved::Written);

    let (first, last) = at_once(&**place, "at once 2").await;
    last.claim(&shard(1), None).await.unwrap();
    is_taken_over(first.claim(&shard(1), None).await);
    is_taken_over(first.claim(&shard(2), None).await);
    is_taken_over(first.save_one(at(1, "3")).await);

    // What the first wrote, the last would write again.
    let (first, last) = at_once(&**place, "at once 3").await;
    first.claim(&shard(1), None).await.unwrap();
    assert_eq!(first.save_one(at(1, "3")).await.unwrap(), Saved::Written);
    is_taken_over(last.claim(&shard(1), None).await);
    is_taken_over(last.save_one(at(1, "3")).await);
}

async fn of_two_that_start_at_once_one_goes_on<P: Place>(place: &Arc<P>) {
    for round in 0..10 {
        let (one, two) = at_once(&**place, &format!("round {round}")).await;
        let load = async |run: &Run<P>| {
            run.claim(&shard(1), None).await?;
            run.save_one(at(1, "3")).await
        };
        let (one, two) = tokio::join!(load(&one), load(&two));
        assert_eq!(u8::from(one.is_ok()) + u8::from(two.is_ok()), 1, "{one:?} {two:?}");
    }
}

async fn rows_of_others_are_ours_if_nothing_moved<P: Place>(place: &Arc<P>) {
    let run = Run::open(&**place, "others").await;
    run.claim(&shard(1), None).await.unwrap();
    assert_eq!(run.save_one(at(1, "5")).await.unwrap(), Saved::Written);
    let run = Run::open(&**place, "others").await;
    let insert = |shard: u32, values: &str| {
        let columns = "namespace, shard_id, active, sequence, begins_at, owner";
        format!("INSERT INTO {{table}} ({columns}) VALUES ('others', 's{shard}', TRUE, {values})")
    };
    run.sql("UPDATE {table} SET owner = NULL WHERE namespace = 'others'").await;
    run.sql(&insert(2, "NULL, 7, '0000000001-00000000000000aa'")).await;
    run.sql(&insert(3, "'4', NULL, '0000000001-00000000000000aa'")).await;
    run.sql(&insert(4, "'4', NULL, NULL")).await;
    run.sql(&insert(5, "NULL, NULL, 'ffffffff-0000'")).await;
    run.claim(&shard(1), None).await.unwrap();
    run.claim(&shard(2), None).await.unwrap();
    is_taken_over(run.claim(&shard(3), None).await);
    is_taken_over(run.claim(&shard(4), None).await);
    run.claim(&shard(5), None).await.unwrap();
    for number in [1, 2, 5] {
        assert_eq!(run.save_one(at(number, "9")).await.unwrap(), Saved::Written, "{number}");
    }
    is_taken_over(run.save_one(at(4, "9")).await);
    run.sql("UPDATE {table} SET sequence = '6', owner = NULL WHERE namespace = 'others' AND shard_id = 's1'").await;
    is_taken_over(run.claim(&shard(1), None).await);
}

async fn an_answer_that_was_lost_is_found_out<P: Place>(place: &Arc<P>) {
    let run = Run::open(&**place, "lost").await;
    run.claim(&shard(1), Some(1)).await.unwrap();
    run.claim(&shard(2), Some(1)).await.unwrap();
    let both = [at(1, "5"), Position { reached: Some(7), ..Position::new(shard(2)) }];
    for (end, expected) in [("ROLLBACK", false), ("COMMIT", true)] {
        run.sql(P::BEGIN).await;
        let saved = P::save(&mut *run.connection().await, &run.holder, &both).await.unwrap();
        assert_eq!(saved, [Saved::Written, Saved::Written]);
        run.sql(end).await;
        assert_eq!(run.is_saved(&both).await.unwrap(), expected, "{end}");
    }
    assert!(!run.is_saved(&[]).await.unwrap());
    assert!(!run.is_saved(&[at(3, "1")]).await.unwrap());
    let second = Run::open(&**place, "lost").await;
    assert!(run.is_saved(&both).await.unwrap());
    is_taken_over(run.is_saved(&[at(1, "6"), both[1].clone()]).await);
    assert_eq!(second.save_one(at(1, "6")).await.unwrap(), Saved::Written);
    assert!(run.is_saved(&[at(1, "6"), both[1].clone()]).await.unwrap(), "another wrote it");
}

async fn what_the_target_lost_is_noticed<P: Place>(place: &Arc<P>) {
    let run = Run::open(&**place, "went back").await;
    let back = async |number: u32, sequence: &str| {
        let sql =
            format!("UPDATE {{table}} SET sequence = '{sequence}' WHERE shard_id = 's{number}'");
        run.sql(&format!("{sql} AND namespace = 'went back'")).await;
    };
    for number in [1, 2] {
        run.claim(&shard(number), None).await.unwrap();
        assert_eq!(run.save_one(at(number, "10")).await.unwrap(), Saved::Written);
    }
    // Of what is not confirmed it is not known whether it was there.
    back(1, "9").await;
    assert_eq!(run.save_one(at(1, "11")).await.unwrap(), Saved::Written);
    run.holder.clone().confirm(&[at(1, "11"), at(2, "10")]);
    back(1, "10").await;
    let error = run.save(&[at(2, "12"), at(1, "12")]).await.unwrap_err();
    let expected = "the target has lost what it confirmed for shard s1 of namespace \"went back\"";
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().starts_with("start the run again"));
    assert_eq!(shown(&run.load().await.unwrap()), ["s1: 10 active", "s2: 10 active"]);
    assert_eq!(run.save_one(at(2, "12")).await.unwrap(), Saved::Written);

    // What was given up, and what another tool moved on, is as it is stored.
    let anew = Position { anew: true, ..at(2, "5") };
    assert_eq!(run.save_one(anew.clone()).await.unwrap(), Saved::Written);
    run.holder.confirm(&[anew]);
    assert_eq!(run.save_one(at(2, "6")).await.unwrap(), Saved::Written);
    run.holder.confirm(&[at(2, "6")]);
    back(2, "5").await;
    let error = run.save_one(at(2, "7")).await.unwrap_err();
    assert!(matches!(error, CheckpointError::WentBack { .. }), "{error:?}");
    back(2, "8").await;
    let behind = Saved::Behind { stored: Sequence::new("8") };
    assert_eq!(run.save_one(at(2, "7")).await.unwrap(), behind);

    let next = Run::open(&**place, "went back").await;
    next.claim(&shard(1), None).await.unwrap();
    assert_eq!(next.save_one(at(1, "11")).await.unwrap(), Saved::Written);
}

/// Runs take a namespace from each other again and again, and write records without a key.
async fn every_record_is_there_once_whoever_takes_over<P: Place>(place: &Arc<P>) {
    let last = Run::open(&**place, "setup").await;
    last.sql("CREATE TABLE written (shard INTEGER, record INTEGER)").await;
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let place = Arc::clone(place);
        runs.spawn(async move {
            let mut taken_over = 0;
            for _ in 0..15 {
                taken_over += u32::from(write_records(&*place).await.is_err());
            }
            taken_over
        });
    }
    let taken_over: u32 = runs.join_all().await.into_iter().sum();
    assert!(taken_over > 0, "nothing was tested");
    write_records(&**place).await.unwrap();
    let mut connection = last.connection().await;
    let count = "SELECT count(*) FROM written";
    assert_eq!(P::number(&mut connection, count).await, i64::from(3 * RECORDS));
    let count = "SELECT count(*) FROM (SELECT DISTINCT shard, record FROM written) AS w";
    assert_eq!(P::number(&mut connection, count).await, i64::from(3 * RECORDS));
}

/// Of each shard.
const RECORDS: u32 = 200;

/// Writes what is missing, two records a transaction, until another run takes over.
async fn write_records<P: Place>(place: &P) -> Result<(), CheckpointError> {
    let run = Run::open(place, "storm").await;
    let mut done = BTreeMap::from([1, 2, 3].map(|number| (number, 0)));
    for (number, done) in &mut done {
        let found = run.found.iter().find(|row| row.shard_id == shard(*number));
        let sequence = found.and_then(|row| row.sequence.as_ref());
        *done = sequence.map_or(0, |sequence| sequence.as_str().parse().unwrap());
        run.claim(&shard(*number), None).await?;
    }
    while done.values().any(|done| *done < RECORDS) {
        for (number, done) in done.iter_mut().filter(|(_, done)| **done < RECORDS) {
            let insert = format!(
                "INSERT INTO written VALUES ({number}, {}), ({number}, {})",
                *done + 1,
                *done + 2
            );
            let position = [at(*number, &(*done + 2).to_string())];
            let mut connection = run.connection().await;
            P::run(&mut connection, P::BEGIN.to_owned()).await;
            P::run(&mut connection, insert).await;
            let saved = P::save(&mut connection, &run.holder, &position).await;
            let end = if saved.is_ok() { "COMMIT" } else { "ROLLBACK" };
            P::run(&mut connection, end.to_owned()).await;
            assert_eq!(saved?, [Saved::Written]);
            assert!(P::is_saved(&mut connection, &run.holder, &position).await?);
            *done += 2;
        }
    }
    Ok(())
}
