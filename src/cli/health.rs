//! `cattail health`: asks a running cattail's admin listener; made for a container's
//! `HEALTHCHECK`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

use super::Failure;

/// Whom to ask.
#[derive(Debug, Args)]
pub struct HealthArguments {
    /// The admin listener's address.
    #[arg(
        long,
        visible_alias = "admin",
        value_name = "ADDRESS",
        env = "CATTAIL_ADMIN_ADDRESS",
        default_value = "127.0.0.1:9180"
    )]
    pub address: SocketAddr,
}

/// Longest wait for each step.
const TIME: Duration = Duration::from_secs(2);
/// No status line is longer.
const STATUS_LINE: u64 = 64;

/// Succeeds if `/healthz` answers 200 in time.
pub(super) fn health(arguments: &HealthArguments) -> Result<(), Failure> {
    let address = reachable(arguments.address);
    let status = ask(address).map_err(|error| format!("{address} does not answer: {error}"))?;
    if status.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    Err(Failure::Runtime(
        format!("{address} is not healthy: {}", status.trim_end()).into(),
    ))
}

/// A listener on all addresses is asked on the loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback: std::net::IpAddr = if address.is_ipv6() {
        std::net::Ipv6Addr::LOCALHOST.into()
    } else {
        std::net::Ipv4Addr::LOCALHOST.into()
    };
    SocketAddr::new(loopback, address.port())
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIME)?;
    stream.set_read_timeout(Some(TIME))?;
    stream.set_write_timeout(Some(TIME))?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(STATUS_LINE).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned() + " ")
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Runtime(text.into())
    }
}
