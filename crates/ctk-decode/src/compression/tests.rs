//! Streams made by the compressors, whole, cut at every place, and with every byte changed.

use std::io::Write;

use flate2::write::{GzEncoder, ZlibEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

fn gzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib_of(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

fn all(bytes: &[u8]) -> [Vec<u8>; 3] {
    [gzip_of(bytes), zlib_of(bytes, 6), zstd_of(bytes)]
}

fn expand(bytes: &[u8], limit: usize) -> Result<Vec<u8>, ExpandError> {
    let mut expanded = b"left over".to_vec();
    Kind::of(bytes).expect("recognised").expand(bytes, limit, &mut expanded).map(|()| expanded)
}

fn sample() -> Vec<u8> {
    (0..200).flat_map(|n| format!(r#"{{"n":{n},"text":"some text"}}"#).into_bytes()).collect()
}

#[test]
fn kinds_are_recognised() {
    let check = |bytes: &[u8], expected| assert_eq!(Kind::of(bytes), expected, "{bytes:02x?}");
    check(&[0x1f, 0x8b, 8], Some(Kind::Gzip));
    check(&[0x78, 0x9c], Some(Kind::Zlib));
    check(&[0x78, 0x01], Some(Kind::Zlib));
    check(&[0x78, 0x5e], Some(Kind::Zlib));
    check(&[0x78, 0xda], Some(Kind::Zlib));
    check(&[0x78, 0x9d], None);
    check(&[0x28, 0xb5, 0x2f, 0xfd], Some(Kind::Zstd));
    check(&[0x28, 0xb5, 0x2f], None);
    check(&[0x1f], None);
    check(&[], None);
    for start in [
        &b"{\"a\":1}"[..],
        b"[",
        b"\"",
        b"-1",
        b"0",
        b"true",
        b"false",
        b"null",
        b" 1",
        b"\xef\xbb\xbf{}",
    ] {
        check(start, None);
    }
}

#[test]
fn what_was_compressed_comes_back() {
    for bytes in [sample(), Vec::new(), vec![7; 100_000]] {
        for stream in all(&bytes).into_iter().chain((0..10).map(|level| zlib_of(&bytes, level))) {
            assert_eq!(expand(&stream, 1 << 20).unwrap(), bytes);
            assert_eq!(expand(&stream, bytes.len()).unwrap(), bytes, "exactly the limit");
        }
    }
}

#[test]
fn several_members_are_one_payload() {
    for stream in [gzip_of(b"one "), zstd_of(b"one ")] {
        let second = if stream[0] == 0x1f { gzip_of(b"two") } else { zstd_of(b"two") };
        let both = [stream, second].concat();
        assert_eq!(expand(&both, 7).unwrap(), b"one two");
        assert!(matches!(expand(&both, 6), Err(ExpandError::TooLarge { limit: 6 })));
    }
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let with_skippable = [&zstd_of(b"one ")[..], &skippable, &zstd_of(b"two")].concat();
    assert_eq!(expand(&with_skippable, 100).unwrap(), b"one two");
    let cut = [&zstd_of(b"one ")[..], &skippable[..9]].concat();
    assert!(matches!(expand(&cut, 100), Err(ExpandError::Broken { .. })));
}

#[test]
fn a_bomb_is_left_at_the_limit() {
    let bomb = vec![b' '; 20_000_000];
    for stream in all(&bomb) {
        let mut expanded = Vec::new();
        let kind = Kind::of(&stream).unwrap();
        assert!(matches!(
            kind.expand(&stream, 100_000, &mut expanded),
            Err(ExpandError::TooLarge { limit: 100_000 })
        ));
        assert!(expanded.capacity() < 1_000_000, "{kind:?} held {}", expanded.capacity());
        assert!(matches!(
            kind.expand(&stream, 0, &mut expanded),
            Err(ExpandError::TooLarge { limit: 0 })
        ));
    }
}

#[test]
fn a_stream_cut_anywhere_is_broken() {
    let bytes = sample();
    for stream in all(&bytes) {
        for end in 4..stream.len() {
            let cut = &stream[..end];
            assert!(
                matches!(expand(cut, 1 << 20), Err(ExpandError::Broken { .. })),
                "{:?} cut at {end}",
                Kind::of(cut)
            );
        }
        let followed = [&stream[..], b"x"].concat();
        assert!(
            matches!(expand(&followed, 1 << 20), Err(ExpandError::Broken { .. })),
            "{:?} followed",
            Kind::of(&stream)
        );
    }
}

#[test]
fn a_changed_byte_never_changes_the_payload() {
    let bytes = sample();
    for stream in all(&bytes) {
        for index in 4..stream.len() {
            for bit in [0x01, 0x80] {
                let mut changed = stream.clone();
                changed[index] ^= bit;
                // Either refused, or a byte that carries no data, as the time in a gzip header.
                if let Ok(expanded) = expand(&changed, 1 << 20) {
                    assert_eq!(expanded, bytes, "{:?} byte {index}", Kind::of(&stream));
                }
            }
        }
    }
}
