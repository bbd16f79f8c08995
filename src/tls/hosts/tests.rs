use rcgen::KeyPair;

use super::*;
use crate::config::tls::{CertificateFiles, Facts, Staple};

/// A certificate for `names` whose key is of this kind.
fn certificate(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> Certificate {
    certificate_until(names, algorithm, 2090)
}

/// The same, which holds until the beginning of a year.
fn certificate_until(
    names: &[&str],
    algorithm: &'static rcgen::SignatureAlgorithm,
    year: i32,
) -> Certificate {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let hosts: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(hosts.clone()).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let signed = params.self_signed(&key).unwrap();
    let der = signed.der().clone();
    let facts = Facts::read(&der).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let ready = Arc::new(CertifiedKey::from_der(vec![der], key, &provider).unwrap());
    let files = CertificateFiles {
        cert: "cert".into(),
        key: "key".into(),
        ocsp: None,
        hosts: None,
    };
    Certificate {
        staple: Staple::None,
        files,
        hosts,
        facts,
        issuers: Vec::new(),
        ready,
    }
}

const ANY: [SignatureScheme; 2] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::RSA_PSS_SHA256,
];

#[test]
fn a_client_gets_the_certificate_of_the_host_it_asks_for() {
    let ecdsa = &rcgen::PKCS_ECDSA_P256_SHA256;
    let all = [
        certificate(&["default.example"], ecdsa),
        certificate(&["*.example.com"], ecdsa),
        certificate(&["shop.example.com"], ecdsa),
    ];
    let of = |unknown, host| {
        let hosts = Hosts::new(&all, unknown);
        let found = hosts.choose(host, &ANY)?;
        all.iter().position(|it| Arc::ptr_eq(&it.ready, &found))
    };
    for (host, by_default, refusing) in [
        (Some("shop.example.com"), Some(2), Some(2)),
        (Some("SHOP.example.COM"), Some(2), Some(2)),
        (Some("other.example.com"), Some(1), Some(1)),
        (Some("a.b.example.com"), Some(0), None),
        (Some("example.com"), Some(0), None),
        (Some("default.example"), Some(0), Some(0)),
        (Some("nobody"), Some(0), None),
        (Some(""), Some(0), None),
        (None, Some(0), None),
    ] {
        assert_eq!(of(UnknownHost::Default, host), by_default, "{host:?}");
        assert_eq!(of(UnknownHost::Refuse, host), refusing, "{host:?}");
    }
}

#[test]
fn of_two_kinds_of_keys_a_client_gets_the_cheaper_one_that_it_knows() {
    let rsa = certificate(&["shop.example"], &rcgen::PKCS_RSA_SHA256);
    let ecdsa = certificate(&["shop.example"], &rcgen::PKCS_ECDSA_P256_SHA256);
    let (rsa_ready, ecdsa_ready) = (Arc::clone(&rsa.ready), Arc::clone(&ecdsa.ready));
    let hosts = Hosts::new(&[rsa, ecdsa], UnknownHost::Default);
    for host in [Some("shop.example"), None] {
        let chosen = |schemes: &[SignatureScheme]| hosts.choose(host, schemes).unwrap();
        assert!(Arc::ptr_eq(&chosen(&ANY), &ecdsa_ready));
        assert!(Arc::ptr_eq(
            &chosen(&[SignatureScheme::RSA_PSS_SHA256]),
            &rsa_ready
        ));
        assert!(Arc::ptr_eq(
            &chosen(&[SignatureScheme::ED25519]),
            &ecdsa_ready
        ));
    }
}

const ONLY_RSA: [SignatureScheme; 1] = [SignatureScheme::RSA_PSS_SHA256];
const ECDSA: &rcgen::SignatureAlgorithm = &rcgen::PKCS_ECDSA_P256_SHA256;
const RSA: &rcgen::SignatureAlgorithm = &rcgen::PKCS_RSA_SHA256;

#[test]
fn the_order_of_names_makes_no_difference_to_who_stands_in_for_the_default() {
    let ecdsa = certificate(&["a.example", "b.example"], ECDSA);
    let rsa = certificate(&["b.example", "a.example", "b.example"], RSA);
    let other = certificate(&["a.example"], RSA);
    let all = [ecdsa, other, rsa];
    let hosts = Hosts::new(&all, UnknownHost::Default);
    let chosen = hosts.choose(None, &ONLY_RSA).unwrap();
    assert!(Arc::ptr_eq(&chosen, &all[2].ready));
}

#[test]
fn a_name_whose_keys_the_client_does_not_know_leaves_the_way_to_a_star_and_the_default() {
    let all = [
        certificate(&["default.example"], RSA),
        certificate(&["shop.example.com"], ECDSA),
        certificate(&["*.example.com"], RSA),
        certificate(&["shop.other.com"], ECDSA),
    ];
    for (host, unknown, expected) in [
        ("shop.example.com", UnknownHost::Default, 2),
        ("shop.example.com", UnknownHost::Refuse, 2),
        ("shop.other.com", UnknownHost::Default, 0),
        // None fits: the handshake says why.
        ("shop.other.com", UnknownHost::Refuse, 3),
    ] {
        let hosts = Hosts::new(&all, unknown);
        assert!(hosts.serves(Some(host)));
        let chosen = hosts.choose(Some(host), &ONLY_RSA).unwrap();
        assert!(Arc::ptr_eq(&chosen, &all[expected].ready), "{host}");
        let chosen = hosts.choose(Some(host), &ANY).unwrap();
        assert!(!Arc::ptr_eq(&chosen, &all[2].ready), "{host}");
    }
}

#[test]
fn of_two_certificates_for_a_host_the_one_that_holds_is_shown() {
    let all = [
        certificate_until(&["shop.example"], ECDSA, 2001),
        certificate_until(&["shop.example"], ECDSA, 2090),
        certificate_until(&["shop.example"], ECDSA, 2091),
    ];
    let hosts = Hosts::new(&all, UnknownHost::Default);
    for host in [Some("shop.example"), None] {
        let chosen = hosts.choose(host, &ANY).unwrap();
        assert!(Arc::ptr_eq(&chosen, &all[1].ready));
    }
}
