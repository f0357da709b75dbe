//! Any text is a recipe or is refused, with a place in it; what is read names each table once.
#![no_main]

use std::collections::HashSet;

use ctk_decode::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match Recipe::parse(text) {
    Ok(recipe) => {
        let mut names = HashSet::new();
        for (container, table, rules) in recipe.tables() {
            assert!(names.insert((container, table)));
            assert_eq!(recipe.rules(container, table), Some(rules));
        }
    }
    Err(error) => assert!(error.line > 0 && error.column > 0),
});
