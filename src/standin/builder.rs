//! What a stand-in is started with.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::StandIn;
use super::address::Address;
use super::fault::Scripts;
use super::journal::Journal;
use super::page::{Colour, Look};
use super::session::{Identity, Manager, Sessions, SharedSessions};
use super::tomcat::{Menu, Settings, Tomcat};

/// Settings of a stand-in to be; the defaults are those of Tomcat's connector.
#[derive(Debug, Clone)]
#[must_use = "nothing listens until it is started"]
pub struct Builder {
    address: Address,
    settings: Settings,
    sessions: SharedSessions,
}

impl Builder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            address: Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            settings: Settings {
                name: name.to_owned(),
                look: Look {
                    title: name.to_owned(),
                    colour: Colour::default(),
                },
                menu: Menu::All,
                identity: Identity {
                    jvm_route: Some(name.to_owned()),
                    store_nodes: Vec::new(),
                    manager: Manager::default(),
                    backup_delay: Duration::ZERO,
                },
                cookie_name: "JSESSIONID".to_owned(),
                cookie_path: "/".to_owned(),
                contexts: Vec::new(),
                keep_alive: Duration::from_secs(20),
                requests_per_connection: 100,
                max_connections: 8192,
                kept_requests: 10_000,
                kept_body: 64 * 1024,
            },
            sessions: SharedSessions::default(),
        }
    }

    /// Where to listen; a free port of 127.0.0.1 by default.
    pub fn listen(mut self, address: Address) -> Self {
        self.address = address;
        self
    }

    /// Title and colour of the page; the name and red by default.
    pub fn look(mut self, title: &str, colour: Colour) -> Self {
        self.settings.look = Look {
            title: title.to_owned(),
            colour,
        };
        self
    }

    /// Serves the page under every path, obeys no path of the table and remembers no request:
    /// for the demo.
    pub fn page_only(mut self) -> Self {
        self.settings.menu = Menu::PageOnly;
        self.settings.kept_requests = 0;
        self
    }

    /// The jvm route in its session ids; its name by default.
    pub fn jvm_route(mut self, route: &str) -> Self {
        self.settings.identity.jvm_route = Some(route.to_owned());
        self
    }

    /// No jvm route in its session ids.
    pub fn without_jvm_route(mut self) -> Self {
        self.settings.identity.jvm_route = None;
        self
    }

    /// The store node in its session ids (`n1`); none by default.
    pub fn store_node(self, node: &str) -> Self {
        self.store_nodes(&[node])
    }

    /// Its store nodes in order, of which new sessions get one after the other.
    pub fn store_nodes(mut self, nodes: &[&str]) -> Self {
        let nodes = nodes.iter().map(|node| (*node).to_owned());
        self.settings.identity.store_nodes = nodes.collect();
        self
    }

    /// How it keeps its sessions; non-sticky by default.
    pub fn manager(mut self, manager: Manager) -> Self {
        self.settings.identity.manager = manager;
        self
    }

    /// How long after the answer a sticky session is written to the store; by default it is
    /// written before the answer begins. A kill in between loses what was not written, an orderly
    /// stop writes it.
    pub fn backup_delay(mut self, time: Duration) -> Self {
        self.settings.identity.backup_delay = time;
        self
    }

    /// The store it shares; one of its own by default.
    pub fn sessions(mut self, sessions: &SharedSessions) -> Self {
        self.sessions = sessions.clone();
        self
    }

    /// Name and path of the session cookie; `JSESSIONID` and `/` by default.
    pub fn cookie(mut self, name: &str, path: &str) -> Self {
        name.clone_into(&mut self.settings.cookie_name);
        path.clone_into(&mut self.settings.cookie_path);
        self
    }

    /// Contexts beside the one at `/` (`/app1`), each with sessions of its own, whose cookies have
    /// the context's path. Below them the paths of the table begin again.
    pub fn contexts(mut self, paths: &[&str]) -> Self {
        self.settings.contexts = paths.iter().map(|path| (*path).to_owned()).collect();
        self
    }

    /// Longest silence of a client, between requests and within one; 20 s by default.
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.settings.keep_alive = time;
        self
    }

    /// Requests on one connection, the last of which is answered with `Connection: close`; 100 by
    /// default.
    pub fn requests_per_connection(mut self, count: u64) -> Self {
        self.settings.requests_per_connection = count;
        self
    }

    /// Bytes that the record keeps of each request's body; 64 KiB by default.
    pub fn record_body(mut self, bytes: usize) -> Self {
        self.settings.kept_body = bytes;
        self
    }

    /// Starts listening. Fails where the address cannot be had.
    pub fn start(self) -> io::Result<StandIn> {
        let journal = Journal::new(self.settings.kept_requests, self.settings.kept_body);
        let sessions = Sessions::new(self.sessions, self.settings.identity.clone());
        let tomcat = Arc::new(Tomcat {
            settings: self.settings,
            sessions,
            scripts: Scripts::default(),
            journal,
        });
        StandIn::start(&self.address, tomcat)
    }
}
