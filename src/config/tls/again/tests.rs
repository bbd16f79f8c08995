use std::cell::RefCell;
use std::fs;
use std::rc::Rc;

use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::config::tls::{CertificateFiles, TlsVersion, UnknownHost};

/// A certificate of its own and its key, as PEM.
fn pair(host: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([host.to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

struct Files {
    _folder: tempfile::TempDir,
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new((cert, key): &(String, String)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = Self {
            cert: folder.path().join("cert"),
            key: folder.path().join("key"),
            _folder: folder,
        };
        fs::write(&files.cert, cert).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }

    fn tls(&self) -> ListenerTls {
        let files = CertificateFiles {
            cert: self.cert.clone(),
            key: self.key.clone(),
            ocsp: None,
            hosts: None,
        };
        let certificate = Certificate::load(files).unwrap();
        ListenerTls {
            certificates: vec![certificate.clone(), certificate],
            unknown_host: UnknownHost::Default,
            least_version: TlsVersion::V12,
            clients: Vec::new(),
            client_headers: Vec::new(),
            handshake_time: std::time::Duration::ZERO,
            reload: std::time::Duration::ZERO,
            resumption: false,
            hsts: None,
            http2: true,
        }
    }
}

#[test]
fn a_change_is_read_twice_and_then_no_more() {
    let (one, other) = (pair("one"), pair("other"));
    let files = Files::new(&one);
    let before = files.tls();
    let mut watched = Watched::default();
    for _ in 0..2 {
        let found = watched.look(&before).unwrap();
        assert!(found.tls == before && found.unusable.is_empty());
    }
    assert!(watched.look(&before).is_none());
    fs::write(&files.cert, &other.0).unwrap();
    fs::write(&files.key, &other.1).unwrap();
    let now = watched.look(&before).unwrap().tls;
    assert!(now != before);
    assert_eq!(now.certificates[0].hosts, ["other"]);
    assert!(watched.look(&now).unwrap().tls == now);
    assert!(watched.look(&now).is_none());
}

#[test]
fn what_is_broken_stays_as_it_was_and_is_told_at_the_second_look() {
    let (one, other) = (pair("one"), pair("other"));
    let files = Files::new(&one);
    let before = files.tls();
    let mut watched = Watched::default();
    while watched.look(&before).is_some() {}
    fs::write(&files.key, &other.1).unwrap();
    let found = watched.look(&before).unwrap();
    assert!(found.tls == before && found.unusable.is_empty());
    let found = watched.look(&before).unwrap();
    assert!(found.tls == before);
    let told: Vec<_> = found.unusable.iter().map(ToString::to_string).collect();
    let key = files.key.display();
    let told_of = |place: usize| {
        format!(
            "certificates[{place}].key: {key}: found the key of another certificate; expected a \
             PEM file with the private key of the certificate; what was read before stays in force"
        )
    };
    assert_eq!(told, [told_of(0), told_of(1)]);
    // Only a change of the files can mend it.
    assert!(watched.look(&before).is_none());
    fs::write(&files.cert, &other.0).unwrap();
    let now = watched.look(&before).unwrap().tls;
    assert_eq!(now.certificates[0].hosts, ["other"]);
    assert!(watched.look(&now).unwrap().unusable.is_empty());
    assert!(watched.look(&now).is_none());
}

/// Files that never change, and of which each reading finds what the next word says; "": nothing
/// is wrong.
#[derive(Clone)]
struct Readings(Rc<RefCell<Vec<&'static str>>>);

impl FromFiles for Readings {
    fn files(&self) -> Vec<&Path> {
        Vec::new()
    }

    fn read_again(&self) -> (Self, Vec<Unusable>) {
        let found = self.0.borrow_mut().remove(0);
        let unusable = (!found.is_empty()).then(|| Unusable {
            item: "cert".to_owned(),
            path: "cert.pem".into(),
            fault: PemFault {
                found: found.to_owned(),
                hint: None,
                may_pass: true,
            },
            expected: "a certificate",
            then: STAYS,
        });
        (self.clone(), unusable.into_iter().collect())
    }

    fn shown(&self) -> Vec<(String, &Certificate)> {
        Vec::new()
    }

    fn other_authorities(&self, _: &Self) -> Vec<&Path> {
        Vec::new()
    }
}

#[test]
fn what_could_not_be_read_is_read_until_it_can_and_told_once() {
    let (full, stale) = ("Too many open files", "Stale file handle");
    let words = vec![full, full, full, stale, full, "", "never read"];
    let readings = Readings(Rc::new(RefCell::new(words)));
    let mut watched = Watched::default();
    let mut told = Vec::new();
    while let Some(found) = watched.look(&readings) {
        let found = found.unusable.into_iter();
        told.push(found.map(|it| it.fault.found).collect::<Vec<_>>().concat());
    }
    assert_eq!(told, ["", full, "", stale, "", ""]);
    assert_eq!(*readings.0.borrow(), ["never read"]);
}

#[test]
fn a_file_that_is_swapped_for_one_alike_is_read() {
    let one = pair("one");
    let files = Files::new(&one);
    let before = files.tls();
    let mut watched = Watched::default();
    while watched.look(&before).is_some() {}
    let beside = files.key.with_extension("new");
    fs::copy(&files.key, &beside).unwrap();
    let modified = fs::metadata(&files.key).unwrap().modified().unwrap();
    let copy = fs::File::options().write(true).open(&beside).unwrap();
    copy.set_modified(modified).unwrap();
    fs::rename(&beside, &files.key).unwrap();
    assert!(watched.look(&before).is_some());
}

#[test]
fn certificates_of_one_host_are_numbered() {
    let files = Files::new(&pair("one"));
    let tls = files.tls();
    let names: Vec<_> = tls.named().map(|(name, _)| name).collect();
    assert_eq!(names, ["one", "one#2"]);
}
