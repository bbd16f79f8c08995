use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

/// A header of version 2.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap();
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(length.to_be_bytes());
    header.extend(block);
    header
}

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [&[kind], &length.to_be_bytes()[..], value].concat()
}

const ENDS_V4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb];

/// What is read of bytes that hold a header alone, as a socket would be read.
fn whole(bytes: &[u8]) -> Result<Header, Broken> {
    match frame(bytes)? {
        Frame::Ends(end) if end == bytes.len() => read(bytes),
        Frame::Ends(end) => panic!("ends at {end} of {}", bytes.len()),
        Frame::Open => panic!("open: {bytes:?}"),
    }
}

fn shown(header: &Result<Header, Broken>) -> String {
    match header {
        Ok(Header { ends: None, .. }) => "itself".to_owned(),
        Ok(Header {
            ends: Some(ends), ..
        }) => format!("{} at {}", ends.source, ends.destination),
        Err(broken) => format!("{broken:?}"),
    }
}

#[test]
fn lines_of_version_1() {
    let cases = [
        (
            "TCP4 192.0.2.1 198.51.100.1 4711 443",
            "192.0.2.1:4711 at 198.51.100.1:443",
        ),
        (
            "TCP4 0.0.0.0 255.255.255.255 0 65535",
            "0.0.0.0:0 at 255.255.255.255:65535",
        ),
        (
            "TCP6 2001:db8::1 ::1 4711 443",
            "[2001:db8::1]:4711 at [::1]:443",
        ),
        (
            "TCP6 ::ffff:192.0.2.1 ::1 1 2",
            "[::ffff:192.0.2.1]:1 at [::1]:2",
        ),
        (
            "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 at [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
        ),
        ("UNKNOWN", "itself"),
        ("UNKNOWN \0 what\rever it is", "itself"),
        ("UNKNOWNS", "Addresses"),
        ("", "Addresses"),
        ("TCP4", "Addresses"),
        ("TCP5 192.0.2.1 198.51.100.1 1 2", "Addresses"),
        ("UDP4 192.0.2.1 198.51.100.1 1 2", "Addresses"),
        ("tcp4 192.0.2.1 198.51.100.1 1 2", "Addresses"),
        ("TCP4 ::1 ::1 1 2", "Addresses"),
        ("TCP6 192.0.2.1 198.51.100.1 1 2", "Addresses"),
        ("TCP4 192.0.2.1 198.51.100.1 1", "Addresses"),
        ("TCP4 192.0.2.1 198.51.100.1 1 2 ", "Addresses"),
        ("TCP4 192.0.2.1 198.51.100.1 1 2 3", "Addresses"),
        ("TCP4  192.0.2.1 198.51.100.1 1 2", "Addresses"),
        ("TCP4\t192.0.2.1 198.51.100.1 1 2", "Addresses"),
        ("TCP4 192.0.2.01 198.51.100.1 1 2", "Addresses"),
        ("TCP4 192.0.2 198.51.100.1 1 2", "Addresses"),
        ("TCP4 192.0.2.256 198.51.100.1 1 2", "Addresses"),
        ("TCP4 192.0.2.1 198.51.100.1 65536 2", "Addresses"),
        ("TCP4 192.0.2.1 198.51.100.1 01 2", "Addresses"),
        ("TCP4 192.0.2.1 198.51.100.1 +1 2", "Addresses"),
        ("TCP4 192.0.2.1 198.51.100.1 -1 2", "Addresses"),
        ("TCP4 192.0.2.1 198.51.100.1 a 2", "Addresses"),
        ("TCP6 fe80::1%eth0 ::1 1 2", "Addresses"),
        ("TCP6 [::1] ::1 1 2", "Addresses"),
        ("TCP4 192.0.2.1 198.51.100.1 1 2\r", "Addresses"),
    ];
    for (line, expected) in cases {
        let line = format!("PROXY {line}\r\n");
        assert_eq!(shown(&whole(line.as_bytes())), expected, "{line:?}");
    }
}

#[test]
fn a_line_has_at_most_107_bytes_and_its_own_end() {
    let line = |length: usize| format!("PROXY UNKNOWN {}", " ".repeat(length - 16)) + "\r\n";
    assert_eq!(frame(line(107).as_bytes()), Ok(Frame::Ends(107)));
    assert_eq!(frame(line(108).as_bytes()), Err(Broken::TooLong));
    assert_eq!(frame(&line(108).as_bytes()[..106]), Ok(Frame::Open));
    assert_eq!(frame(b"PROXY TCP4 1.2.3.4\n"), Err(Broken::Addresses));
    assert_eq!(
        frame(b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n"),
        Ok(Frame::Ends(15))
    );
}

#[test]
fn what_is_no_header_is_known_by_its_first_byte_that_differs() {
    for (begun, expected) in [
        (&b""[..], Ok(Frame::Open)),
        (b"P", Ok(Frame::Open)),
        (b"PROXY", Ok(Frame::Open)),
        (b"\r", Ok(Frame::Open)),
        (b"\r\n\r\n\0\r\nQUIT\n", Ok(Frame::Open)),
        (b"G", Err(Broken::Signature)),
        (b"POST / HTTP/1.1\r\n\r\n", Err(Broken::Signature)),
        (b"PROXY\r\n", Err(Broken::Signature)),
        (b"proxy ", Err(Broken::Signature)),
        (b" PROXY ", Err(Broken::Signature)),
        (b"\r\n\r\n\r\n", Err(Broken::Signature)),
        (b"\r\n\r\n\0\r\nQUIT\r", Err(Broken::Signature)),
        (b"\x16\x03\x01", Err(Broken::Signature)),
    ] {
        assert_eq!(frame(begun), expected, "{begun:?}");
    }
}

#[test]
fn blocks_of_version_2() {
    let v6 = [
        &[0x20, 1, 0xd, 0xb8][..],
        &[0; 11],
        &[1],
        &[0; 15],
        &[1],
        &[0, 0, 0, 80],
    ]
    .concat();
    let unix = [b"/run/sock".as_slice(), &[0; 207]].concat();
    let cases: &[(u8, u8, &[u8], &str)] = &[
        (0x21, 0x11, ENDS_V4, "192.0.2.1:4711 at 198.51.100.1:443"),
        (0x21, 0x12, ENDS_V4, "192.0.2.1:4711 at 198.51.100.1:443"),
        (0x21, 0x10, ENDS_V4, "192.0.2.1:4711 at 198.51.100.1:443"),
        (0x21, 0x21, &v6, "[2001:db8::1]:0 at [::1]:80"),
        (0x21, 0x31, &unix, "itself"),
        (0x21, 0x00, &[], "itself"),
        (0x21, 0x00, &field(0x04, b"x"), "itself"),
        // Of a connection of its own all is to be passed over.
        (0x20, 0x00, &[], "itself"),
        (0x20, 0x11, ENDS_V4, "itself"),
        (0x20, 0xff, b"anything", "itself"),
        (0x21, 0x11, &ENDS_V4[..11], "Addresses"),
        (0x21, 0x11, &[], "Addresses"),
        (0x21, 0x21, ENDS_V4, "Addresses"),
        (0x21, 0x31, &unix[1..], "Addresses"),
        (0x21, 0x41, ENDS_V4, "Family"),
        (0x21, 0xf1, ENDS_V4, "Family"),
        (0x21, 0x13, ENDS_V4, "Family"),
        (0x22, 0x11, ENDS_V4, "Command"),
        (0x2f, 0x11, ENDS_V4, "Command"),
        (0x11, 0x11, ENDS_V4, "Version"),
        (0x31, 0x11, ENDS_V4, "Version"),
        (0x01, 0x11, ENDS_V4, "Version"),
    ];
    for (command, family, block, expected) in cases {
        let header = v2(*command, *family, block);
        assert_eq!(
            shown(&whole(&header)),
            *expected,
            "{command:x} {family:x} {block:?}"
        );
    }
}

#[test]
fn a_block_has_at_most_4_kib() {
    let filled = |length: usize| [ENDS_V4, &field(0x04, &vec![0; length - 15])].concat();
    let most = v2(0x21, 0x11, &filled(4096));
    assert_eq!(most.len(), MOST_V2);
    assert_eq!(shown(&whole(&most)), "192.0.2.1:4711 at 198.51.100.1:443");
    assert_eq!(
        frame(&v2(0x21, 0x11, &filled(4097))[..16]),
        Err(Broken::TooLong)
    );
    assert_eq!(
        frame(&v2(0x20, 0x00, &[0; 4097])[..16]),
        Err(Broken::TooLong)
    );
}

/// With a checksum in place of the one that is said to be at the end.
fn summed(fields: &[u8]) -> Vec<u8> {
    let mut header = v2(0x21, 0x11, &[ENDS_V4, fields, &field(3, &[0; 4])].concat());
    let sum = crc32c::of(header.iter().copied());
    let at = header.len() - 4;
    header[at..].copy_from_slice(&sum.to_be_bytes());
    header
}

#[test]
fn fields_are_told_as_they_came() {
    let inner = [
        field(0x21, b"TLSv1.3"),
        field(0x22, b"ann \"a\"\n"),
        field(0x23, b"AES"),
    ]
    .concat();
    let fields = [
        field(0x01, b"h2"),
        field(0x02, b"shop.example"),
        field(0x05, b"id-1"),
        field(0x20, &[&[7, 0, 0, 0, 0], &inner[..]].concat()),
        field(0xea, b"\x01vpce-08d2bf15fac5001c9"),
        field(0xe0, b"of others"),
    ];
    let header = whole(&summed(&fields.concat())).unwrap();
    let facts = Fact::ALL.map(|fact| header.told.get(fact).unwrap());
    let expected: [&[u8]; 7] = [
        b"h2",
        b"shop.example",
        b"id-1",
        b"TLSv1.3",
        b"AES",
        b"ann \"a\"\n",
        b"vpce-08d2bf15fac5001c9",
    ];
    assert_eq!(facts, expected);
    assert!(header.told.is_by_tls());
    let none = whole(&v2(0x21, 0x11, ENDS_V4)).unwrap();
    assert!(Fact::ALL.iter().all(|fact| none.told.get(*fact).is_none()));
    assert!(!none.told.is_by_tls());
}

#[test]
fn tls_is_what_the_flag_says() {
    for (flags, expected) in [(0, false), (1, true), (2, false), (7, true)] {
        let fields = field(0x20, &[flags, 0, 0, 0, 0]);
        let header = whole(&v2(0x21, 0x00, &fields)).unwrap();
        assert_eq!(header.told.is_by_tls(), expected, "{flags}");
        assert_eq!(header.told.get(Fact::TlsCn), None);
    }
}

#[test]
fn fields_must_end_where_the_header_does() {
    let cases: &[(&[u8], Option<Broken>)] = &[
        (&[], None),
        (&[1, 0, 0], None),
        (&[1], Some(Broken::Fields)),
        (&[1, 0], Some(Broken::Fields)),
        (&[1, 0, 1], Some(Broken::Fields)),
        (&[1, 0, 2, 0], Some(Broken::Fields)),
        (&[1, 0xff, 0xff, 0], Some(Broken::Fields)),
        (&[1, 0, 0, 9], Some(Broken::Fields)),
        // Of TLS: too short, and fields of its own that go too far.
        (&[0x20, 0, 4, 1, 0, 0, 0], Some(Broken::Fields)),
        (&[0x20, 0, 5, 1, 0, 0, 0, 0], None),
        (
            &[0x20, 0, 8, 1, 0, 0, 0, 0, 0x21, 0, 1],
            Some(Broken::Fields),
        ),
        // Checksums: of a wrong length, and wrong.
        (&[3, 0, 3, 0, 0, 0], Some(Broken::Fields)),
        (&[3, 0, 5, 0, 0, 0, 0, 0], Some(Broken::Fields)),
        (&[3, 0, 4, 0, 0, 0, 0], Some(Broken::Checksum)),
        // Amazon's, of another kind and empty.
        (&[0xea, 0, 2, 2, 9], None),
        (&[0xea, 0, 0], None),
    ];
    for (fields, expected) in cases {
        let read = whole(&v2(0x21, 0x11, &[ENDS_V4, fields].concat()));
        assert_eq!(read.err(), *expected, "{fields:?}");
    }
    let amazon = whole(&v2(0x21, 0x11, &[ENDS_V4, &[0xea, 0, 2, 2, 9]].concat())).unwrap();
    assert_eq!(amazon.told.get(Fact::VpceId), None);
}

#[test]
fn a_checksum_is_that_of_every_byte() {
    let header = summed(&field(0x05, b"id-1"));
    assert!(whole(&header).is_ok());
    // Without its type, a checksum is none.
    let kind_of_sum = header.len() - 7;
    for at in (FIRST_THAT_MAY_DIFFER..header.len()).filter(|at| *at != kind_of_sum) {
        let mut other = header.clone();
        other[at] ^= 1;
        let outcome = if frame(&other) == Ok(Frame::Ends(other.len())) {
            read(&other)
        } else {
            continue;
        };
        assert!(outcome.is_err(), "byte {at}");
    }
}

/// Behind signature, command, family and length.
const FIRST_THAT_MAY_DIFFER: usize = 16;

#[test]
fn introductions_as_they_are_written() {
    let text = |version, who| Introduction { version, who }.header();
    let address = |text: &str| Some(text.parse().unwrap());
    let client = Who::client(address("192.0.2.1:4711"), address("198.51.100.1:443"));
    assert_eq!(
        text(Version::V1, client),
        b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n"
    );
    assert_eq!(text(Version::V2, client), v2(0x21, 0x11, ENDS_V4));
    for who in [Who::Ourselves, Who::Unknown] {
        assert_eq!(text(Version::V1, who), b"PROXY UNKNOWN\r\n");
    }
    assert_eq!(text(Version::V2, Who::Ourselves), v2(0x20, 0, &[]));
    assert_eq!(text(Version::V2, Who::Unknown), v2(0x21, 0, &[]));
}

#[test]
fn the_client_decides_on_the_family() {
    let line = |from: &str, to: Option<&str>| {
        let to = to.map(|text| text.parse().unwrap());
        let who = Who::client(Some(from.parse().unwrap()), to);
        let version = Version::V1;
        String::from_utf8(Introduction { version, who }.header()).unwrap()
    };
    let cases = [
        (
            "[::ffff:192.0.2.1]:1",
            Some("[::ffff:10.0.0.1]:80"),
            "TCP4 192.0.2.1 10.0.0.1 1 80",
        ),
        (
            "192.0.2.1:0",
            Some("[2001:db8::1]:80"),
            "TCP4 192.0.2.1 0.0.0.0 0 80",
        ),
        (
            "[2001:db8::9]:7",
            Some("10.0.0.1:80"),
            "TCP6 2001:db8::9 :: 7 80",
        ),
        ("192.0.2.1:1", None, "TCP4 192.0.2.1 0.0.0.0 1 0"),
    ];
    for (from, to, expected) in cases {
        assert_eq!(line(from, to), format!("PROXY {expected}\r\n"));
    }
    assert_eq!(Who::client(None, None), Who::Unknown);
}

fn any_address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_not_a_byte_more(
        source in any_address(),
        destination in any_address(),
        is_v2 in any::<bool>(),
        rest in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let version = if is_v2 { Version::V2 } else { Version::V1 };
        let who = Who::client(Some(source), Some(destination));
        let header = Introduction { version, who }.header();
        prop_assert!(header.len() <= MOST_V1);
        let bytes = [&header[..], &rest].concat();
        for length in 0..=bytes.len() {
            match frame(&bytes[..length]).unwrap() {
                Frame::Open => prop_assert!(length < header.len()),
                Frame::Ends(end) => prop_assert_eq!(end, header.len()),
            }
        }
        let read = read(&header).unwrap();
        prop_assert_eq!(Who::Client(read.ends.unwrap()), who);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), begin in 0..4_usize) {
        let begins: [&[u8]; 4] = [b"", b"PROXY TCP4 ", b"PROXY TCP6 ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"];
        let bytes = [begins[begin], &bytes].concat();
        if let Ok(Frame::Ends(end)) = frame(&bytes) {
            prop_assert!(end <= MOST_V2);
            if let Some(header) = bytes.get(..end)
                && let Ok(header) = read(header)
            {
                for fact in Fact::ALL {
                    prop_assert!(header.told.get(fact).is_none_or(|value| value.len() < end));
                }
            }
        }
    }

    #[test]
    fn a_verdict_on_a_beginning_never_changes(bytes in prop::collection::vec(any::<u8>(), 0..120), is_v2 in any::<bool>()) {
        let begin: &[u8] = if is_v2 { b"\r\n\r\n\0\r\nQUIT\n" } else { b"PROXY " };
        let bytes = [begin, &bytes].concat();
        let mut known = None;
        for length in 0..=bytes.len() {
            let verdict = frame(&bytes[..length]);
            if let Some(known) = known {
                prop_assert_eq!(verdict, known);
            }
            known = known.or((verdict != Ok(Frame::Open)).then_some(verdict));
        }
    }
}
