//! Answers of OCSP responders. Nobody signs them: the proxy does not look, and no client here does.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::secure::Issued;

const SEQUENCE: u8 = 0x30;
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];

/// That this certificate is good, until a time such as `20900101000000Z`.
pub(crate) fn staple(issued: &Issued, until: &str) -> Vec<u8> {
    staple_since(issued, "20240101000000Z", until)
}

/// The same, from some time on.
pub(crate) fn staple_since(issued: &Issued, since: &str, until: &str) -> Vec<u8> {
    let (serial, authority) = named(&issued.chain[0]);
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, authority);
    let id = [
        element(SEQUENCE, &element(0x06, SHA1)),
        element(0x04, hash.as_ref()),
        element(0x04, b"key"),
        element(0x02, serial),
    ];
    let response = [
        element(SEQUENCE, &id.concat()),
        vec![0x80, 0],
        element(0x18, since.as_bytes()),
        element(0xa0, &element(0x18, until.as_bytes())),
    ];
    let data = [
        element(0xa2, b"responder"),
        element(0x18, b"20240101000000Z"),
        element(SEQUENCE, &element(SEQUENCE, &response.concat())),
    ];
    let basic = element(SEQUENCE, &element(SEQUENCE, &data.concat()));
    let bytes = [element(0x06, b"basic"), element(0x04, &basic)].concat();
    let bytes = element(0xa0, &element(SEQUENCE, &bytes));
    element(SEQUENCE, &[element(0x0a, &[0]), bytes].concat())
}

/// Shorter than 64 KiB.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

/// The serial number of a certificate, and its issuer's name as encoded.
fn named(der: &[u8]) -> (&[u8], &[u8]) {
    let (_, certificate, _) = split(der);
    let (_, body, _) = split(certificate);
    let (_, _version, rest) = split(body);
    let (_, serial, rest) = split(rest);
    let (_, _algorithm, rest) = split(rest);
    let (issuer, _, _) = split(rest);
    (serial, issuer)
}

/// The first element: whole, what is in it, and what follows.
fn split(der: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (head, length) = match der[1] {
        short @ ..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        other => panic!("a length of {other:#x}"),
    };
    let (whole, rest) = der.split_at(head + length);
    (whole, &whole[head..], rest)
}
