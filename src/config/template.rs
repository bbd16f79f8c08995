//! Texts with variables: `https://$host$request_uri`.

use crate::proxy_protocol::Fact;

/// What a variable stands for. The names are those of nginx where nginx has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variable {
    /// `$client_ip`: the client's address, after trusted hops were taken off.
    ClientIp,
    /// `$client_port`: the client's port, where it is connected itself; else that of the proxy in
    /// front of us.
    ClientPort,
    /// `$peer_ip`: the address of the connected peer, trusted or not.
    PeerIp,
    /// `$scheme`: `http` or `https`, as the client sees it.
    Scheme,
    /// `$host`: the Host of the request without its port, in lower case.
    Host,
    /// `$http_host`: the Host of the request as sent.
    HttpHost,
    /// `$server_port`: the port of the listener.
    ServerPort,
    /// `$method`: the request's method.
    Method,
    /// `$path`: the raw path, without the query.
    Path,
    /// `$query`: the raw query, without `?`.
    Query,
    /// `$request_uri`: the raw path and query.
    RequestUri,
    /// `$request_id`: the request's id.
    RequestId,
    /// `$cluster`: the name of the cluster.
    Cluster,
    /// `$backend`: the name of the backend (responses and the access log).
    Backend,
    /// `$tls_version`: `1.2` or `1.3`; empty: no TLS.
    TlsVersion,
    /// `$tls_cipher`: the cipher suite.
    TlsCipher,
    /// `$tls_server_name`: the host that the client asked for in its handshake.
    TlsServerName,
    /// `$client_cert_subject`: whom the client's certificate names.
    ClientCertSubject,
    /// `$client_cert_issuer`: who issued it.
    ClientCertIssuer,
    /// `$client_cert_serial`: its number at its issuer, in hex.
    ClientCertSerial,
    /// `$client_cert_fingerprint`: SHA-256 of it, in hex.
    ClientCertFingerprint,
    /// `$status`: the status sent to the client (responses and the access log).
    Status,
    /// `$proxy_authority` and others: what a load balancer told in its PROXY header.
    Told(Fact),
}

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Literal text.
    Text(String),
    /// A variable; what it stands for is put in its place.
    Variable(Variable),
    /// `$http_NAME`: a header of the request, by its lower-case name with `_` for `-`.
    RequestHeader(http::HeaderName),
}

/// A text with variables, parsed when the file is checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template(pub Vec<Piece>);
