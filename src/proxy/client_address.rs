//! Who a request is from: the peer of the connection, or the client that trusted peers name.
//!
//! `X-Forwarded-For` is a list to which every proxy appends the address it was asked from. Only
//! what a trusted proxy appended can be believed, so the list is read from its end, as long as
//! the hop that wrote an entry is trusted. The first address that is not trusted is the client.
//! What is no address (`unknown`, junk) ends the walk: the last good address is the client.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::HeaderMap;

use super::client::{Client, Entrance, Peer, Scheme, Trust};
use super::headers::fields::{X_FORWARDED_FOR, X_FORWARDED_PROTO};
use crate::config::Networks;
use crate::proxy_protocol::Header;

/// How many entries of `X-Forwarded-For` are looked at: no chain of trusted proxies is longer.
const MOST_HOPS: usize = 32;

/// What a connection tells; made once per connection. A Unix socket's peer is on this host and
/// trusted where 127.0.0.1 is.
pub fn peer(address: Option<SocketAddr>, entrance: Entrance, trusted: &Networks) -> Peer {
    let ip = address.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
    let trust = if trusted.contains(ip) {
        Trust::Trusted
    } else {
        Trust::Untrusted
    };
    Peer::new(address, entrance, trust)
}

/// The same for the connection of a load balancer at `address`, which has said in a header for whom
/// it connects. Whether that one's forwarding fields are believed is asked of the one that it named:
/// a stranger does not become trusted by being passed on.
pub fn introduced(
    address: Option<SocketAddr>,
    header: Header,
    entrance: Entrance,
    trusted: &Networks,
) -> Peer {
    let Header { ends, told } = header;
    let port = ends.map_or(0, |ends| ends.destination.port());
    let entrance = Entrance {
        scheme: if told.is_by_tls() {
            Scheme::Https
        } else {
            entrance.scheme
        },
        port: Some(port).filter(|port| *port != 0).or(entrance.port),
    };
    let peer = match ends {
        Some(ends) => peer(Some(ends.source), entrance, trusted),
        // Load balancers say so of clients too: whose word it is, nobody knows.
        None => Peer::new(address, entrance, Trust::Untrusted),
    };
    peer.introduced_by(address, told)
        .at(ends.map(|ends| ends.destination))
}

/// The client of a request. For an untrusted peer a copy of what the connection told.
pub fn client(peer: &Peer, trusted: &Networks, headers: &HeaderMap) -> Client {
    match peer.trust() {
        Trust::Untrusted => peer.as_client(),
        Trust::Trusted => {
            let scheme = forwarded_scheme(headers).unwrap_or(peer.scheme());
            match forwarded_for(trusted, headers) {
                Some(ip) => Client::behind(ip, scheme),
                None => peer.as_client().by(scheme),
            }
        }
    }
}

fn forwarded_for(trusted: &Networks, headers: &HeaderMap) -> Option<IpAddr> {
    let mut client = None;
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for entry in entries.take(MOST_HOPS) {
        let Some(ip) = parse_hop(entry.trim_ascii()) else {
            break;
        };
        client = Some(ip);
        if !trusted.contains(ip) {
            break;
        }
    }
    client
}

/// An address, an address with a port, or an IPv6 address in brackets.
fn parse_hop(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    Some(IpAddr::V6(bare.parse().ok()?).to_canonical())
}

/// The scheme that a trusted peer names. Of a list the first: what the client itself used.
fn forwarded_scheme(headers: &HeaderMap) -> Option<Scheme> {
    let value = headers.get(X_FORWARDED_PROTO)?.to_str().ok()?;
    Scheme::parse(value.split(',').next()?.trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::proxy_protocol;

    const ENTRANCE: Entrance = Entrance {
        scheme: Scheme::Http,
        port: Some(80),
    };

    fn networks(list: &[&str]) -> Networks {
        Networks(list.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn client_of(address: Option<&str>, lines: &[&str]) -> Client {
        let trusted = networks(&["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"]);
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        let address = address.map(|text| text.parse().unwrap());
        client(&peer(address, ENTRANCE, &trusted), &trusted, &headers)
    }

    #[test]
    fn trusted_hops_are_taken_off_from_the_end() {
        let trusted = Some("10.0.0.1:5000");
        let cases: &[(Option<&str>, &[&str], Option<&str>)] = &[
            (Some("192.0.2.9:1"), &[], Some("192.0.2.9")),
            (Some("192.0.2.9:1"), &["1.2.3.4"], Some("192.0.2.9")),
            (
                Some("[::ffff:192.0.2.9]:1"),
                &["1.2.3.4"],
                Some("192.0.2.9"),
            ),
            (trusted, &[], Some("10.0.0.1")),
            (trusted, &["192.0.2.9"], Some("192.0.2.9")),
            (
                Some("[::ffff:10.0.0.1]:1"),
                &["192.0.2.9"],
                Some("192.0.2.9"),
            ),
            (trusted, &["6.6.6.6, 192.0.2.9"], Some("192.0.2.9")),
            (trusted, &["6.6.6.6, 192.0.2.9,10.0.0.2"], Some("192.0.2.9")),
            (
                trusted,
                &["6.6.6.6", "192.0.2.9", "10.0.0.2"],
                Some("192.0.2.9"),
            ),
            (trusted, &["10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
            (trusted, &["192.0.2.9:4711"], Some("192.0.2.9")),
            (trusted, &["[2001:db8::1]:4711"], Some("2001:db8::1")),
            (trusted, &["[2001:db8::1]"], Some("2001:db8::1")),
            (trusted, &["2001:db8::1"], Some("2001:db8::1")),
            (trusted, &["2001:db8::1, fd00::2"], Some("2001:db8::1")),
            (trusted, &["::ffff:192.0.2.9"], Some("192.0.2.9")),
            (trusted, &["6.6.6.6, unknown"], Some("10.0.0.1")),
            (trusted, &["6.6.6.6, unknown, 10.0.0.2"], Some("10.0.0.2")),
            (trusted, &["6.6.6.6,"], Some("10.0.0.1")),
            (trusted, &["\"192.0.2.9\""], Some("10.0.0.1")),
            (None, &["192.0.2.9"], Some("192.0.2.9")),
            (None, &[], None),
        ];
        for (address, lines, expected) in cases {
            let found = client_of(*address, lines);
            let text = found.ip().map(|ip| ip.to_string());
            assert_eq!(text.as_deref(), *expected, "{address:?} {lines:?}");
            assert_eq!(
                found.ip_value().map(HeaderValue::as_bytes),
                expected.map(str::as_bytes)
            );
        }
    }

    #[test]
    fn an_endless_list_is_read_only_so_far() {
        let list = format!("6.6.6.6{}", ", 10.0.0.2".repeat(MOST_HOPS));
        let found = client_of(Some("10.0.0.1:1"), &[&list]);
        assert_eq!(found.ip().unwrap().to_string(), "10.0.0.2");
    }

    #[test]
    fn the_scheme_is_that_of_the_client_if_a_trusted_peer_names_it() {
        let trusted = networks(&["10.0.0.0/8"]);
        let scheme = |address: &str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(value));
            let peer = peer(Some(address.parse().unwrap()), ENTRANCE, &trusted);
            client(&peer, &trusted, &headers).scheme()
        };
        assert_eq!(scheme("10.0.0.1:1", "https"), Scheme::Https);
        assert_eq!(scheme("10.0.0.1:1", "HTTPS, http"), Scheme::Https);
        assert_eq!(scheme("10.0.0.1:1", "gopher"), Scheme::Http);
        assert_eq!(scheme("192.0.2.1:1", "https"), Scheme::Http);
    }

    fn header(line: &str) -> Header {
        proxy_protocol::read(format!("PROXY {line}\r\n").as_bytes()).unwrap()
    }

    #[test]
    fn who_is_named_in_a_header_takes_the_place_of_who_is_connected() {
        let trusted = networks(&["10.0.0.0/8"]);
        let cases = [
            // A stranger behind a trusted load balancer stays one.
            (
                "TCP4 192.0.2.9 198.51.100.1 4711 443",
                "192.0.2.9:4711",
                Trust::Untrusted,
                443,
            ),
            (
                "TCP4 10.0.0.7 198.51.100.1 4711 0",
                "10.0.0.7:4711",
                Trust::Trusted,
                80,
            ),
            (
                "TCP6 ::ffff:192.0.2.9 ::1 0 80",
                "192.0.2.9:0",
                Trust::Untrusted,
                80,
            ),
            (
                "TCP6 2001:db8::1 ::1 1 8080",
                "[2001:db8::1]:1",
                Trust::Untrusted,
                8080,
            ),
            ("UNKNOWN", "10.0.0.1:5000", Trust::Untrusted, 80),
        ];
        let balancer = Some("10.0.0.1:5000".parse().unwrap());
        for (line, address, trust, port) in cases {
            let peer = introduced(balancer, header(line), ENTRANCE, &trusted);
            assert_eq!(peer.address().unwrap().to_string(), address, "{line}");
            assert_eq!(
                (peer.trust(), peer.server_port()),
                (trust, Some(port)),
                "{line}"
            );
            assert_eq!(peer.connected(), balancer, "{line}");
            assert_eq!(peer.connected_ip_value().unwrap(), "10.0.0.1");
            assert_eq!(peer.scheme(), Scheme::Http);
            let reached = peer.reached().map(|address| address.port());
            assert_eq!(reached.is_some(), line != "UNKNOWN");
        }
    }

    #[test]
    fn forwarding_fields_are_believed_of_who_is_named_alone() {
        let trusted = networks(&["10.0.0.0/8"]);
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("6.6.6.6"));
        let balancer = Some("10.0.0.1:5000".parse().unwrap());
        for (line, expected) in [
            ("TCP4 192.0.2.9 198.51.100.1 1 2", "192.0.2.9"),
            ("TCP4 10.0.0.7 198.51.100.1 1 2", "6.6.6.6"),
        ] {
            let peer = introduced(balancer, header(line), ENTRANCE, &trusted);
            let client = client(&peer, &trusted, &headers);
            assert_eq!(client.ip().unwrap().to_string(), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn a_stranger_never_speaks_for_another(line in "[0-9a-f.:, \\[\\]unkow]{0,60}") {
            let found = client_of(Some("192.0.2.9:1"), &[&line]);
            prop_assert_eq!(found.ip().unwrap().to_string(), "192.0.2.9");
        }

        #[test]
        fn what_a_stranger_wrote_before_a_trusted_hop_is_never_believed(line in "[0-9., a-z]{0,60}") {
            let list = format!("{line}, 192.0.2.9");
            let found = client_of(Some("10.0.0.1:1"), &[&list]);
            prop_assert_eq!(found.ip().unwrap().to_string(), "192.0.2.9");
        }
    }
}
