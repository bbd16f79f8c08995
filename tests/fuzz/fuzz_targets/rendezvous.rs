//! A key's order of all backends: each stands in it once, the first is the best, and a backend
//! that goes leaves the order of the others alone. Input: the key, then the backends' names.

#![no_main]

use cattail::balance::{Candidate, KeyHash, Member, Rendezvous, Slot};
use cattail::config::BackendName;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let key = KeyHash::of(lines.next().unwrap_or_default().as_bytes());
    let mut names: Vec<BackendName> = lines.map(BackendName::new).take(50).collect();
    names.sort_unstable();
    names.dedup();
    let candidates: Vec<Candidate> = (0_u16..)
        .zip(&names)
        .map(|(slot, name)| {
            let weight = u32::try_from(name.as_str().len()).unwrap_or(1);
            Candidate::new(
                Member {
                    slot: Slot(slot),
                    weight,
                },
                name,
            )
        })
        .collect();
    let all = Rendezvous::new(candidates.iter().copied());
    let order: Vec<Slot> = all.rank(key).collect();
    assert_eq!(order.len(), names.len());
    assert_eq!(all.best(key, |_| true), order.first().copied());
    let mut sorted = order.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len());
    if let Some(gone) = order.first() {
        let rest = candidates
            .iter()
            .zip(0_u16..)
            .filter(|(_, slot)| Slot(*slot) != *gone);
        let rest = Rendezvous::new(rest.map(|(candidate, _)| *candidate));
        assert!(rest.rank(key).eq(order.iter().skip(1).copied()));
    }
});
