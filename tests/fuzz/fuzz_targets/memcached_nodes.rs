//! MSM's list of store nodes: what is read is in order and shows no password, and an address
//! that is shown without one is read again. Input: the list.

#![no_main]

use cattail::config::{StoreAddress, StoreNode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(nodes) = StoreNode::parse_list(text) else {
        return;
    };
    assert!(!nodes.is_empty());
    for node in &nodes {
        assert!(node.name.is_some() || nodes.len() == 1);
        let shown = node.address.to_string();
        let again = StoreAddress::parse(&shown).expect("what is shown is read");
        assert_eq!(again.to_string(), shown);
        assert_eq!(
            (again.host(), again.port()),
            (node.address.host(), node.address.port())
        );
        if let StoreAddress::Redis {
            password: None,
            user: None,
            ..
        } = &node.address
        {
            assert_eq!(again, node.address);
        }
    }
});
