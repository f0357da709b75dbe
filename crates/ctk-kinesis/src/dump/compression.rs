//! How a file is compressed, and how it is read all the same: as a stream, so that no file is ever held as a whole.
//!
//! The first bytes decide. An ending that promises a compression which the bytes do not have is an error, never a guess: the
//! file would else be read as lines of rubbish. Members, streams and frames that follow each other are one file, as `cat a.gz
//! b.gz` makes it.

use std::{
    ffi::OsStr,
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::zstd::ZstdReader;

/// What is read of a file, and expanded, at once.
const CHUNK: usize = 128 << 10;
/// What the decoder of an xz file may take, in KiB: more than its highest level needs.
const XZ_MEMORY: u32 = 256 << 10;
/// How many bytes at the start of a file say how it is compressed.
pub(super) const HEAD: usize = 6;
/// Some programs put it in front of UTF-8. It is no part of the first line.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A file, expanded.
pub(super) type Input = BufReader<io::Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>>;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileCompression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
}

impl FileCompression {
    /// Returns what the first bytes say.
    pub(super) fn of_bytes(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // The level, then the first byte of a block or of the end.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // A frame, or one that is to be skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Returns what an ending promises.
    pub(super) fn of_ending(ending: &OsStr) -> Self {
        match ending.to_ascii_lowercase().to_str() {
            Some("gz") => Self::Gzip,
            Some("bz2") => Self::Bzip2,
            Some("xz") => Self::Xz,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Returns a reader of what the file holds, from its first line on.
    pub(super) fn expand(self, file: File) -> io::Result<Input> {
        let bytes = BufReader::with_capacity(CHUNK, file);
        let mut expanded: Box<dyn Read + Send> = match self {
            Self::None => Box::new(bytes),
            Self::Gzip => Box::new(MultiGzDecoder::new(bytes)),
            Self::Bzip2 => Box::new(MultiBzDecoder::new(bytes)),
            Self::Xz => Box::new(XzReader::new_mem_limit(bytes, true, XZ_MEMORY)),
            Self::Zstd => Box::new(ZstdReader::new(bytes)),
        };
        let mut head = Vec::new();
        expanded.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut head)?;
        if head == BYTE_ORDER_MARK {
            head.clear();
        }
        Ok(BufReader::with_capacity(CHUNK, Cursor::new(head).chain(expanded)))
    }
}

impl fmt::Display for FileCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        })
    }
}

/// Takes one line end off.
pub(super) fn strip_line_end(line: &mut Vec<u8>) {
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
}

/// Reads a line with its end, up to so many bytes, behind what `line` holds; returns how many came.
pub(super) fn read_line(input: &mut Input, most: usize, line: &mut Vec<u8>) -> io::Result<usize> {
    input.take(most as u64).read_until(b'\n', line)
}
