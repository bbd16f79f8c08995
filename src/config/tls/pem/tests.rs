use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params
}

/// A certificate and who issued it, both as PEM, and the key of the first.
fn issued() -> (String, String, String) {
    let mut root = named("root");
    root.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = named("shop.example.com").signed_by(&key, &root).unwrap();
    (leaf.pem(), root.pem(), key.serialize_pem())
}

#[test]
fn a_chain_leads_from_the_server_to_who_issued_it() {
    let (leaf, root, key) = issued();
    let names = |pem: String| {
        let chain = chain(pem.as_bytes()).map_err(|fault| fault.found)?;
        Ok(chain.into_iter().map(|(_, it)| it.subject).collect())
    };
    let shop = "CN=shop.example.com".to_owned();
    let expected: Result<Vec<_>, String> = Ok(vec![shop.clone(), "CN=root".to_owned()]);
    assert_eq!(names(format!("{leaf}{root}")), expected);
    assert_eq!(names(format!("{key}{leaf}")), Ok(vec![shop]));
    assert_eq!(
        names(format!("{root}{leaf}")),
        Err(
            "certificate 2 of \"CN=shop.example.com\" behind one that \"CN=root\" issued"
                .to_owned()
        )
    );
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    let (leaf, _, key) = issued();
    let found = |outcome: Result<(), PemFault>| outcome.unwrap_err().found;
    let of_chain = |text: &str| found(chain(text.as_bytes()).map(drop));
    let of_key = |text: &str| found(self::key(text.as_bytes()).map(drop));
    assert_eq!(of_chain(""), "no PEM");
    assert_eq!(of_chain("0\u{3}"), "no PEM; perhaps DER");
    assert_eq!(of_chain(&key), "no certificate");
    assert_eq!(
        of_chain("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
        "certificate 1 is none"
    );
    assert_eq!(
        of_chain(&leaf.replace("END", "FIN")),
        "a block without an end"
    );
    assert_eq!(
        of_chain(&leaf.chars().take(200).collect::<String>()),
        "a block without an end"
    );
    let csr = "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n";
    assert_eq!(of_chain(csr), "a block \"CERTIFICATE REQUEST\"");
    assert_eq!(of_key(csr), "a block \"CERTIFICATE REQUEST\"");
    assert_eq!(of_key(&leaf), "no key");
    assert_eq!(of_key(&format!("{key}{key}")), "2 keys");
    for encrypted in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nMAA=\n-----END RSA PRIVATE KEY-----\n",
    ] {
        assert_eq!(of_key(encrypted), "a key with a password");
    }
    assert_eq!(
        found(authorities(key.as_bytes()).map(drop)),
        "a block \"PRIVATE KEY\""
    );
    assert_eq!(
        found(revocations(leaf.as_bytes()).map(drop)),
        "a block \"CERTIFICATE\""
    );
}
