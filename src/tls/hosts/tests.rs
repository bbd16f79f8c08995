use rcgen::KeyPair;

use super::*;
use crate::config::tls::{CertificateFiles, Facts, Staple};

/// A certificate for `names` whose key is of this kind.
fn certificate(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> Certificate {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let hosts: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let signed = rcgen::CertificateParams::new(hosts.clone())
        .unwrap()
        .self_signed(&key)
        .unwrap();
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
