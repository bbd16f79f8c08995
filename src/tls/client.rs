//! Handshakes of ours with backends.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::BackendAddr;
use crate::config::tls::ClusterTls;

/// Secures a connection to the backend at `address`. Takes as long as the backend lets it: the
/// caller bounds it.
pub async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    tls: &ClusterTls,
    address: &BackendAddr,
) -> io::Result<TlsStream<S>> {
    let name = tls.name_of(address).ok_or(io::ErrorKind::InvalidInput)?;
    let connector = TlsConnector::from(tls.ready());
    connector.connect(name, stream).await
}
