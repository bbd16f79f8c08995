//! Ids in every dialect: the parts of what is read are parts of what was shown, and logs never
//! show an id whole. Input: a value of a cookie or a path parameter.

#![no_main]

use cattail::config::Dialect;
use cattail::session::id::{Id, own_token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    for dialect in Dialect::ALL {
        let Ok(id) = Id::read(dialect, value) else {
            continue;
        };
        assert!(!id.base().is_empty());
        let parts = [Some(id.base()), id.store_node(), id.route()];
        assert!(
            parts.iter().flatten().all(|part| {
                !part.iter().any(u8::is_ascii_control) && part.len() <= value.len()
            })
        );
        assert!(id.store_node().is_none() || dialect == Dialect::Tomcat);
        assert!(id.routes().all(|route| !route.is_empty()));
        let is_ours = id.route().and_then(own_token).is_some();
        assert!(!is_ours || id.routes().eq(id.route()));

        let shown = id.shortened().to_string();
        let (start, tail) = shown.rsplit_once('*').expect("has the mark");
        assert!(start.len() <= 6.min(id.base().len() / 4));
        assert!(tail.len() <= 130);
        assert_eq!(format!("{id:?}"), format!("Id({shown})"));
    }
});
