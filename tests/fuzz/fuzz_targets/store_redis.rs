//! Whatever answers where a redis should be: every question ends, and of a value no more than
//! asked for is kept. Input: the answers.

#![no_main]

use std::time::Duration;

use cattail::config::StoreAddress;
use cattail::store::{Bounds, Connection};
use libfuzzer_sys::fuzz_target;
use tokio::io::{join, sink};

fuzz_target!(|answers: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let address = StoreAddress::parse("redis://store").expect("an address");
    let bounds = Bounds {
        most_keys: 1_000,
        ..Bounds::within(Duration::from_secs(5))
    };
    let over = || Connection::over(join(answers, sink()), &address, bounds);
    runtime.block_on(async {
        over().ping().await.ok();
        over().has(b"D20877C5-n1.jvm1").await.ok();
        if let Ok(Some(head)) = over().head(b"D20877C5-n1.jvm1").await {
            assert!(head.bytes.len() <= bounds.head_bytes);
        }
        let mut connection = over();
        let mut keys = connection.keys();
        while let Some(entry) = keys.next().await {
            if let Ok(entry) = entry {
                assert!(entry.key.len() <= answers.len());
            }
        }
        assert!(keys.next().await.is_none());
    });
});
