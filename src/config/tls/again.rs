//! Files of TLS, read again while they are in force: what has changed counts, what cannot be used
//! leaves in force what was read before.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::load::{CertificateFault, CertificateFile, ClientFile};
use super::{Certificate, ClientRule, ListenerTls, PemFault, Staple, StapleFault};

/// A file that cannot be used now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{item}: {}: found {}; expected {expected}; {then}", .path.display(), .fault.found)]
pub struct Unusable {
    /// The key that names it, such as `certificates[0].cert`.
    pub item: String,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: PemFault,
    /// What it should be.
    pub expected: &'static str,
    /// What follows from it.
    pub then: &'static str,
}

pub(super) const STAYS: &str = "what was read before stays in force";
const NOT_SENT: &str = "no answer is sent along";

/// What is read from files that may change while it is in force.
pub trait FromFiles: Sized {
    /// Every file that it is read from.
    fn files(&self) -> Vec<&Path>;

    /// The same with what the files hold now, and which of them cannot be used.
    fn read_again(&self) -> (Self, Vec<Unusable>);

    /// The certificates that we show, by the names that logs and metrics give them.
    fn shown(&self) -> Vec<(String, &Certificate)>;

    /// Files of authorities that hold something else than in `before`.
    fn other_authorities(&self, before: &Self) -> Vec<&Path>;

    /// Lists of revoked certificates that should have been replaced by now.
    fn outdated_lists(&self) -> Vec<&Path> {
        Vec::new()
    }

    /// Whether something that is in force holds no more, though no file has changed.
    fn has_run_out(&self) -> bool {
        let mut shown = self.shown().into_iter();
        shown.any(|(_, certificate)| certificate.staple.has_run_out())
    }
}

impl FromFiles for ListenerTls {
    fn files(&self) -> Vec<&Path> {
        let all = [
            CertificateFile::Cert,
            CertificateFile::Key,
            CertificateFile::Ocsp,
        ];
        let certificates = self.certificates.iter();
        let certificates =
            certificates.flat_map(move |it| all.into_iter().filter_map(|file| it.files.path(file)));
        let all = [ClientFile::Ca, ClientFile::Crl];
        let clients = self.clients.iter();
        let clients = clients.flat_map(move |it| all.into_iter().filter_map(|file| it.path(file)));
        certificates.chain(clients).collect()
    }

    fn read_again(&self) -> (Self, Vec<Unusable>) {
        let mut now = self.clone();
        let mut unusable = Vec::new();
        for (place, certificate) in now.certificates.iter_mut().enumerate() {
            let item = |file: CertificateFile| format!("certificates[{place}].{}", file.key());
            unusable.extend(certificate.read_again(item));
        }
        for (place, rule) in now.clients.iter_mut().enumerate() {
            match rule.read_again() {
                Ok(read) => *rule = read,
                Err(faults) => {
                    let item =
                        |file: ClientFile| format!("client_certificates[{place}].{}", file.key());
                    unusable.extend(faults.into_iter().filter_map(|(file, fault)| {
                        Some(Unusable {
                            item: item(file),
                            path: rule.path(file)?.to_owned(),
                            fault,
                            expected: file.expected(),
                            then: STAYS,
                        })
                    }));
                }
            }
        }
        (now, unusable)
    }

    fn shown(&self) -> Vec<(String, &Certificate)> {
        self.named().collect()
    }

    fn other_authorities(&self, before: &Self) -> Vec<&Path> {
        let rules = self.clients.iter().zip(&before.clients);
        let others = rules.filter(|(now, before)| now != before);
        others.map(|(now, _)| now.ca.as_path()).collect()
    }

    fn outdated_lists(&self) -> Vec<&Path> {
        self.clients
            .iter()
            .filter_map(ClientRule::outdated)
            .collect()
    }
}

impl Certificate {
    /// Takes what its files hold now; if that cannot be used, it stays what it is. `item`: the key
    /// that names a file.
    pub(super) fn read_again(
        &mut self,
        item: impl Fn(CertificateFile) -> String,
    ) -> Option<Unusable> {
        let CertificateFault { file, fault } = match Self::load(self.files.clone()) {
            Ok(mut read) => {
                let told = read.withheld(item);
                let then = read.keep_answer(self);
                *self = read;
                return told.map(|told| Unusable { then, ..told });
            }
            Err(fault) => fault,
        };
        if self.staple.has_run_out() {
            self.send_along(Staple::Withheld(StapleFault::Over), None);
        }
        Some(Unusable {
            item: item(file),
            path: self.files.path(file)?.to_owned(),
            fault,
            expected: file.expected(),
            then: STAYS,
        })
    }

    /// Goes on with the OCSP answer of `before` while the file holds none, as long as that answer
    /// holds and is about the same certificate. What becomes of it, in words.
    fn keep_answer(&mut self, before: &Self) -> &'static str {
        let is_to_keep = matches!(&self.staple, Staple::Withheld(fault) if fault.is_of_the_file());
        let is_sent = matches!(before.staple, Staple::Sent(_)) && !before.staple.has_run_out();
        if is_to_keep && is_sent && self.facts == before.facts {
            self.send_along(before.staple.clone(), before.ready.ocsp.clone());
            return STAYS;
        }
        NOT_SENT
    }

    /// This is sent along with it from now on.
    fn send_along(&mut self, staple: Staple, answer: Option<Vec<u8>>) {
        self.staple = staple;
        let mut ready = CertifiedKey::clone(&self.ready);
        ready.ocsp = answer;
        self.ready = Arc::new(ready);
    }

    /// What is wrong with its OCSP answer, if it is withheld for that.
    fn withheld(&self, item: impl Fn(CertificateFile) -> String) -> Option<Unusable> {
        let Staple::Withheld(fault) = &self.staple else {
            return None;
        };
        Some(Unusable {
            item: item(CertificateFile::Ocsp),
            path: self.files.ocsp.clone()?,
            fault: PemFault {
                found: fault.to_string(),
                hint: None,
                may_pass: fault.may_pass(),
            },
            expected: CertificateFile::Ocsp.expected(),
            then: NOT_SENT,
        })
    }
}

/// What tells a file from the one that stood in its place before. Links are followed: secrets of
/// Kubernetes change by a link that is swapped. The time of its last change counts besides that of
/// its content, which copies may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<Metadata> for Stamp {
    fn from(of: Metadata) -> Self {
        Self {
            file: (of.dev(), of.ino()),
            length: of.len(),
            modified: (of.mtime(), of.mtime_nsec()),
            changed: (of.ctime(), of.ctime_nsec()),
        }
    }
}

/// What is known of files that are looked at now and then.
#[derive(Debug, Default)]
pub struct Watched {
    stamps: Option<Vec<Option<Stamp>>>,
    is_settled: bool,
    /// What cannot be used, as far as that was told since the files changed.
    told: Vec<Unusable>,
}

/// What a look found.
#[derive(Debug)]
pub struct Found<T> {
    /// With what the files hold now, as far as that can be used.
    pub tls: T,
    /// What cannot be used, if it was not told before. Empty at the first look after a change:
    /// whoever renews a certificate and its key writes one of them first.
    pub unusable: Vec<Unusable>,
}

impl Watched {
    /// Looks at the files of `tls`. `None`: nothing has changed. Waits for the file system.
    ///
    /// After a change, files are read at the next look as well: clocks of file systems are coarse,
    /// and a second change within the same tick leaves no trace. While something cannot be used that may
    /// come right by itself, they are read at each look: where no more files could be opened, or for an
    /// OCSP answer of a later time.
    pub fn look<T: FromFiles>(&mut self, tls: &T) -> Option<Found<T>> {
        let stamp = |path: &Path| std::fs::metadata(path).ok().map(Stamp::from);
        // Before they are read: what changes meanwhile is seen at the next look.
        let stamps: Vec<_> = tls.files().into_iter().map(stamp).collect();
        let has_changed = self.stamps.as_ref() != Some(&stamps);
        if !has_changed && self.is_settled && !tls.has_run_out() {
            return None;
        }
        self.stamps = Some(stamps);
        let (tls, unusable) = tls.read_again();
        let may_pass = |it: &Unusable| it.fault.may_pass;
        self.is_settled = !has_changed && !unusable.iter().any(may_pass);
        Some(Found {
            tls,
            unusable: self.news(unusable, has_changed),
        })
    }

    /// What of this is to be told now.
    fn news(&mut self, unusable: Vec<Unusable>, has_changed: bool) -> Vec<Unusable> {
        if has_changed || unusable.is_empty() {
            self.told.clear();
            return Vec::new();
        }
        let mut news = unusable;
        news.retain(|it| !self.told.contains(it));
        self.told.extend(news.iter().cloned());
        news
    }
}

#[cfg(test)]
mod tests;
