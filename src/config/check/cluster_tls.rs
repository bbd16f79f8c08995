//! TLS to a cluster's backends.

use std::sync::Arc;

use crate::config::tls::{
    AUTHORITIES, Certificate, CertificateFiles, ClusterFiles, ClusterTls, TlsVersion, Trust,
    authorities, read,
};

use super::at::At;
use super::backends::Typed;
use super::certificates::{warn_of_authorities, warn_of_dates, warn_of_key};
use super::section::Section;
use super::tls::{complain, complain_of, path};

/// `tls` of a cluster.
pub(super) fn cluster_tls(
    at: &At<'_>,
    backends: &[Typed<'_>],
    http2: bool,
) -> Option<Arc<ClusterTls>> {
    let section = at.section();
    let versions = [("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)];
    let name = section.value("name").and_then(|at| {
        at.parse(|text| {
            let is_name = rustls::pki_types::ServerName::try_from(text).is_ok();
            is_name.then(|| text.to_owned()).ok_or(None)
        })
    });
    let trust = trust(&section);
    let own = own(&section);
    let least_version = section.get("min_version").choice(&versions)?;
    let is_named = name.is_some() || section.has("name");
    let reload = section.get("reload").duration();
    let files = ClusterFiles {
        trust: trust?,
        own: own.ok()?,
    };
    let trusts_anybody = files.trust == Trust::Anybody;
    let mut made = ClusterTls::new(files, name, least_version, http2)
        .map_err(|why| at.unlike("authorities to verify backends by", Some(why)))
        .ok()?;
    made.reload = reload;
    let nameless =
        |typed: &&Typed<'_>| !is_named && !trusts_anybody && typed.backend.address.is_unix();
    for typed in backends.iter().filter(nameless) {
        typed.named_by().unlike(
            "a backend whose certificate can be verified",
            Some("a socket has no host name: say tls.name".to_owned()),
        );
    }
    for typed in backends {
        if made.name_of(&typed.backend.address).is_none() {
            typed.named_by().unlike(
                "a host name that a certificate can have",
                Some("or say tls.name".to_owned()),
            );
        }
    }
    Some(Arc::new(made))
}

fn trust(section: &Section<'_>) -> Option<Trust> {
    let insecure = section.get("insecure");
    if insecure.switch() {
        insecure.warn(
            "false, and the authorities in ca",
            "any certificate is accepted: whoever stands between reads and changes everything",
        );
        if section.has("ca") {
            section
                .get("ca")
                .warn("insecure: false", "nothing is verified");
        }
        return Some(Trust::Anybody);
    }
    let Some(at) = section.value("ca") else {
        return Some(Trust::system());
    };
    authorities_in(&at)
}

/// The authorities in the file that is named here.
pub(super) fn authorities_in(at: &At<'_>) -> Option<Trust> {
    let file = path(at)?;
    match read(&file).and_then(|content| authorities(&content)) {
        Ok(authorities) => {
            warn_of_authorities(at, &authorities);
            Some(Trust::File(file, authorities))
        }
        Err(fault) => {
            complain(at, Some(&file), &fault, AUTHORITIES);
            None
        }
    }
}

/// It was complained about.
struct Wrong;

/// What we show.
fn own(section: &Section<'_>) -> Result<Option<Certificate>, Wrong> {
    let (cert, key) = (section.value("cert"), section.value("key"));
    let (cert, key) = match (cert, key) {
        (None, None) => return Ok(None),
        (Some(cert), Some(key)) => {
            let paths = path(&cert).zip(path(&key));
            paths.ok_or(Wrong)?
        }
        (Some(at), None) => {
            at.unlike("key next to it", None);
            return Err(Wrong);
        }
        (None, Some(at)) => {
            at.unlike("cert next to it", None);
            return Err(Wrong);
        }
    };
    let files = CertificateFiles {
        cert,
        key,
        ocsp: None,
        hosts: None,
    };
    match Certificate::load(files.clone()) {
        Ok(own) => {
            warn_of_key(section, &files.key);
            warn_of_dates(section, &own);
            Ok(Some(own))
        }
        Err(wrong) => {
            complain_of(section, &files, &wrong);
            Err(Wrong)
        }
    }
}
