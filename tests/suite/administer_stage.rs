//! What the suites of orders share: a proxy with a token, asked over its API and by commands.

use std::fs;
use std::ops::Deref;
use std::process::{Command, Output};

use serde_json::Value;

use super::harness::*;

const TOKEN: &str = "correct-horse";

/// A proxy that takes orders.
pub(crate) struct Administered {
    proxy: Proxy,
    folder: tempfile::TempDir,
}

impl Deref for Administered {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        &self.proxy
    }
}

impl Administered {
    /// Starts it; `text` has no `admin`.
    pub(crate) fn start(text: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), text)
    }

    /// The same, with what an earlier one has left in its folder.
    pub(crate) fn start_in(folder: tempfile::TempDir, text: &str) -> Self {
        let file = folder.path().join("token");
        fs::write(&file, format!("{TOKEN}\n")).unwrap();
        let proxy = Proxy::start(&Self::complete(&folder, text));
        Self { proxy, folder }
    }

    fn complete(folder: &tempfile::TempDir, text: &str) -> String {
        let (token, state) = (
            folder.path().join("token"),
            folder.path().join("state.json"),
        );
        let (token, state) = (token.display(), state.display());
        format!(
            "admin: {{ address: '127.0.0.1:0', token_file: '{token}', state_file: '{state}' }}\n{text}"
        )
    }

    /// Ends it, and gives its folder away.
    pub(crate) fn stop(self) -> tempfile::TempDir {
        self.proxy.stop();
        self.folder
    }

    /// Loads another configuration.
    pub(crate) fn reload(&self, text: &str) -> Result<(), String> {
        let text = Self::complete(&self.folder, text);
        let text = text.replace(
            "address: '127.0.0.1:0', token",
            &format!("address: '{}', token", self.admin()),
        );
        self.proxy.reload(&text)
    }

    /// Asks the API.
    pub(crate) fn ask(&self, request: Request) -> Response {
        let request = request.header("Authorization", &format!("Bearer {TOKEN}"));
        request.send(self.admin())
    }

    /// Gives an order about a backend of the cluster `shop`.
    pub(crate) fn put(&self, backend: &str, what: &str, order: &Value) -> Response {
        let path = format!("/api/v1/clusters/shop/backends/{backend}/{what}");
        let request = Request::new("PUT", &path).body(order.to_string());
        self.ask(request.header("Content-Type", "application/json"))
    }

    /// Takes one back.
    pub(crate) fn delete(&self, backend: &str, what: &str) -> Response {
        let path = format!("/api/v1/clusters/shop/backends/{backend}/{what}");
        self.ask(Request::new("DELETE", &path))
    }

    /// How a backend of the cluster `shop` stands.
    #[track_caller]
    pub(crate) fn backend(&self, name: &str) -> Value {
        let path = format!("/api/v1/clusters/shop/backends/{name}");
        self.ask(Request::get(&path)).expect(200).json()
    }

    /// The events so far.
    #[track_caller]
    pub(crate) fn told(&self) -> Vec<Value> {
        let answer = self.ask(Request::get("/api/v1/events?after=0&most=1000"));
        let events = answer.expect(200).json()["events"].clone();
        events.as_array().unwrap().clone()
    }

    /// Runs a command of the real binary against it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_cattail"))
            .args(arguments)
            .env("CATTAIL_ADMIN_ADDRESS", self.admin().to_string())
            .env("CATTAIL_TOKEN_FILE", self.folder.path().join("token"))
            .output()
            .unwrap()
    }
}
