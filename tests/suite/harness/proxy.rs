//! The real proxy, in this process, from the text of a configuration file.

use std::fmt::Write;
use std::net::SocketAddr;

use cattail::app;
use cattail::config::{self, ListenAddr};
use cattail::standin::Address;

use super::{Metrics, Tomcat};

/// A running proxy; it ends, in good order, when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    running: Option<app::Proxy>,
}

impl Proxy {
    /// Starts what `text` describes. Where the text says nothing else: one listener and the admin
    /// listener on free ports of the loopback, and two workers.
    pub(crate) fn start(text: &str) -> Self {
        let text = completed(text);
        let config = config::load_text("test.yaml", &text, &|_| None)
            .unwrap_or_else(|report| panic!("the test's configuration is bad:\n{report}\n{text}"));
        let running = app::start(config).expect("the proxy starts");
        Self {
            running: Some(running),
        }
    }

    /// A proxy in front of one cluster of these Tomcats, by name and without jvm routes. `more` is
    /// put under the cluster.
    pub(crate) fn in_front_of(tomcats: &[&Tomcat], more: &str) -> Self {
        Self::start(&cluster(tomcats, more))
    }

    /// Where its first listener accepts.
    pub(crate) fn address(&self) -> Address {
        self.addresses().remove(0)
    }

    /// Where its listeners accept.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let addresses = self.running().addresses().iter();
        addresses
            .map(|address| match address {
                ListenAddr::Ip(address) => Address::from(*address),
                ListenAddr::Unix(path) => Address::Unix(path.clone()),
            })
            .collect()
    }

    /// Where its admin side answers.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.running()
            .admin_address()
            .expect("the test's proxy has an admin side")
    }

    /// Its metrics now.
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::scrape(self.admin())
    }

    /// Whether it gives requests to this Tomcat, as its metrics have it.
    pub(crate) fn is_up(&self, tomcat: &Tomcat) -> bool {
        let labels = [("backend", tomcat.name())];
        self.metrics().exactly("cattail_backend_up", &labels) == 1
    }

    /// Loads `text` as the new configuration; the complaint if it is refused. The listener stays
    /// where it is.
    pub(crate) fn reload(&self, text: &str) -> Result<(), String> {
        let text = completed(text);
        self.running()
            .reload(|| config::load_text("test.yaml", &text, &|_| None))
            .map_err(|failure| failure.to_string())
    }

    /// The proxy itself, for what has no word here.
    pub(crate) fn running(&self) -> &app::Proxy {
        self.running
            .as_ref()
            .expect("the proxy runs until it is dropped")
    }

    /// Ends it in good order and waits for that.
    pub(crate) fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A test that fails must not wait for connections that it still holds.
        if let Some(running) = self.running.take() {
            running.abort();
            running.join();
        }
    }
}

/// The text of one cluster of these Tomcats, without affinity.
pub(crate) fn cluster(tomcats: &[&Tomcat], more: &str) -> String {
    let backend = |tomcat: &Tomcat| {
        let (name, address) = (tomcat.name(), tomcat.address());
        format!("{{ name: {name}, address: '{address}' }}")
    };
    written("none", tomcats, more, backend)
}

/// The text of one sticky cluster of these Tomcats, with their names as jvm routes.
pub(crate) fn sticky_cluster(tomcats: &[&Tomcat], more: &str) -> String {
    let backend = |tomcat: &Tomcat| {
        let (name, address) = (tomcat.name(), tomcat.address());
        format!("{{ jvm_route: {name}, address: '{address}' }}")
    };
    written("sticky", tomcats, more, backend)
}

fn written(
    affinity: &str,
    tomcats: &[&Tomcat],
    more: &str,
    backend: impl Fn(&Tomcat) -> String,
) -> String {
    let mut text = format!("clusters:\n  shop:\n    affinity: {affinity}\n");
    for line in more.lines() {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("    backends:\n");
    for tomcat in tomcats {
        writeln!(text, "      - {}", backend(tomcat)).unwrap();
    }
    text
}

fn completed(text: &str) -> String {
    let mut whole = String::new();
    let lacks = |key: &str| !text.lines().any(|line| line.starts_with(key));
    if lacks("listeners:") {
        whole.push_str("listeners: [{ address: '127.0.0.1:0' }]\n");
    }
    if lacks("admin:") {
        whole.push_str("admin: { address: '127.0.0.1:0' }\n");
    }
    if lacks("workers:") {
        whole.push_str("workers: 2\n");
    }
    whole + text
}
