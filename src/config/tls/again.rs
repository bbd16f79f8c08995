//! The files of a listener's TLS, read again while it is in force: what has changed counts, what
//! cannot be used leaves in force what was read before.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::load::{CertificateFault, CertificateFile, ClientFile};
use super::{Certificate, ListenerTls, PemFault};

/// A file that cannot be used now; what was read before stays in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{item}: {}: found {}; expected {expected}", .path.display(), .fault.found)]
pub struct Unusable {
    /// The key that names it, such as `certificates[0].cert`.
    pub item: String,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: PemFault,
    /// What it should be.
    pub expected: &'static str,
}

impl ListenerTls {
    /// Every file that it is read from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
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
        certificates.chain(clients)
    }

    /// The same with what the files hold now, and which of them cannot be used.
    pub fn read_again(&self) -> (Self, Vec<Unusable>) {
        let mut now = self.clone();
        let mut unusable = Vec::new();
        for (place, certificate) in now.certificates.iter_mut().enumerate() {
            match Certificate::load(certificate.files.clone()) {
                Ok(read) => *certificate = read,
                Err(fault) => unusable.extend(of_certificate(place, certificate, fault)),
            }
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
                        })
                    }));
                }
            }
        }
        (now, unusable)
    }
}

fn of_certificate(
    place: usize,
    certificate: &Certificate,
    CertificateFault { file, fault }: CertificateFault,
) -> Option<Unusable> {
    Some(Unusable {
        item: format!("certificates[{place}].{}", file.key()),
        path: certificate.files.path(file)?.to_owned(),
        fault,
        expected: file.expected(),
    })
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

/// What is known of a listener's files, which are looked at now and then.
#[derive(Debug, Default)]
pub struct Watched {
    stamps: Option<Vec<Option<Stamp>>>,
    is_settled: bool,
}

/// What a look found.
#[derive(Debug)]
pub struct Found {
    /// With what the files hold now, as far as that can be used.
    pub tls: ListenerTls,
    /// What cannot be used. Empty at the first look after a change: whoever renews a certificate
    /// and its key writes one of them first.
    pub unusable: Vec<Unusable>,
}

impl Watched {
    /// Looks at the files of `tls`. `None`: nothing has changed. Waits for the file system.
    ///
    /// After a change, files are read at the next look as well: clocks of file systems are coarse,
    /// and a second change within the same tick leaves no trace.
    pub fn look(&mut self, tls: &ListenerTls) -> Option<Found> {
        let stamp = |path: &Path| std::fs::metadata(path).ok().map(Stamp::from);
        // Before they are read: what changes meanwhile is seen at the next look.
        let stamps: Vec<_> = tls.files().map(stamp).collect();
        let has_changed = self.stamps.as_ref() != Some(&stamps);
        if !has_changed && self.is_settled {
            return None;
        }
        self.stamps = Some(stamps);
        self.is_settled = !has_changed;
        let (tls, mut unusable) = tls.read_again();
        if has_changed {
            unusable.clear();
        }
        Some(Found { tls, unusable })
    }
}

#[cfg(test)]
mod tests;
