//! The certificates of a listener, and what is to be said of them that can be used all the same.

use std::path::Path;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;

use crate::config::tls::{Certificate, CertificateFiles, Facts, SOON_DAYS, Standing, Staple};

use super::at::At;
use super::section::Section;
use super::tls::{complain_of, hosts, path};

/// `certificates` of a listener.
pub(super) fn certificates(list: &At<'_>) -> Vec<Certificate> {
    let items = list.items();
    if items.is_empty() && list.plain_text().is_none() {
        list.unlike("at least one certificate", None);
    }
    let sections = items.iter().map(At::section);
    let read = sections.filter_map(|it| certificate(&it).map(|read| (it, read)));
    let read: Vec<_> = read.collect();
    warn_of_hidden(&read);
    read.into_iter().map(|(_, it)| it).collect()
}

fn certificate(section: &Section<'_>) -> Option<Certificate> {
    let by_address = "those that come by one get the default";
    let hosts = section.value("hosts").map(|at| hosts(&at, by_address));
    let ocsp = section.value("ocsp").and_then(|at| path(&at));
    // Both are asked for, so that both complaints are made.
    let (cert, key) = (section.required("cert"), section.required("key"));
    let (cert, key) = (path(&cert?)?, path(&key?)?);
    let files = CertificateFiles {
        cert,
        key,
        ocsp,
        hosts,
    };
    match Certificate::load(files.clone()) {
        Ok(certificate) => {
            warn_of_key(section, &files.key);
            warn_of_dates(section, &certificate);
            warn_of_names(section, &certificate);
            if let Staple::Withheld(fault) = &certificate.staple {
                let hint = format!("found {fault}; none is sent along");
                let at = section.get("ocsp");
                at.warn("a current answer about this certificate", &hint);
            }
            Some(certificate)
        }
        Err(wrong) => {
            complain_of(section, &files, &wrong);
            None
        }
    }
}

pub(super) fn warn_of_key(section: &Section<'_>, key: &Path) {
    if super::files::has_mode(key, 0o004) {
        section.get("key").warn(
            "a file that only its owner and group can read",
            "take the others' right to read it away: chmod o-r",
        );
    }
}

pub(super) fn warn_of_dates(section: &Section<'_>, certificate: &Certificate) {
    let at = section.get("cert");
    let (standing, issuer) = certificate.standing(SystemTime::now());
    let what = match issuer {
        None => "a certificate that",
        Some(_) => "a chain that",
    };
    let warn = |expected: &str, hint: &str| {
        let whose = issuer.map(|it| format!("{:?} in the chain: ", it.subject));
        let hint = whose.unwrap_or_default() + hint;
        at.warn(&format!("{what} {expected}"), &hint);
    };
    match standing {
        Standing::Good => {}
        Standing::Over => warn(
            "has not expired",
            "clients will refuse it; it is used all the same",
        ),
        Standing::Early => warn(
            "holds already",
            "clients will refuse it until then; it is used all the same",
        ),
        Standing::EndsSoon(days) => warn(
            &format!("holds for {SOON_DAYS} days more"),
            &format!("it expires in {days} days; renew it"),
        ),
    }
}

fn warn_of_names(section: &Section<'_>, certificate: &Certificate) {
    let facts = &certificate.facts;
    if !facts.has_alt_names {
        section.get("cert").warn(
            "a certificate with subjectAltName",
            "browsers refuse one that names its host in the subject alone",
        );
    }
    let named = section.value("hosts");
    for item in named.iter().flat_map(At::items) {
        let host = item.plain_text().map(str::to_ascii_lowercase);
        if host.is_some_and(|host| !facts.is_for(&host)) {
            item.warn(
                "a host that the certificate is for",
                "clients will refuse it there",
            );
        }
    }
}

/// Warns of certificates that no client gets, since another one is in their place.
fn warn_of_hidden(all: &[(Section<'_>, Certificate)]) {
    let now = SystemTime::now();
    for (place, (section, certificate)) in all.iter().enumerate() {
        let mut before = all.iter().take(place);
        // Who asks for no host gets the default or one that stands in for it.
        let default = all.first().map(|(_, first)| first);
        let stands_in = |it: &Certificate| default.is_some_and(|first| it.has_hosts_of(first));
        let hides = |(_, it): &&(Section<'_>, Certificate)| {
            it.hides(certificate, now) && (stands_in(it) || !stands_in(certificate))
        };
        if let Some((first, _)) = before.find(hides) {
            let line = first.at.node.place.line;
            section.get("cert").warn(
                "a certificate that some client gets",
                &format!("the one in line {line} has all its hosts and the same kind of key"),
            );
        }
    }
}

/// Warns of certificates that issue none: whoever is to be known by them is refused.
pub(super) fn warn_of_authorities(at: &At<'_>, all: &[CertificateDer<'_>]) {
    let facts = all.iter().filter_map(|der| Facts::read(der));
    for facts in facts.filter(|it| !it.is_authority && !it.is_self_issued()) {
        at.warn(
            "certificates of authorities",
            &format!(
                "{:?} may issue none; the one that issued it is {:?}",
                facts.subject, facts.issuer
            ),
        );
    }
}
