//! What is said of certificates that can be used and will not serve as they are meant to.

use cattail::config;

use super::harness::*;

const HOST: &str = "shop.example";

/// The warnings of a file, each by its key and what was expected.
fn warnings(text: &str) -> Vec<(String, String, String)> {
    let config = config::load_text("x.yaml", text, &|_| None).unwrap();
    let warnings = config.warnings().iter().cloned();
    let parts = |it: config::Problem| (it.path, it.expected, it.hint.unwrap_or_default());
    warnings.map(parts).collect()
}

fn rest() -> &'static str {
    "rules: [{ respond: { body: hello } }]\n"
}

#[test]
fn a_certificate_that_no_client_gets_is_told() {
    let ca = Authority::new("ca");
    let ecdsa = &rcgen::PKCS_ECDSA_P256_SHA256;
    let both = ca.issue_to("both", (&[HOST, "www.shop.example"], ecdsa), |_| {});
    let one = ca.issue_to("one", (&[HOST], ecdsa), |_| {});
    let rsa = ca.issue_to("rsa", (&[HOST], &rcgen::PKCS_RSA_SHA256), |_| {});
    let other = ca.issue(&["other.example"]);
    let over = ca.issue_to("over", (&[HOST, "www.shop.example"], ecdsa), |it| {
        it.not_before = rcgen::date_time_ymd(2020, 1, 1);
        it.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let told = |all: &[&Issued]| warnings(&(Issued::listener(all, "") + rest()));
    let hidden = [(
        "listeners[0].tls.certificates[1].cert".to_owned(),
        "a certificate that some client gets".to_owned(),
        "the one in line 1 has all its hosts and the same kind of key".to_owned(),
    )];
    assert_eq!(told(&[&both, &one]), hidden);
    assert_eq!(told(&[&both, &both]), hidden);
    let told_of_none = told(&[&one, &both, &rsa, &other]);
    assert!(told_of_none.is_empty(), "{told_of_none:?}");
    // Who asks for no host gets the first one, or that for the same hosts with another kind of key.
    let told_of_none = told(&[&rsa, &both, &one]);
    assert!(told_of_none.is_empty(), "{told_of_none:?}");
    // One that has expired stands back.
    let expected: Vec<_> = told(&[&over, &one]).into_iter().map(|it| it.1).collect();
    assert_eq!(expected, ["a certificate that has not expired"]);
}

#[test]
fn names_that_clients_will_miss_are_told() {
    let ca = Authority::new("ca");
    let ecdsa = &rcgen::PKCS_ECDSA_P256_SHA256;
    let old = ca.issue_to("old", (&[HOST], ecdsa), |it| {
        it.subject_alt_names.clear();
    });
    let hosts = ", hosts: [SHOP.example, www.shop.example, '*.shop.example'] }";
    let item = old.item().replace(" }", hosts);
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0', tls: {{ certificates: [{item}] }} }}]\n{}",
        rest()
    );
    let told: Vec<_> = warnings(&text).into_iter().map(|it| (it.0, it.1)).collect();
    let item = "listeners[0].tls.certificates[0]";
    let told_of = |key: &str, expected: &str| (format!("{item}.{key}"), expected.to_owned());
    assert_eq!(
        told,
        [
            told_of("cert", "a certificate with subjectAltName"),
            told_of("hosts[1]", "a host that the certificate is for"),
            told_of("hosts[2]", "a host that the certificate is for"),
        ]
    );
}

#[test]
fn authorities_that_are_none_are_told() {
    let ca = Authority::new("ca");
    let (shop, anna) = (ca.issue(&[HOST]), ca.issue(&["anna"]));
    let expected = "certificates of authorities";
    let hint = "\"CN=anna\" may issue none; the one that issued it is \"CN=ca\"";
    let told = |file: &std::path::Path| {
        let file = file.display();
        let rules = format!(", client_certificates: [{{ ca: '{file}' }}]");
        let cluster = format!(
            "clusters: {{ a: {{ tls: {{ ca: '{file}' }}, backends: ['127.0.0.1:1'] }} }}\n"
        );
        warnings(&(Issued::listener(&[&shop], &rules) + &cluster))
    };
    let told_at = |path: &str| (path.to_owned(), expected.to_owned(), hint.to_owned());
    assert_eq!(
        told(&anna.cert),
        [
            told_at("listeners[0].tls.client_certificates[0].ca"),
            told_at("clusters.a.tls.ca"),
        ]
    );
    assert!(told(&ca.file()).is_empty());
}
