use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn limits(per_client: u32, in_all: u32) -> HandshakeLimits {
    HandshakeLimits {
        per_client,
        in_all,
        under_way: 1,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// How many begin at once.
fn begun(rates: &Rates, now: u64, client: Option<IpAddr>, limits: &HandshakeLimits) -> usize {
    (0..100_000)
        .take_while(|_| rates.take_at(now, client, limits).is_ok())
        .count()
}

#[test]
fn ten_seconds_worth_at_once_and_then_the_rate() {
    let rates = Rates::default();
    let limits = limits(20, 0);
    let client = Some(ip("192.0.2.1"));
    for (now, expected) in [(5, 200), (5, 0), (6, 20), (8, 40), (1000, 200)] {
        let begun = begun(&rates, now * SECOND, client, &limits);
        assert_eq!(begun, expected, "at {now} s");
    }
}

#[test]
fn clients_are_counted_apart_and_networks_of_ipv6_as_one() {
    let rates = Rates::default();
    let limits = limits(1, 0);
    for (client, expected) in [
        ("192.0.2.1", 10),
        ("192.0.2.2", 10),
        ("::ffff:192.0.2.2", 0),
        ("2001:db8::1", 10),
        ("2001:db8::2", 0),
        ("2001:db8:0:1::1", 10),
    ] {
        assert_eq!(
            begun(&rates, 0, Some(ip(client)), &limits),
            expected,
            "{client}"
        );
    }
}

#[test]
fn all_together_have_a_bound_and_who_is_not_counted_has_no_other() {
    let rates = Rates::default();
    let limits = limits(1, 3);
    assert_eq!(begun(&rates, 0, None, &limits), 30);
    let refused = rates
        .take_at(0, Some(ip("192.0.2.1")), &limits)
        .unwrap_err();
    assert_eq!(refused.why, ConnectionRefusal::Handshakes);
    let none = HandshakeLimits {
        per_client: 0,
        in_all: 0,
        ..limits
    };
    assert_eq!(begun(&rates, 0, Some(ip("192.0.2.1")), &none), 100_000);
}

#[test]
fn who_is_greedy_takes_nothing_from_the_others() {
    let rates = Rates::default();
    let limits = limits(1, 2);
    let greedy = Some(ip("192.0.2.1"));
    assert_eq!(begun(&rates, 0, greedy, &limits), 10);
    for _ in 0..1000 {
        let refused = rates.take_at(0, greedy, &limits).unwrap_err();
        assert_eq!(refused.why, ConnectionRefusal::HandshakesClient);
    }
    assert_eq!(begun(&rates, 0, Some(ip("192.0.2.2")), &limits), 10);
}

#[test]
fn a_million_strangers_do_not_make_the_greedy_one_forgotten() {
    let rates = Rates::default();
    let limits = limits(10, 0);
    let greedy = Some(ip("192.0.2.1"));
    assert_eq!(begun(&rates, 0, greedy, &limits), 100);
    for number in 0..1_000_000_u128 {
        let stranger = Ipv6Addr::from_bits((0x2001_0db8 << 96) | (number << 64));
        rates.take_at(0, Some(stranger.into()), &limits).unwrap();
    }
    assert!(rates.take_at(0, greedy, &limits).is_err());
    let sets = rates.clients.get().unwrap();
    assert_eq!(sets.len() * WAYS, 32_768, "and no more is remembered");
    assert!(size_of_val(&**sets) <= 600 << 10);
}

#[test]
fn the_first_refusal_is_told_and_then_those_of_a_minute_at_once() {
    let rates = Rates::default();
    let limits = limits(1, 0);
    let refused = |now: u64| {
        // What came back meanwhile is taken first.
        let mut all = (0..100).map(|_| rates.take_at(now * SECOND, Some(ip("192.0.2.1")), &limits));
        all.find_map(Result::err).expect("some are refused")
    };
    let told = [0, 0, 0, 59, 60, 60, 121].map(|now| refused(now).tell_of);
    let expected = [Some(1), None, None, None, Some(4), None, Some(2)];
    assert_eq!(told, expected);
}

proptest! {
    #[test]
    fn never_more_than_the_rate_and_ten_seconds_of_it(
        rate in 1_u32..1000,
        steps in prop::collection::vec((0_u64..3_000_000_000, 0_usize..200), 1..40),
    ) {
        let rates = Rates::default();
        let limits = limits(rate, 0);
        let (mut now, mut begun) = (0, 0);
        for (passed, wanted) in steps {
            now += passed;
            begun += (0..wanted)
                .filter(|_| rates.take_at(now, Some(ip("192.0.2.1")), &limits).is_ok())
                .count() as u64;
            let most = u128::from(rate) * (u128::from(now) + 10 * u128::from(SECOND));
            // What rounding gives away.
            let most = most / u128::from(SECOND) * 1_000_001 / 1_000_000 + 1;
            prop_assert!(u128::from(begun) <= most, "{begun} of {most}");
        }
    }
}
