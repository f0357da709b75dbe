//! Dump files, compressed in every way that is known.

use std::io::{self, Write};

use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;
use lzma_rust2::{XzOptions, XzWriter};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// The endings of compressed files.
pub const ENDINGS: [&str; 4] = ["gz", "bz2", "xz", "zst"];

/// Compresses a text as an ending says, in one member; another ending leaves it as it is.
///
/// # Errors
///
/// An encoder failed, which none does on memory.
pub fn compress(ending: &str, text: &[u8]) -> io::Result<Vec<u8>> {
    match ending {
        "gz" => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text)?;
            encoder.finish()
        }
        "bz2" => {
            let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(text)?;
            encoder.finish()
        }
        "xz" => {
            let mut encoder = XzWriter::new(Vec::new(), XzOptions::with_preset(0))?;
            encoder.write_all(text)?;
            encoder.finish()
        }
        "zst" => Ok(compress_to_vec(text, CompressionLevel::Fastest)),
        _ => Ok(text.to_vec()),
    }
}
