//! A listener's TLS: every file is read now, so that what is wrong with one is told with its place
//! and before anybody is served by it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderName;

use crate::config::tls::{
    CertificateFault, CertificateFiles, ClientFact, ClientFile, ClientMode, ClientRule, Hsts,
    ListenerTls, PemFault, TlsVersion, UnknownHost,
};

use super::at::At;
use super::certificates::{certificates, warn_of_authorities};
use super::context::Words;
use super::headers::certificate_header;
use super::section::Section;

/// Browsers do not take a host with a shorter time into the lists that they are shipped with.
const PRELOAD_AGE: Duration = Duration::from_hours(8760);

/// `tls` of a listener.
pub(super) fn listener_tls(at: &At<'_>, http2: bool) -> ListenerTls {
    let section = at.section();
    let certificates: Vec<_> = section
        .required("certificates")
        .map(|list| certificates(&list))
        .unwrap_or_default();
    let unknown = [
        ("default", UnknownHost::Default),
        ("refuse", UnknownHost::Refuse),
    ];
    let versions = [("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)];
    ListenerTls {
        certificates,
        unknown_host: section
            .get("unknown_host")
            .choice(&unknown)
            .unwrap_or(UnknownHost::Default),
        least_version: section
            .get("min_version")
            .choice(&versions)
            .unwrap_or(TlsVersion::V12),
        clients: clients(&section.get("client_certificates")),
        client_headers: client_headers(&section),
        http2,
        handshake_time: section.get("handshake").duration(),
        reload: section.get("reload").duration(),
        resumption: section.get("resumption").switch(),
        hsts: section.value("hsts").map(|at| hsts(&at.section())),
    }
}

fn clients(list: &At<'_>) -> Vec<ClientRule> {
    let rules: Vec<_> = list
        .items()
        .iter()
        .map(|item| {
            let section = item.section();
            (item.clone(), section.has("hosts"), client_rule(&section))
        })
        .collect();
    let mut for_all = None;
    for (at, names_hosts, rule) in &rules {
        if let Some(line) = for_all {
            at.unlike(
                "items for certain hosts before the one for all",
                Some(format!("the item in line {line} is for all hosts")),
            );
        }
        // Of one that cannot be used, only that is known.
        if rule
            .as_ref()
            .map_or(!names_hosts, |rule| rule.hosts.is_empty())
        {
            for_all = Some(at.node.place.line);
        }
    }
    rules.into_iter().filter_map(|(_, _, rule)| rule).collect()
}

fn client_rule(section: &Section<'_>) -> Option<ClientRule> {
    let by_address = "an item without hosts is for those that come by one";
    let hosts = hosts(&section.get("hosts"), by_address);
    let modes = [
        ("required", ClientMode::Required),
        ("optional", ClientMode::Optional),
    ];
    let mode = section.get("mode").choice(&modes);
    let elsewhere = section.get("elsewhere");
    let elsewhere = elsewhere.choice(&[("refuse", false), ("serve", true)]);
    let crl_at = section.value("crl");
    let crl = crl_at.as_ref().map(path);
    let at = section.required("ca")?;
    let ca = path(&at)?;
    // A path that is none was complained about.
    let crl = match crl {
        None => None,
        Some(path) => Some(path?),
    };
    // Whatever the mode is: what is wrong with a file is told as well.
    let mode_or_default = mode.unwrap_or(ClientMode::Required);
    let wanted = (hosts, mode_or_default, elsewhere.unwrap_or(false));
    let faults = match ClientRule::load(wanted, ca.clone(), crl.clone()) {
        Ok(rule) => {
            warn_of_authorities(&at, &rule.authorities);
            if let Some(at) = crl_at.filter(|_| rule.outdated().is_some()) {
                at.warn(
                    "lists that are current",
                    "the next one of an authority is due; it counts all the same",
                );
            }
            return mode.and(elsewhere).map(|_| rule);
        }
        Err(faults) => faults,
    };
    for (file, fault) in faults {
        let (at, path) = match file {
            ClientFile::Ca => (Some(&at), Some(&ca)),
            ClientFile::Crl => (crl_at.as_ref(), crl.as_ref()),
        };
        if let Some(at) = at {
            complain(at, path.map(PathBuf::as_path), &fault, file.expected());
        }
    }
    None
}

fn client_headers(section: &Section<'_>) -> Vec<(ClientFact, HeaderName)> {
    let names = section.get("client_headers").section();
    let mut headers: Vec<(ClientFact, HeaderName)> = Vec::new();
    for (key, fact) in ClientFact::ALL {
        let Some(at) = names.value(key) else { continue };
        let Some(name) = certificate_header(&at) else {
            continue;
        };
        if headers.iter().any(|(_, other)| *other == name) {
            at.unlike("a header of its own", None);
        }
        headers.push((fact, name));
    }
    if !headers.is_empty() && section.get("client_certificates").items().is_empty() {
        section.get("client_headers").warn(
            "client_certificates next to it",
            "no client is asked for a certificate",
        );
    }
    headers
}

fn hsts(section: &Section<'_>) -> Hsts {
    let hsts = Hsts {
        max_age: section.get("max_age").duration(),
        subdomains: section.get("subdomains").switch(),
        preload: section.get("preload").switch(),
    };
    if hsts.preload && (hsts.max_age < PRELOAD_AGE || !hsts.subdomains) {
        section.get("preload").warn(
            "max_age of at least 8760h and subdomains: true next to it",
            "browsers do not take the host into their lists otherwise",
        );
    }
    hsts
}

/// Hosts by name. `by_address`: what becomes of clients that come by an address.
pub(super) fn hosts(list: &At<'_>, by_address: &str) -> Vec<String> {
    let items = list.items();
    let read = |item: &At<'_>| item.parse(|text| host(text, by_address));
    items.iter().filter_map(read).collect()
}

fn host(text: &str, by_address: &str) -> Result<String, Option<String>> {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    // Labels of digits alone would pass for a name.
    if bare.unwrap_or(text).parse::<IpAddr>().is_ok() {
        return Err(Some(format!("clients name no address; {by_address}")));
    }
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_fine = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_name = name.len() <= 253 && name.split('.').all(is_fine);
    is_name.then(|| text.to_ascii_lowercase()).ok_or(None)
}

/// A file that is named here, from the folder of the configuration.
pub(super) fn path(at: &At<'_>) -> Option<PathBuf> {
    let typed = at.text()?;
    if typed.is_empty() {
        at.wrong(None);
        return None;
    }
    let joined = at.context.directory.join(typed);
    Some(std::path::absolute(&joined).unwrap_or(joined))
}

/// Complains about the file that is to blame for a certificate.
pub(super) fn complain_of(
    section: &Section<'_>,
    files: &CertificateFiles,
    wrong: &CertificateFault,
) {
    let at = section.get(wrong.file.key());
    let path = files.path(wrong.file);
    complain(&at, path, &wrong.fault, wrong.file.expected());
}

/// Complains about what a file holds.
pub(super) fn complain(at: &At<'_>, path: Option<&Path>, fault: &PemFault, expected: &str) {
    let looked_for = || {
        let is_relative = Path::new(at.plain_text()?).is_relative();
        let path = path.filter(|path| is_relative && !path.exists())?;
        Some(format!("looked for {}", path.display()))
    };
    let words = Words {
        found: format!("{}: {}", at.found(), fault.found),
        expected: expected.to_owned(),
        hint: fault.hint.map(str::to_owned).or_else(looked_for),
    };
    at.context.complain(at.node.place, &at.path, words);
}
