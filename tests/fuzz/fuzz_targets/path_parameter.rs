//! Ids in paths: the last parameter of a name is found and can be read again; without its
//! parameters a path has none. Input: a raw path.

#![no_main]

use std::sync::LazyLock;

use cattail::session::find::{Names, Source, each, path_without_parameters, read_again};
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;

static NAMES: LazyLock<[String; 2]> = LazyLock::new(|| ["jsessionid".into(), "sid".into()]);

fuzz_target!(|path: &str| {
    let headers = HeaderMap::new();
    let names = Names {
        cookies: &*NAMES,
        parameters: &*NAMES,
    };
    let found: Vec<&[u8]> = each(&headers, path, names)
        .map(|found| {
            assert_eq!(found.place.source, Source::Path);
            assert_eq!(read_again(&headers, path, found.place), Some(found.value));
            found.value
        })
        .collect();
    let last = |name: &String| {
        let segments = path.split('/');
        let parameters = segments.flat_map(|segment| segment.split(';').skip(1));
        let values = parameters.filter_map(|it| it.strip_prefix(&**name)?.strip_prefix('='));
        values.last().map(str::as_bytes)
    };
    let expected: Vec<&[u8]> = NAMES.iter().filter_map(last).collect();
    assert!(path.len() > usize::from(u16::MAX) || found == expected);

    let plain = path_without_parameters(path);
    assert!(!plain.contains(';'));
    assert_eq!(plain.matches('/').count(), path.matches('/').count());
    assert_eq!(path_without_parameters(&plain), plain);
});
