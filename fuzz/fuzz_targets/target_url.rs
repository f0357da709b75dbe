//! Any text is a target address or is refused; an accepted one parses to itself again.

#![no_main]

use ctk_url::TargetUrl;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(url) = TargetUrl::parse(text) else { return };
    assert_eq!(TargetUrl::parse(&url.to_exposed_string()), Ok(url.clone()));
    // What they return is judged by tests; here they only must return.
    let _ = (url.to_string(), url.schema(), url.table(), url.database());
});
