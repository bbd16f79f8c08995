use proptest::prelude::*;

use super::*;

fn memcached(host: &str, port: u16) -> StoreAddress {
    StoreAddress::Memcached {
        host: host.to_owned(),
        port,
    }
}

fn redis(host: &str, port: u16, database: u32, sign_in: [Option<&str>; 2]) -> StoreAddress {
    let [user, password] = sign_in.map(|it| it.map(str::to_owned));
    StoreAddress::Redis {
        host: host.to_owned(),
        port,
        database,
        user,
        password,
    }
}

#[test]
fn addresses_are_read_as_written() {
    let nobody = [None, None];
    for (text, expected) in [
        ("store.example:11211", memcached("store.example", 11211)),
        ("10.0.0.1:1", memcached("10.0.0.1", 1)),
        ("[::1]:11211", memcached("::1", 11211)),
        ("redis://r", redis("r", 6379, 0, nobody)),
        ("REDIS://r/", redis("r", 6379, 0, nobody)),
        ("redis://r:1/7", redis("r", 1, 7, nobody)),
        ("redis://[::1]/7", redis("::1", 6379, 7, nobody)),
        ("redis://:pw@r", redis("r", 6379, 0, [None, Some("pw")])),
        (
            "redis://u:p%40@r",
            redis("r", 6379, 0, [Some("u"), Some("p@")]),
        ),
        (
            "redis://u:a:b@c@r:2",
            redis("r", 2, 0, [Some("u"), Some("a:b@c")]),
        ),
        ("redis://@r", redis("r", 6379, 0, nobody)),
    ] {
        assert_eq!(StoreAddress::parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn bad_addresses_are_told_apart() {
    use BadStoreAddress as Bad;
    let long = format!("{}:1", "h".repeat(2000));
    for (text, expected) in [
        ("", Bad::NoHost),
        (":11211", Bad::NoHost),
        ("host", Bad::NoPort),
        ("host:", Bad::Port),
        ("host:0", Bad::Port),
        ("host:65536", Bad::Port),
        ("host:+1", Bad::Port),
        ("ho st:1", Bad::Host),
        ("::1:11211", Bad::Host),
        ("[::1:11211", Bad::Host),
        ("[host]:11211", Bad::Host),
        ("[::1]11211", Bad::Host),
        ("rediss://r", Bad::Tls),
        ("http://h:8091/pools", Bad::Couchbase),
        ("ftp://h", Bad::Scheme),
        ("redis://", Bad::NoHost),
        ("redis://r/x", Bad::Database),
        ("redis://r/99999999999", Bad::Database),
        ("redis://u:%4@r", Bad::Escape),
        ("redis://u:%+4@r", Bad::Escape),
        ("redis://u:%ff@r", Bad::Escape),
        (&long, Bad::TooLong),
    ] {
        assert_eq!(StoreAddress::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn passwords_are_never_shown() {
    let address = StoreAddress::parse("redis://someone:sesame@r:1/2").unwrap();
    let node = StoreNode {
        name: None,
        address: address.clone(),
    };
    assert_eq!(address.to_string(), "redis://r:1/2");
    let debug = format!("{address:?} {node:?}");
    assert!(
        !debug.contains("sesame") && !debug.contains("someone"),
        "{debug}"
    );
}

#[test]
fn lists_are_read_as_msm_reads_them() {
    for (text, expected) in [
        ("n1:a:1 n2:b:2", Ok(vec!["n1=a:1", "n2=b:2"])),
        ("n1:a:1,n2:b:2", Ok(vec!["n1=a:1", "n2=b:2"])),
        (" n1:a:1 \t\n n2:b:2 ", Ok(vec!["n1=a:1", "n2=b:2"])),
        ("n_1:a:1", Ok(vec!["n_1=a:1"])),
        ("a:1", Ok(vec!["a:1"])),
        ("redis://:pw@a:1/3", Ok(vec!["redis://a:1/3"])),
        ("", Err("no node")),
        ("n1:a:1, n2:b:2", Err("node 2: nothing")),
        ("n1:a:1,,n2:b:2", Err("node 2: nothing")),
        ("n1:a:1 ,n2:b:2", Err("node 2: nothing")),
        ("n1:a:1,", Err("node 2: nothing")),
        ("n1:a:1 n1:b:2", Err("node 2: a node name that another")),
        ("n-1:a:1", Err("node 1: a node name with")),
        ("a:1 b:2", Err("node 1: no node name")),
        ("n1:a:1 b:2", Err("node 2: no node name")),
        ("n1:a:1 n2:b:x", Err("node 2: a port")),
        ("rediss://a", Err("node 1: rediss://")),
    ] {
        let found = StoreNode::parse_list(text);
        match (found, expected) {
            (Ok(nodes), Ok(expected)) => {
                let shown: Vec<_> = nodes
                    .iter()
                    .map(|node| match &node.name {
                        Some(name) => format!("{name}={}", node.address),
                        None => node.address.to_string(),
                    })
                    .collect();
                assert_eq!(shown, expected, "{text}");
            }
            (Err(why), Err(expected)) => {
                assert!(why.to_string().starts_with(expected), "{text}: {why}");
            }
            (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_list_is_no_longer_than_what_can_be_told_apart() {
    let list = |count: usize| {
        let parts = (0..count).map(|number| format!("n{number}:a:1"));
        StoreNode::parse_list(&parts.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(list(64).unwrap().len(), 64);
    let told = list(65).unwrap_err().to_string();
    assert_eq!(told, "more than 64 nodes");
}

proptest! {
    #[test]
    fn what_is_shown_is_read_again(
        host in "[a-z][a-z0-9.-]{0,20}",
        port in 1..=u16::MAX,
        database in 0..20_u32,
        is_redis: bool,
    ) {
        let address = if is_redis {
            redis(&host, port, database, [None, None])
        } else {
            memcached(&host, port)
        };
        prop_assert_eq!(StoreAddress::parse(&address.to_string()), Ok(address));
    }

    #[test]
    fn no_text_is_too_strange(text in ".{0,60}") {
        StoreAddress::parse(&text).ok();
        StoreNode::parse_list(&text).ok();
    }

    #[test]
    fn lists_of_any_length_keep_their_order(
        ports in proptest::collection::vec(1..=u16::MAX, 1..20),
        separator in prop_oneof![Just(","), Just(" "), Just("\t \n")],
    ) {
        let parts: Vec<_> = ports.iter().enumerate()
            .map(|(index, port)| format!("n{index}:host:{port}"))
            .collect();
        let nodes = StoreNode::parse_list(&parts.join(separator)).unwrap();
        let found: Vec<_> = nodes.iter().map(|node| node.address.port()).collect();
        prop_assert_eq!(found, ports);
    }
}
