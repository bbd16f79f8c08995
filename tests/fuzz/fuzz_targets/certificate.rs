//! What is read off a certificate fits into headers and logs, whatever the certificate holds, and
//! its names are ready to be compared.

#![no_main]

use cattail::config::tls::{Facts, judge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|der: &[u8]| {
    let Some(facts) = Facts::read(der) else {
        return;
    };
    for text in [&facts.subject, &facts.issuer, &facts.serial] {
        assert!(
            text.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{text:?}"
        );
    }
    // Escapes grow: `\XX` for each byte, and at most three bytes for a unit.
    assert!(facts.subject.len() <= 16 * der.len() + 16);
    for host in &facts.hosts {
        assert!(
            !host.bytes().any(|byte| byte.is_ascii_uppercase()),
            "{host:?}"
        );
        assert!(!host.contains(|c: char| c.is_ascii_control()), "{host:?}");
    }
    // Nor does it matter what an answer about it holds.
    let _judged = judge(der, &facts, 0);
    assert_eq!(facts.is_issued_by(&facts), facts.is_self_issued());
});
