//! TLS as clients speak it, and authorities that issue certificates for a test.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    RevokedCertParams, SerialNumber, SignatureAlgorithm,
};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// An authority of a test, with a folder for what it issues.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
    issued: AtomicU64,
    serial: SerialNumber,
}

/// A certificate and its key, as files and as themselves.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    key_der: Vec<u8>,
    serial: SerialNumber,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(authority(name), key);
        Self::of(issuer.unwrap(), SerialNumber::from(0_u64))
    }

    /// Another one that this one vouches for.
    pub(crate) fn below(&self, name: &str) -> Self {
        self.below_with(name, |_| {})
    }

    /// The same, changed before it is signed.
    pub(crate) fn below_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = authority(name);
        change(&mut params);
        let serial = SerialNumber::from(self.issued.fetch_add(1, Ordering::Relaxed));
        params.serial_number = Some(serial.clone());
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::signed_by(params, key, &self.issuer);
        Self::of(issuer.unwrap(), serial)
    }

    fn of(issuer: CertifiedIssuer<'static, KeyPair>, serial: SerialNumber) -> Self {
        let authority = Self {
            issuer,
            folder: tempfile::tempdir().unwrap(),
            issued: AtomicU64::new(1),
            serial,
        };
        fs::write(authority.file(), authority.issuer.pem()).unwrap();
        authority
    }

    /// Its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for these hosts, in files of the first one's name.
    pub(crate) fn issue(&self, hosts: &[&str]) -> Issued {
        self.issue_with(hosts, &PKCS_ECDSA_P256_SHA256, |_| {})
    }

    /// The same with another kind of key, and changed before it is signed.
    pub(crate) fn issue_with(
        &self,
        hosts: &[&str],
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let file = hosts[0].replace('*', "any");
        self.issue_to(&file, (hosts, algorithm), change)
    }

    /// Another certificate for these hosts, in files of its own.
    pub(crate) fn renew(&self, hosts: &[&str]) -> Issued {
        let file = format!("renewed{}", self.issued.load(Ordering::Relaxed));
        self.issue_to(&file, (hosts, &PKCS_ECDSA_P256_SHA256), |_| {})
    }

    /// The same, in files of this name.
    pub(crate) fn issue_to(
        &self,
        file: &str,
        (hosts, algorithm): (&[&str], &'static SignatureAlgorithm),
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = named(hosts[0], hosts);
        let serial = SerialNumber::from(self.issued.fetch_add(1, Ordering::Relaxed));
        params.serial_number = Some(serial.clone());
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let issued = Issued {
            cert: self.path(&format!("{file}.pem")),
            key: self.path(&format!("{file}.key")),
            chain: vec![certificate.der().clone()],
            key_der: key.serialize_der(),
            serial,
        };
        write_secret(&issued.key, &key.serialize_pem());
        fs::write(&issued.cert, certificate.pem()).unwrap();
        issued
    }

    /// A list that says that this certificate is revoked.
    pub(crate) fn revoke(&self, issued: &Issued) -> PathBuf {
        self.list(&[&issued.serial])
    }

    /// A list of what it has revoked.
    pub(crate) fn list(&self, serials: &[&SerialNumber]) -> PathBuf {
        self.list_until(2099, serials)
    }

    /// The same, with the next one due at the start of this year.
    pub(crate) fn list_until(&self, year: i32, serials: &[&SerialNumber]) -> PathBuf {
        let revoked = |serial: &&SerialNumber| RevokedCertParams {
            serial_number: (*serial).clone(),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2024, 1, 1),
            next_update: rcgen::date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).unwrap();
        let path = self.path("crl.pem");
        fs::write(&path, list.pem().unwrap()).unwrap();
        path
    }

    /// The number of its own certificate.
    pub(crate) fn serial(&self) -> &SerialNumber {
        &self.serial
    }

    /// `issued` with its own certificate behind it.
    pub(crate) fn vouch(&self, mut issued: Issued) -> Issued {
        issued.chain.push(self.issuer.der().clone());
        issued
    }

    /// Clients that trust it.
    pub(crate) fn clients(&self) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        builder.with_no_client_auth()
    }

    /// Clients that trust it and show a certificate.
    pub(crate) fn clients_with(&self, own: &Issued) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        let mut config = builder
            .with_client_auth_cert(own.chain.clone(), own.key_der())
            .unwrap();
        config.resumption = Resumption::disabled();
        config
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }
}

impl Issued {
    pub(crate) fn serial(&self) -> &SerialNumber {
        &self.serial
    }

    pub(super) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key_der.clone()).unwrap()
    }

    /// As an item of `certificates`.
    pub(crate) fn item(&self) -> String {
        let (cert, key) = (self.cert.display(), self.key.display());
        format!("{{ cert: '{cert}', key: '{key}' }}")
    }

    /// Puts the files of `other` in the place of its own: the key first, each at once.
    pub(crate) fn replace(&self, other: &Self) {
        put(&other.key, &self.key);
        put(&other.cert, &self.cert);
    }

    /// Writes what `other` has over its own files: the certificate first, each in two halves.
    pub(crate) fn overwrite(&self, other: &Self) {
        for (from, to) in [(&other.cert, &self.cert), (&other.key, &self.key)] {
            let content = fs::read(from).unwrap();
            let (first, second) = content.split_at(content.len() / 2);
            fs::write(to, first).unwrap();
            let mut file = fs::OpenOptions::new().append(true).open(to).unwrap();
            file.write_all(second).unwrap();
        }
    }

    /// The text of one listener that has these certificates; `more` stands in its `tls`.
    pub(crate) fn listener(certificates: &[&Self], more: &str) -> String {
        let items: Vec<_> = certificates.iter().map(|it| it.item()).collect();
        let items = items.join(", ");
        format!(
            "listeners: [{{ address: '127.0.0.1:0', tls: {{ certificates: [{items}]{more} }} }}]\n"
        )
    }
}

/// Puts a copy of a file in the place of another one, at once.
pub(crate) fn put(from: &Path, to: &Path) {
    let beside = to.with_extension("new");
    fs::copy(from, &beside).unwrap();
    fs::rename(&beside, to).unwrap();
}

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A client's side of one connection.
pub(crate) fn connection(config: &ClientConfig, host: &str) -> Box<ClientConnection> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    Box::new(ClientConnection::new(Arc::new(config.clone()), name).unwrap())
}
