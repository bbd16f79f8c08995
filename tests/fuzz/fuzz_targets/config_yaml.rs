//! No text of a configuration file panics, hangs or is told without a place; what loads is shown
//! as a file that loads to the same.

#![no_main]

use cattail::config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let environment = |name: &str| (name.len() < 4).then(|| format!("<{name}>\n- [${{A}}"));
    match config::load_text("fuzz.yaml", text, &environment) {
        Ok(config) => {
            let shown = config.show();
            let again = config::load_text("shown.yaml", &shown, &|_| None);
            assert_eq!(again.as_ref(), Ok(&config), "{shown}");
        }
        Err(report) => {
            assert!(!report.problems.is_empty());
            // Printing must not panic either.
            drop((report.to_string(), report.to_json()));
        }
    }
});
