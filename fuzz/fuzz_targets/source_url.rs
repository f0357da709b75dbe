//! Any text is a source address or is refused; an accepted one parses to itself again.

#![no_main]

use ctk_url::{SourceUrl, StreamRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(url) = SourceUrl::parse(text) else { return };
    assert_eq!(SourceUrl::parse(&url.to_exposed_string()), Ok(url.clone()));
    // What they return is judged by tests; here they only must return.
    let _ = (url.to_string(), url.file(), url.stream_path().map(StreamRef::parse));
});
