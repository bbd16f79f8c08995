//! Handshakes of ours with backends.

use std::io;

use rustls::{CertificateError, Error, OtherError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::BackendAddr;
use crate::config::tls::ClusterTls;

/// As webpki names it.
const AUTHORITY_S_OWN: &str = "CaUsedAsEndEntity";

/// Secures a connection to the backend at `address`. Takes as long as the backend lets it: the
/// caller bounds it.
pub async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    tls: &ClusterTls,
    address: &BackendAddr,
) -> io::Result<TlsStream<S>> {
    let name = tls.name_of(address).ok_or(io::ErrorKind::InvalidInput)?;
    let connector = TlsConnector::from(tls.ready());
    connector.connect(name, stream).await.map_err(in_our_words)
}

/// What administrators meet often is told in words that say what to do about it.
fn in_our_words(error: io::Error) -> io::Error {
    let of_rustls = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    let Some(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) = of_rustls
    else {
        return error;
    };
    if why.to_string() != AUTHORITY_S_OWN {
        return error;
    }
    io::Error::new(
        error.kind(),
        "the backend shows the certificate of an authority (CA:TRUE, as openssl req -x509 makes it); \
         it needs one of its own, issued by that authority, or one with CA:FALSE",
    )
}
