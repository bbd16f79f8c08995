use super::*;

/// An element; all of it is shorter than 64 KiB.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

fn facts() -> Facts {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["shop.example".to_owned()]).unwrap();
    params.serial_number = Some(rcgen::SerialNumber::from(4711_u64));
    Facts::read(params.self_signed(&key).unwrap().der()).unwrap()
}

const SERIAL: &[u8] = &[0x12, 0x67];

fn response(hash: (&[u8], &'static Algorithm), serial: &[u8], status: u8, until: &str) -> Vec<u8> {
    let issuer = digest(hash.1, &facts().issuer_as_encoded());
    let id = [
        element(SEQUENCE, &element(OID, hash.0)),
        element(OCTET_STRING, issuer.as_ref()),
        element(OCTET_STRING, b"key"),
        element(INTEGER, serial),
    ];
    let mut parts = vec![
        element(SEQUENCE, &id.concat()),
        element(status, b""),
        element(0x18, b"20240101000000Z"),
    ];
    if !until.is_empty() {
        parts.push(element(CONTEXT_0, &element(0x18, until.as_bytes())));
    }
    element(SEQUENCE, &parts.concat())
}

fn answer(responses: &[Vec<u8>]) -> Vec<u8> {
    let data = [
        element(0xa2, b"responder"),
        element(0x18, b"20240101000000Z"),
        element(SEQUENCE, &responses.concat()),
    ];
    let basic = element(SEQUENCE, &element(SEQUENCE, &data.concat()));
    let bytes = [element(OID, b"basic"), element(OCTET_STRING, &basic)].concat();
    let bytes = element(CONTEXT_0, &element(SEQUENCE, &bytes));
    element(SEQUENCE, &[element(ENUMERATED, &[0]), bytes].concat())
}

const BY_1: (&[u8], &Algorithm) = (SHA1_OID, &SHA1_FOR_LEGACY_USE_ONLY);
const BY_256: (&[u8], &Algorithm) = (SHA256_OID, &SHA256);
/// The first second of 2025.
const UNTIL: &str = "20250101000000Z";
const END: i64 = 1_735_689_600;

#[test]
fn an_answer_is_good_that_is_about_the_certificate_and_holds() {
    let other = response(BY_1, &[1], GOOD, UNTIL);
    let no_issuer = (SHA1_OID, &SHA256);
    let unknown: (&[u8], &Algorithm) = (&[1, 2, 3], &SHA256);
    let revoked = 0xa1;
    for (number, (responses, expected)) in (1..).zip([
        (vec![response(BY_1, SERIAL, GOOD, UNTIL)], Ok(Some(END))),
        (vec![response(BY_256, SERIAL, GOOD, UNTIL)], Ok(Some(END))),
        (vec![response(unknown, SERIAL, GOOD, "")], Ok(None)),
        (
            vec![other.clone(), response(BY_1, SERIAL, GOOD, UNTIL)],
            Ok(Some(END)),
        ),
        (vec![other], Err(StapleFault::Other)),
        (
            vec![response(no_issuer, SERIAL, GOOD, UNTIL)],
            Err(StapleFault::Other),
        ),
        (vec![], Err(StapleFault::Other)),
        (
            vec![response(BY_1, SERIAL, revoked, UNTIL)],
            Err(StapleFault::NotGood),
        ),
        (
            vec![response(BY_1, SERIAL, GOOD, "20241231235958Z")],
            Err(StapleFault::Over),
        ),
        (
            vec![response(BY_1, SERIAL, GOOD, "soon")],
            Err(StapleFault::Malformed),
        ),
    ]) {
        let judged = judge(&answer(&responses), &facts(), END - 1);
        assert_eq!(judged, expected, "case {number}");
    }
}

#[test]
fn an_answer_counts_from_its_time_on_or_a_little_before() {
    let answer = answer(&[response(BY_1, SERIAL, GOOD, UNTIL)]);
    // The first second of 2024, as all answers here say.
    let since = 1_704_067_200;
    for (now, expected) in [
        (0, Err(StapleFault::Early)),
        (since - AHEAD - 1, Err(StapleFault::Early)),
        (since - AHEAD, Ok(Some(END))),
        (since, Ok(Some(END))),
    ] {
        assert_eq!(judge(&answer, &facts(), now), expected, "{now}");
    }
}

#[test]
fn what_the_responder_has_not_said_is_no_answer() {
    for (bytes, expected) in [
        (&b"\x30\x03\x0a\x01\x03"[..], StapleFault::Unsuccessful),
        (b"\x30\x03\x0a\x01\x00", StapleFault::Malformed),
        (b"\x30\x00", StapleFault::Malformed),
        (b"", StapleFault::Malformed),
    ] {
        assert_eq!(judge(bytes, &facts(), 0), Err(expected));
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_can_do_harm(
        at in 0_usize..200,
        byte in proptest::prelude::any::<u8>(),
        cut in 0_usize..300,
    ) {
        let mut bytes = answer(&[response(BY_1, SERIAL, GOOD, UNTIL)]);
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(cut);
        let _judged = judge(&bytes, &facts(), 0);
    }
}
