//! One shard in memory: its records as the JSON and the CBOR that `GetRecords` sends, and where each of them begins.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::cbor::{self, Wire};

/// Records that arrive in the same millisecond.
const RECORDS_PER_MILLISECOND: u64 = 200;

/// How long before the start of the server the first record arrived. The last one is older than the server as long as a
/// shard has fewer than 120 million records.
const AGE_MILLIS: u64 = 600_000;

/// The cap that the service puts on the data of one answer.
const ANSWER_BYTES: u64 = 10 << 20;

/// A shard, open for ever, of which nothing is trimmed.
#[derive(Clone, Debug, Default)]
#[expect(clippy::rc_buffer, reason = "lists grow in place until the shard is shared")]
pub(super) struct Shard {
    index: usize,
    /// The shard whose records these are: its own, unless it is alike to another.
    family: usize,
    first_arrival: u64,
    writing: String,
    writing_cbor: Vec<u8>,
    json: Bytes,
    cbor: Bytes,
    /// Where record `i` begins in `json` and in `cbor`; one more than there are records.
    begins: Arc<Vec<(usize, usize)>>,
    /// Bytes of data and keys before record `i`; one more than there are records.
    sizes: Arc<Vec<u64>>,
}

impl Shard {
    /// Returns an empty shard; `now` in milliseconds since 1970.
    pub(super) fn new(index: usize, now: u64) -> Self {
        let first_arrival = now.saturating_sub(AGE_MILLIS);
        let (begins, sizes) = (Arc::new(vec![(0, 0)]), Arc::new(vec![0]));
        Self { index, family: index, first_arrival, begins, sizes, ..Self::default() }
    }

    /// Returns another shard with the same records, which are not held twice.
    pub(super) fn alike(&self, index: usize) -> Self {
        Self { index, ..self.clone() }
    }

    /// Adds one record at the end.
    pub(super) fn push(&mut self, data: &[u8], key: &str) {
        let position = self.len();
        let (sequence, arrival) = (self.sequence(position), self.arrival(position));
        // Writing into a text cannot fail.
        _ = write!(
            self.writing,
            r#"{{"SequenceNumber":"{sequence}","ApproximateArrivalTimestamp":{}.{:03},"PartitionKey":"{key}","Data":""#,
            arrival / 1000,
            arrival % 1000
        );
        STANDARD.encode_string(data, &mut self.writing);
        self.writing.push_str("\"},");
        self.writing_cbor.extend(cbor::record(&sequence, arrival, key, data));
        Arc::make_mut(&mut self.begins).push((self.writing.len(), self.writing_cbor.len()));
        let size = self.sizes.last().copied().unwrap_or_default() + (data.len() + key.len()) as u64;
        Arc::make_mut(&mut self.sizes).push(size);
    }

    /// Ends the writing; only what was pushed before is served.
    pub(super) fn freeze(mut self) -> Self {
        self.json = Bytes::from(std::mem::take(&mut self.writing));
        self.cbor = Bytes::from(std::mem::take(&mut self.writing_cbor));
        self
    }

    /// Returns the number of records.
    pub(super) fn len(&self) -> usize {
        self.begins.len() - 1
    }

    /// Returns the name of the shard.
    pub(super) fn id(&self) -> String {
        format!("shardId-{:012}", self.index)
    }

    /// Returns the sequence number of the record at `position`: 56 digits that grow with it.
    pub(super) fn sequence(&self, position: usize) -> String {
        format!("49{:018}{:036}", self.family, position + 1)
    }

    /// Returns the position of a sequence number, or nothing if it is none of this shard's.
    pub(super) fn position(&self, sequence: &str) -> Option<usize> {
        let digits = sequence.strip_prefix(&format!("49{:018}", self.family))?;
        digits.parse::<usize>().ok()?.checked_sub(1)
    }

    /// Returns when the record at `position` arrived, in milliseconds since 1970.
    pub(super) fn arrival(&self, position: usize) -> u64 {
        self.first_arrival + position as u64 / RECORDS_PER_MILLISECOND
    }

    /// Returns the position of the first record that arrived at `millis` or later.
    pub(super) fn arrived_from(&self, millis: u64) -> usize {
        let position =
            millis.saturating_sub(self.first_arrival).saturating_mul(RECORDS_PER_MILLISECOND);
        usize::try_from(position).unwrap_or(usize::MAX).min(self.len())
    }

    /// Returns which records one answer holds: from `position`, at most `limit`, at most 10 MiB, but at least one.
    pub(super) fn page(&self, position: usize, limit: usize) -> Range<usize> {
        let begin = position.min(self.len());
        let end = begin.saturating_add(limit).min(self.len());
        let most = self.sizes[begin] + ANSWER_BYTES;
        let fitting = self.sizes[begin..=end].partition_point(|size| *size <= most) - 1;
        begin..begin + if end > begin { fitting.max(1) } else { 0 }
    }

    /// Returns these records as they stand in the list of an answer, without copying.
    pub(super) fn records(&self, page: &Range<usize>, wire: Wire) -> Bytes {
        let (begin, end) = (self.begins[page.start], self.begins[page.end]);
        match wire {
            // The last record of the page leaves its comma behind.
            Wire::Json => self.json.slice(begin.0..end.0.saturating_sub(1).max(begin.0)),
            Wire::Cbor => self.cbor.slice(begin.1..end.1),
        }
    }
}
