//! Which source an address means: a stream, or a dump file in its place.

use std::collections::HashMap;

use ctk_flow::{Answer, Failure, Millis, Reader, ShardId, Source};
use ctk_kinesis::{
    Dump, DumpReader, DumpSource, KinesisConfig, KinesisError, KinesisSource, Saved, ShardReader,
    StartAt, StreamSummary,
};

use crate::exit::CommandError;

/// An open source.
#[derive(Debug)]
pub enum AnySource {
    /// A stream.
    Stream(Box<KinesisSource>),
    /// A dump file.
    File(DumpSource),
}

impl AnySource {
    /// Opens the file that was found, else the stream of the configuration. Cancel safe as [`KinesisSource::open`] is.
    pub async fn open(
        config: &KinesisConfig,
        dump: Option<Dump>,
        saved: HashMap<ShardId, Saved>,
        now: Millis,
    ) -> Result<Self, CommandError> {
        let Some(dump) = dump else {
            return Ok(Self::Stream(KinesisSource::open(config, saved, now).await?.into()));
        };
        let source = DumpSource::new(dump, config, saved);
        // Before anything is made in the target.
        source.check()?;
        Ok(Self::File(source))
    }

    /// Returns what the stream is; a file has a name and a place, too.
    pub fn stream(&self) -> &StreamSummary {
        match self {
            Self::Stream(source) => source.stream(),
            Self::File(source) => source.stream(),
        }
    }

    /// Returns the source with other positions to go on from.
    pub fn going_on_from(
        self,
        saved: HashMap<ShardId, Saved>,
        start: &StartAt,
    ) -> Result<Self, KinesisError> {
        Ok(match self {
            Self::Stream(source) => Self::Stream(source.going_on_from(saved, start)?.into()),
            Self::File(source) => Self::File(source.going_on_from(saved)),
        })
    }
}

impl Source for AnySource {
    type Reader = AnyReader;

    async fn readers(&mut self) -> Result<Vec<AnyReader>, Failure> {
        Ok(match self {
            Self::Stream(source) => source
                .readers()
                .await?
                .into_iter()
                .map(|reader| AnyReader::Shard(reader.into()))
                .collect(),
            Self::File(source) => {
                source.readers().await?.into_iter().map(AnyReader::File).collect()
            }
        })
    }

    fn finished(&mut self, shard: &ShardId) {
        match self {
            Self::Stream(source) => source.finished(shard),
            Self::File(source) => source.finished(shard),
        }
    }
}

/// Reads a shard, or a file as one.
#[derive(Debug)]
pub enum AnyReader {
    /// A shard.
    Shard(Box<ShardReader>),
    /// A file.
    File(DumpReader),
}

impl Reader for AnyReader {
    fn shard(&self) -> &ShardId {
        match self {
            Self::Shard(reader) => reader.shard(),
            Self::File(reader) => reader.shard(),
        }
    }

    fn begins(&self) -> Option<Millis> {
        match self {
            Self::Shard(reader) => reader.begins(),
            Self::File(reader) => reader.begins(),
        }
    }

    async fn ready(&mut self) {
        match self {
            Self::Shard(reader) => reader.ready().await,
            Self::File(reader) => reader.ready().await,
        }
    }

    fn room(&self, most: usize) -> usize {
        match self {
            Self::Shard(reader) => reader.room(most),
            Self::File(reader) => reader.room(most),
        }
    }

    async fn read(&mut self) -> Result<Answer, Failure> {
        match self {
            Self::Shard(reader) => reader.read().await,
            Self::File(reader) => reader.read().await,
        }
    }
}
