//! Speaks to the admin listener of a running cattail.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::admin::api::model::{BackendStatus, Events, Problem, Status};
use crate::cli::Failure;
use crate::cli::health::reachable;
use crate::proxy::explain::{Explanation, Question};

/// Longest wait for each step of an exchange, beyond what the question itself waits for.
const TIME: Duration = Duration::from_secs(10);
/// No answer is longer.
const MOST_BYTES: u64 = 64 << 20;

/// Which cattail is asked.
#[derive(Debug, Args)]
pub(super) struct Admin {
    /// The address of its admin listener.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "CATTAIL_ADMIN_ADDRESS",
        default_value = "127.0.0.1:9180"
    )]
    pub admin: SocketAddr,
    /// The file with its token.
    #[arg(long, value_name = "FILE", env = "CATTAIL_TOKEN_FILE")]
    pub token_file: PathBuf,
}

/// One that can be asked.
#[derive(Debug)]
pub(in crate::cli) struct Client {
    address: SocketAddr,
    token: String,
}

/// A backend's full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) cluster: String,
    pub(super) backend: String,
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.cluster, self.backend)
    }
}

impl Admin {
    /// Reads the token.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        Client::of(self.admin, &self.token_file)
    }
}

impl Client {
    /// Asks the admin listener at this address, with the token in this file.
    pub(in crate::cli) fn of(address: SocketAddr, token_file: &Path) -> Result<Self, Failure> {
        let file = token_file.display();
        let token = fs::read_to_string(token_file)
            .map_err(|error| Failure::Unusable(format!("{file}: {error}").into()))?;
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::Unusable(format!("{file} holds no token").into()));
        }
        Ok(Self {
            address: reachable(address),
            token: token.to_owned(),
        })
    }

    /// Where a request would go.
    pub(in crate::cli) fn explain(&self, question: &Question) -> Result<Explanation, Failure> {
        let body = serde_json::to_string(question).map_err(io::Error::other)?;
        self.ask("POST", "/explain", Some(&body), Duration::ZERO)
    }

    pub(super) fn status(&self) -> Result<Status, Failure> {
        self.get("/api/v1/status", Duration::ZERO)
    }

    /// How the backend stands.
    pub(super) fn backend(&self, named: &Named) -> Result<BackendStatus, Failure> {
        self.get(&path(named, ""), Duration::ZERO)
    }

    /// Puts an order; what stands then.
    pub(super) fn put(
        &self,
        named: &Named,
        what: &str,
        order: &impl Serialize,
    ) -> Result<BackendStatus, Failure> {
        let body = serde_json::to_string(order).map_err(io::Error::other)?;
        self.ask("PUT", &path(named, what), Some(&body), Duration::ZERO)
    }

    /// Takes an order back; what stands then.
    pub(super) fn delete(&self, named: &Named, what: &str) -> Result<BackendStatus, Failure> {
        self.ask("DELETE", &path(named, what), None, Duration::ZERO)
    }

    /// Asks for something that may take `wait` to come.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        wait: Duration,
    ) -> Result<T, Failure> {
        self.ask("GET", path, None, wait)
    }

    /// Waits until something happens, for this long at most; the number of the last event.
    pub(super) fn next_event(&self, known: u64, most: Duration) -> Result<u64, Failure> {
        let wait = most.as_secs();
        let path = format!("/api/v1/events?after={known}&most=1000&wait_s={wait}");
        let events: Events = self.get(&path, most)?;
        Ok(events.last)
    }

    /// The backend that is meant by `cluster/backend`, or by `backend` alone where only one cluster
    /// has it.
    pub(super) fn find(&self, name: &str) -> Result<Named, Failure> {
        find(&self.status()?, name).map_err(|text| Failure::Unusable(text.into()))
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        wait: Duration,
    ) -> Result<T, Failure> {
        let address = self.address;
        let answer = self
            .exchange(method, path, body, wait)
            .map_err(|error| format!("{address} does not answer: {error}"))?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or_else(|| format!("{address} does not answer in HTTP"))?;
        if head.split(' ').nth(1) != Some("200") {
            let status = head.lines().next().unwrap_or_default();
            return Err(match serde_json::from_str::<Problem>(body) {
                Ok(problem) => Failure::Unusable(problem.message.into()),
                Err(_) => format!("{address} refuses: {status}\n{}", body.trim_end()).into(),
            });
        }
        serde_json::from_str(body).map_err(|error| {
            format!("{address} answers something else: is it another version? {error}").into()
        })
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        wait: Duration,
    ) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, TIME)?;
        stream.set_read_timeout(Some(TIME + wait))?;
        stream.set_write_timeout(Some(TIME))?;
        let body = body.unwrap_or_default();
        // HTTP/1.0: the answer ends with its connection.
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        // Who is refused may be told so before everything is sent.
        let sent = stream.write_all(request.as_bytes());
        let mut answer = String::new();
        let read = stream.take(MOST_BYTES).read_to_string(&mut answer);
        if answer.is_empty() {
            sent.and(read)?;
        }
        Ok(answer)
    }
}

fn find(status: &Status, name: &str) -> Result<Named, String> {
    let all = || {
        let clusters = status.clusters.iter();
        clusters.flat_map(|cluster| cluster.backends.iter())
    };
    let full = |backend: &BackendStatus| format!("{}/{}", backend.cluster, backend.name);
    let mut meant = all().filter(|backend| backend.name == name || full(backend) == name);
    let list = || all().map(full).collect::<Vec<_>>().join(", ");
    match (meant.next(), meant.next()) {
        (Some(one), None) => Ok(Named {
            cluster: one.cluster.clone(),
            backend: one.name.clone(),
        }),
        (None, _) => Err(format!(
            "no backend is called {name:?}; there is {}",
            list()
        )),
        (Some(_), Some(_)) => Err(format!(
            "several clusters have a backend called {name:?}; write CLUSTER/BACKEND: {}",
            list()
        )),
    }
}

fn path(named: &Named, what: &str) -> String {
    let (cluster, backend) = (encoded(&named.cluster), encoded(&named.backend));
    format!("/api/v1/clusters/{cluster}/backends/{backend}{what}")
}

/// As a segment of a path.
fn encoded(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let written = write!(text, "%{byte:02X}");
            debug_assert!(written.is_ok(), "a String takes everything");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_segment_of_a_path() {
        let named = Named {
            cluster: "shop".to_owned(),
            backend: "[::1]:80/ä".to_owned(),
        };
        assert_eq!(
            path(&named, "/state"),
            "/api/v1/clusters/shop/backends/%5B%3A%3A1%5D%3A80%2F%C3%A4/state"
        );
    }
}
