//! TLS record by record: what a client may send once hands are shaken, and no honest one does.

use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use cattail::standin::Address;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::{ClientConfig, ConnectionTrafficSecrets, KeyLog, SupportedProtocolVersion};

use super::Raw;
use super::secure::{Authority, provider};

pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const DATA: u8 = 23;

/// A connection whose handshake is done.
pub(crate) struct Records {
    raw: Raw,
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
    is_13: bool,
    /// What the keys of TLS 1.3 come of.
    secret: Vec<u8>,
}

impl Records {
    /// Shakes hands by this version.
    pub(crate) fn connect(
        to: impl Into<Address>,
        (ca, host): (&Authority, &str),
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let is_13 = version.version == rustls::ProtocolVersion::TLSv1_3;
        let mut clients = clients(ca, version);
        let told = Arc::new(Told::default());
        let log: Arc<Told> = Arc::clone(&told);
        clients.key_log = log;
        let (mut raw, tls) = Raw::connect_tls(to, &clients, host).into_parts();
        if is_13 {
            // Tickets: the server is done as well, and takes nothing more for a part of it.
            raw.read_piece();
        }
        let secrets = tls.dangerous_extract_secrets().expect("may be asked");
        let (sequence, secrets) = secrets.tx;
        let ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } = secrets else {
            panic!("the one suite that is offered");
        };
        Self {
            raw,
            key: sealing(key.as_ref()),
            iv: iv.as_ref().try_into().unwrap(),
            sequence,
            is_13,
            secret: told.0.lock().unwrap().clone(),
        }
    }

    /// A record after which new keys are used. TLS 1.3.
    pub(crate) fn new_keys(&mut self) -> Vec<u8> {
        let record = self.record(HANDSHAKE, &[24, 0, 0, 1, 0]);
        self.secret = expanded(&self.secret, "traffic upd", 32);
        self.key = sealing(&expanded(&self.secret, "key", 32));
        self.iv = expanded(&self.secret, "iv", 12).try_into().unwrap();
        self.sequence = 0;
        record
    }

    /// A record of this kind.
    pub(crate) fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut inside = content.to_vec();
        let outer = if self.is_13 {
            inside.push(kind);
            DATA
        } else {
            kind
        };
        let length = u16::try_from(inside.len() + 16).unwrap();
        let mut record = vec![outer, 3, 3];
        record.extend(length.to_be_bytes());
        let sequence = self.sequence.to_be_bytes();
        let aad = if self.is_13 {
            record.clone()
        } else {
            let plain = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&sequence[..], &[kind, 3, 3], &plain].concat()
        };
        let mut nonce = self.iv;
        for (byte, other) in nonce[4..].iter_mut().zip(sequence) {
            *byte ^= other;
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(aad), &mut inside)
            .unwrap();
        self.sequence += 1;
        record.extend(inside);
        record
    }

    /// Sends so many records of this kind at once; whether they could be sent.
    pub(crate) fn send(&mut self, (kind, content): (u8, &[u8]), count: usize) -> bool {
        let all: Vec<u8> = (0..count)
            .flat_map(|_| self.record(kind, content))
            .collect();
        self.raw.try_send(all).is_ok()
    }

    /// What lies below.
    pub(crate) fn raw(&mut self) -> &mut Raw {
        &mut self.raw
    }
}

fn sealing(key: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).unwrap())
}

/// `HKDF-Expand-Label` of RFC 8446, without a context.
fn expanded(secret: &[u8], label: &str, length: u8) -> Vec<u8> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let label = format!("tls13 {label}");
    let label_length = u8::try_from(label.len()).unwrap();
    let head = [0, length, label_length];
    let info = [&head[..], label.as_bytes(), &[0]];
    let length = usize::from(length);
    let mut out = vec![0; length];
    Prk::new_less_safe(HKDF_SHA256, secret)
        .expand(&info, Length(length))
        .unwrap()
        .fill(&mut out)
        .unwrap();
    out
}

/// The secret of what a client sends.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<u8>>);

impl KeyLog for Told {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        if label == "CLIENT_TRAFFIC_SECRET_0" {
            *self.0.lock().unwrap() = secret.to_vec();
        }
    }
}

fn clients(ca: &Authority, version: &'static SupportedProtocolVersion) -> ClientConfig {
    let provider = CryptoProvider {
        cipher_suites: vec![
            TLS13_CHACHA20_POLY1305_SHA256,
            TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        ..(*provider()).clone()
    };
    let mut clients = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(ca.roots())
        .with_no_client_auth();
    clients.enable_secret_extraction = true;
    clients
}
