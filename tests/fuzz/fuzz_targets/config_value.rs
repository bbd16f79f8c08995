//! The values of a configuration that have a grammar of their own: durations, sizes, templates,
//! log formats, addresses, networks, paths, names. The first byte of the input chooses a place, the
//! rest is put there; what loads is shown as a file that loads to the same.

#![no_main]

use cattail::config;
use libfuzzer_sys::fuzz_target;

const PLACES: [&str; 9] = [
    "limits: { head: @ }",
    "limits: { idle: @ }",
    "trusted_proxies: [@]",
    "access_log: { path: stdout, format: @ }",
    "rules: [{ path: @, cluster: a }]",
    "rules: [{ host: @, cluster: a }]",
    "rules: [{ path: /, redirect: { to: @ } }]",
    "clusters: { a: { backends: [@] } }",
    "clusters: { a: { backends: [b], request_headers: { set: { x-y: @ } } } }",
];

fuzz_target!(|text: &str| {
    let mut letters = text.chars();
    let place = letters.next().map_or(0, |letter| letter as usize);
    let place = PLACES[place % PLACES.len()];
    if let Ok(quoted) = serde_json::to_string(letters.as_str()) {
        let mut file = String::from("listeners: [{ address: '127.0.0.1:80' }]\n");
        if !place.starts_with("clusters") {
            file.push_str("clusters: { a: { backends: ['127.0.0.1:8080'] } }\n");
        }
        file.push_str(&place.replace('@', &quoted));
        match config::load_text("fuzz.yaml", &file, &|_| None) {
            Ok(config) => {
                let shown = config.show();
                let again = config::load_text("shown.yaml", &shown, &|_| None);
                assert_eq!(again.as_ref(), Ok(&config), "{file}\n{shown}");
            }
            Err(report) => {
                assert!(!report.problems.is_empty());
                drop((report.to_string(), report.to_json()));
            }
        }
    }
});
