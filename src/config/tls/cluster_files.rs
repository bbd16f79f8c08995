//! The files of TLS to a cluster's backends, and their content.

use std::path::Path;

use super::again::{FromFiles, STAYS, Unusable};
use super::load::CertificateFile;
use super::pem::authorities;
use super::{Certificate, Trust, read};

/// What a file of authorities should be.
pub const AUTHORITIES: &str = "a PEM file with certificates of authorities";

/// What the files of TLS to backends hold.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterFiles {
    /// Who may have issued a backend's certificate.
    pub trust: Trust,
    /// What we show when a backend asks who we are.
    pub own: Option<Certificate>,
}

impl ClusterFiles {
    /// Whether the same is typed in both, whatever the files hold.
    pub(super) fn is_typed_alike(&self, other: &Self) -> bool {
        let own = |it: &Self| it.own.as_ref().map(|own| own.files.clone());
        let is_trust_alike = match (&self.trust, &other.trust) {
            (Trust::System(_), Trust::System(_)) | (Trust::Anybody, Trust::Anybody) => true,
            (Trust::File(one, _), Trust::File(other, _)) => one == other,
            _ => false,
        };
        is_trust_alike && own(self) == own(other)
    }
}

impl FromFiles for ClusterFiles {
    fn files(&self) -> Vec<&Path> {
        let authorities = match &self.trust {
            Trust::File(path, _) => Some(path.as_path()),
            Trust::System(_) | Trust::Anybody => None,
        };
        let own = self.own.iter();
        let own = own.flat_map(|own| [own.files.cert.as_path(), own.files.key.as_path()]);
        authorities.into_iter().chain(own).collect()
    }

    fn read_again(&self) -> (Self, Vec<Unusable>) {
        let mut now = self.clone();
        let mut unusable = Vec::new();
        if let Trust::File(path, known) = &mut now.trust {
            match read(path).and_then(|content| authorities(&content)) {
                Ok(read) => *known = read,
                Err(fault) => unusable.push(Unusable {
                    item: "ca".to_owned(),
                    path: path.clone(),
                    fault,
                    expected: AUTHORITIES,
                    then: STAYS,
                }),
            }
        }
        if let Some(own) = &mut now.own {
            unusable.extend(own.read_again(|file: CertificateFile| file.key().to_owned()));
        }
        (now, unusable)
    }

    fn shown(&self) -> Vec<(String, &Certificate)> {
        let named = |own: &'_ Certificate| {
            let name = own.hosts.first().unwrap_or(&own.facts.subject);
            name.clone()
        };
        self.own.iter().map(|own| (named(own), own)).collect()
    }

    fn other_authorities(&self, before: &Self) -> Vec<&Path> {
        match &self.trust {
            Trust::File(path, _) if self.trust != before.trust => vec![path],
            _ => Vec::new(),
        }
    }
}
