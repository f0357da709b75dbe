//! Compressed payloads: recognised by their first bytes, expanded up to a limit.
//!
//! gzip (also several members), zlib, zstd (also several frames). No JSON text begins with any of these bytes, so plain
//! JSON is never mistaken for compressed data; bytes in the format `raw` may be, for which there is `compression=none`.
//! Expansion is streaming: a bomb is left as soon as it passes the limit, and is never held as a whole. Checksums are
//! verified, and a stream that ends early is broken, never a shorter payload.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status, bufread::MultiGzDecoder};
use ruzstd::decoding::{
    FrameDecoder, StreamingDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};
use thiserror::Error;

/// The window that zstd needs at most at its usual levels; a frame may ask for it even where its content is small.
const ZSTD_WINDOW: u64 = 8 * 1024 * 1024;
/// The window at which we refuse, however large a record may be.
const ZSTD_WINDOW_MAX: u64 = 128 * 1024 * 1024;

/// Why a payload was not expanded.
#[derive(Debug, Error)]
pub(crate) enum ExpandError {
    /// It is larger than is allowed.
    #[error("the payload expands to more than {limit} bytes")]
    TooLarge {
        /// What is allowed.
        limit: usize,
    },
    /// The stream is damaged, ends early, or is followed by something else.
    #[error("the {kind} stream is broken: {problem}")]
    Broken {
        /// Its name.
        kind: &'static str,
        /// What the decompressor said.
        problem: String,
    },
}

/// A way to compress, recognised by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gzip,
    Zlib,
    Zstd,
}

impl Kind {
    /// Returns how the bytes are compressed, `None` when they do not look like it.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // The header as a 16 bit number is a multiple of 31 (RFC 1950, 2.2).
            [0x78, flags @ (0x01 | 0x5e | 0x9c | 0xda), ..]
                if (0x7800 | u16::from(*flags)).is_multiple_of(31) =>
            {
                Some(Self::Zlib)
            }
            _ => None,
        }
    }

    /// Replaces what `expanded` holds with the expanded bytes, which are at most `limit`.
    pub(crate) fn expand(
        self,
        bytes: &[u8],
        limit: usize,
        expanded: &mut Vec<u8>,
    ) -> Result<(), ExpandError> {
        expanded.clear();
        match self {
            Self::Gzip => gzip(bytes, limit, expanded),
            Self::Zlib => zlib(bytes, limit, expanded),
            Self::Zstd => zstd(bytes, limit, expanded),
        }
    }
}

fn gzip(bytes: &[u8], limit: usize, expanded: &mut Vec<u8>) -> Result<(), ExpandError> {
    read_limited(MultiGzDecoder::new(bytes), limit, expanded, "gzip")
}

/// Uses the plain inflater: flate2's reader takes a zlib stream that ends early for one that ends.
fn zlib(bytes: &[u8], limit: usize, expanded: &mut Vec<u8>) -> Result<(), ExpandError> {
    const STEP: usize = 16 * 1024;
    let broken = |problem: &str| ExpandError::Broken { kind: "zlib", problem: problem.to_owned() };
    let mut inflater = Decompress::new(true);
    let mut rest = bytes;
    loop {
        expanded.reserve(STEP.max(expanded.len().min(limit - expanded.len())));
        let (read_before, written_before) = (inflater.total_in(), inflater.total_out());
        let status = inflater
            .decompress_vec(rest, expanded, FlushDecompress::None)
            .map_err(|error| broken(&error.to_string()))?;
        let read = usize::try_from(inflater.total_in() - read_before).unwrap_or(usize::MAX);
        rest = rest.get(read..).unwrap_or_default();
        if expanded.len() > limit {
            return Err(ExpandError::TooLarge { limit });
        }
        match status {
            Status::StreamEnd if rest.is_empty() => return Ok(()),
            Status::StreamEnd => return Err(broken("bytes follow its end")),
            Status::Ok | Status::BufError
                if read == 0 && inflater.total_out() == written_before =>
            {
                return Err(broken("it ends early"));
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

fn zstd(bytes: &[u8], limit: usize, expanded: &mut Vec<u8>) -> Result<(), ExpandError> {
    let broken = |problem: String| ExpandError::Broken { kind: "zstd", problem };
    let window = (limit as u64).clamp(ZSTD_WINDOW, ZSTD_WINDOW_MAX);
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(window);
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut frame = match StreamingDecoder::new_with_decoder(rest, &mut decoder) {
            Ok(frame) => frame,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let skipped = rest.get(8 + length as usize..);
                rest = skipped.ok_or_else(|| broken("a skippable frame ends early".to_owned()))?;
                continue;
            }
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
                return Err(ExpandError::TooLarge { limit });
            }
            Err(error) => return Err(broken(error.to_string())),
        };
        read_limited(&mut frame, limit, expanded, "zstd")?;
        rest = frame.into_inner();
        // Absent in the frame: nothing to compare.
        if let Some(expected) = decoder.get_checksum_from_data()
            && decoder.get_calculated_checksum() != Some(expected)
        {
            return Err(broken("its checksum is wrong".to_owned()));
        }
    }
    Ok(())
}

/// Appends to `expanded` until the end or the limit.
fn read_limited(
    stream: impl Read,
    limit: usize,
    expanded: &mut Vec<u8>,
    kind: &'static str,
) -> Result<(), ExpandError> {
    let allowed = limit.saturating_sub(expanded.len()) as u64;
    match stream.take(allowed.saturating_add(1)).read_to_end(expanded) {
        Ok(read) if read as u64 > allowed => Err(ExpandError::TooLarge { limit }),
        Ok(_) => Ok(()),
        Err(error) => Err(ExpandError::Broken { kind, problem: text(&error) }),
    }
}

/// Returns what an error says, without an empty text for an early end.
fn text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends early".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
