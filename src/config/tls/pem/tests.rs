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

#[test]
fn a_block_that_would_be_lost_is_told() {
    let (leaf, root, key) = issued();
    let found = |text: &str| chain(text.as_bytes()).unwrap_err().found;
    let (leaf, root) = (leaf.replace("\r\n", "\n"), root.replace("\r\n", "\n"));
    let within = "a block that begins within a line";
    let glued = format!("{}{root}", leaf.trim_end());
    let indented = format!("{leaf}{}", root.replace("-----BEGIN", "  -----BEGIN"));
    let marked = format!("{leaf}\u{feff}{root}");
    for text in [&glued, &indented, &marked] {
        assert_eq!(found(text), within, "{text}");
        assert_eq!(authorities(text.as_bytes()).unwrap_err().found, within);
        assert_eq!(self::key(text.as_bytes()).unwrap_err().found, within);
        let lists = text.replace("CERTIFICATE", "X509 CRL");
        assert_eq!(revocations(lists.as_bytes()).unwrap_err().found, within);
    }
    let keys = format!("{}{}", leaf.trim_end(), key);
    assert_eq!(self::key(keys.as_bytes()).unwrap_err().found, within);
    let endless = leaf.replace("-----END CERTIFICATE-----\n", "");
    let without_end = "a block without an end";
    assert_eq!(found(&format!("{endless}{root}")), without_end);
    let keys = format!("{endless}{key}");
    assert_eq!(self::key(keys.as_bytes()).unwrap_err().found, without_end);
}

#[test]
fn a_mark_in_front_and_old_line_ends_do_no_harm() {
    let (leaf, root, key) = issued();
    for change in [
        |text: String| format!("\u{feff}{text}"),
        |text: String| text.replace("\r\n", "\n").replace('\n', "\r"),
        |text: String| text.replace("\r\n", "\n").replace('\n', "\r\n"),
        |text: String| text.replace("\r\n", "\n").replace('\n', "  \n"),
    ] {
        let both = change(format!("{leaf}{root}"));
        assert_eq!(chain(both.as_bytes()).unwrap().len(), 2, "{both:?}");
        assert_eq!(authorities(both.as_bytes()).unwrap().len(), 2);
        assert!(self::key(change(key.clone()).as_bytes()).is_ok());
    }
}

#[test]
fn nothing_of_a_key_is_told() {
    let (_, _, key) = issued();
    let key = key.replace("\r\n", "\n");
    let secret: String = key.lines().filter(|line| !line.contains("---")).collect();
    let joined = |between: &str| key.trim_end().replace('\n', between);
    for text in [
        joined(""),
        joined(" "),
        joined("\\n"),
        joined("\t"),
        key.replacen("-----\n", "\n", 1),
        key.replacen("-----\n", "", 1),
    ] {
        let faults = [
            self::key(text.as_bytes()).unwrap_err(),
            chain(text.as_bytes()).map(drop).unwrap_err(),
            authorities(text.as_bytes()).unwrap_err(),
            revocations(text.as_bytes()).unwrap_err(),
        ];
        for fault in faults {
            assert_eq!(fault.found, "a block whose lines have been joined");
            let parts = secret.as_bytes().windows(4);
            let mut parts = parts.map(|part| std::str::from_utf8(part).unwrap());
            let told = format!("{fault:?}");
            assert!(parts.all(|part| !told.contains(part)), "{told}");
        }
    }
}

#[test]
fn keystores_are_named() {
    let found = |content: &[u8]| self::key(content).unwrap_err().found;
    for (content, expected) in [
        (
            &b"\xfe\xed\xfe\xed\0\0\0\x02"[..],
            "a keystore of Java's (JKS)",
        ),
        (b"\x30\x03\x02\x01\x03", "a keystore of Java's (PKCS#12)"),
        (
            b"\x30\x80\x02\x01\x03\x30\x80",
            "a keystore of Java's (PKCS#12)",
        ),
        (b"\x30\x03\x02\x01\x01", "no PEM; perhaps DER"),
        (b"\x30\x02\x30\x00", "no PEM; perhaps DER"),
    ] {
        assert_eq!(found(content), expected, "{content:?}");
    }
}

proptest::proptest! {
    /// Joined, glued and cut in any way: a block is read or the file is refused.
    #[test]
    fn no_block_is_lost(
        pieces in proptest::collection::vec(0_usize..9, 0..12),
    ) {
        let (leaf, root) = pems();
        let piece = |at: &usize| match at {
            0..=2 => leaf.clone(),
            3 => root.clone(),
            4 => "\n".to_owned(),
            5 => " ".to_owned(),
            6 => "# a remark\n".to_owned(),
            7 => leaf.trim_end().to_owned(),
            _ => leaf.chars().take(100).collect(),
        };
        let text: String = pieces.iter().map(piece).collect();
        let begun = text.matches("-----BEGIN ").count();
        if let Ok(read) = authorities(text.as_bytes()) {
            proptest::prop_assert_eq!(read.len(), begun, "{}", text);
        }
    }
}

/// Two certificates, made once.
fn pems() -> &'static (String, String) {
    static PEMS: std::sync::OnceLock<(String, String)> = std::sync::OnceLock::new();
    PEMS.get_or_init(|| {
        let (leaf, root, _) = issued();
        (leaf, root)
    })
}

#[test]
fn what_is_commented_out_is_no_block() {
    let (leaf, root, _) = issued();
    let retired: Vec<_> = root.lines().map(|line| format!("# {line}")).collect();
    let all = format!("{}\n{leaf}", retired.join("\n"));
    assert_eq!(chain(all.as_bytes()).unwrap().len(), 1);
    let (before, behind) = leaf.split_at(leaf.find('\n').unwrap() + 1);
    let within = format!("{before}# -----BEGIN CERTIFICATE-----\n{behind}");
    assert!(chain(within.as_bytes()).is_err());
}

#[test]
fn each_kind_of_file_is_told_how_it_is_made() {
    let hint = |fault: PemFault| fault.hint.unwrap();
    let der = &[0x30, 3][..];
    assert!(hint(revocations(der).unwrap_err()).starts_with("openssl crl"));
    assert!(hint(authorities(der).unwrap_err()).starts_with("openssl x509"));
    let pkcs12 = &[0x30, 0x80, 2, 1, 3][..];
    assert!(hint(authorities(pkcs12).unwrap_err()).contains("-nokeys"));
    assert!(hint(chain(pkcs12).unwrap_err()).contains("-nodes"));
}

#[test]
fn one_file_may_hold_all_that_haproxy_wants_in_one() {
    let (leaf, _, own) = issued();
    let parameters = "-----BEGIN DH PARAMETERS-----\nMAA=\n-----END DH PARAMETERS-----\n";
    let all = format!("{leaf}{own}{parameters}");
    assert!(chain(all.as_bytes()).is_ok() && key(all.as_bytes()).is_ok());
    let locked = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END RSA PRIVATE KEY-----\n";
    let all = format!("{leaf}{locked}");
    for fault in [
        chain(all.as_bytes()).map(drop),
        key(all.as_bytes()).map(drop),
    ] {
        assert_eq!(fault.unwrap_err().found, "a key with a password");
    }
}
