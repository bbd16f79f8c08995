//! What every suite is written with. A test reads as a story: start Tomcats, start the proxy in
//! front, ask as a client, assert what the client and the Tomcats saw.
//!
//! - `backend`: fake Tomcats (`cattail::standin`), which fail the test if they fail inside
//! - `client`: raw sockets, bytes in and bytes out; `request` writes requests, `response` reads
//!   answers strictly; `browser` keeps cookies and the connection
//! - `agent`: fake agents of Tomcats
//! - `secure`: TLS as clients speak it, and authorities
//! - `judge`: a client that judges what a server shows; `staple`: answers of OCSP responders
//! - `records`: TLS record by record, as no honest client sends it
//! - `tls_front`: TLS in front of a fake Tomcat
//! - `metrics`: scrape and match
//! - `http2`: a client that speaks HTTP/2; `frames`: the same frame by frame
//! - `http2_server`: a backend that speaks HTTP/2
//! - `browsers`: many browsers with parallel requests, and what they saw of their sessions
//! - `load`: clients that go on asking while something happens
//! - `store`: fake memcacheds and redises, and some that are neither
//! - `porter`: a door before a Tomcat that wants a PROXY header on each connection
//! - `switch`: a backend that switches protocols and then does as the test says
//! - `pulse`: fake stores of which is asked whether they live, and have a key
//! - `wait`: deadlines and polling; nothing sleeps a fixed time and hopes
//! - `proxy`: the real app in-process, from YAML text, on port 0, joined on drop
//!
//! Every wait has a deadline, scaled by `CATTAIL_TEST_SCALE`, and every failure says what came.

mod agent;
pub(crate) mod backend;
pub(crate) mod browser;
pub(crate) mod browsers;
pub(crate) mod client;
pub(crate) mod findings;
pub(crate) mod frames;
pub(crate) mod http2;
pub(crate) mod http2_server;
pub(crate) mod judge;
mod lane;
pub(crate) mod load;
pub(crate) mod metrics;
mod porter;
pub(crate) mod proxy;
pub(crate) mod pulse;
pub(crate) mod records;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod secure;
pub(crate) mod staple;
mod store;
mod switch;
mod tls_front;
pub(crate) mod wait;

pub(crate) use agent::Agent;
pub(crate) use backend::{BlackHole, Tomcat, stopping, tomcats};
pub(crate) use browser::Browser;
pub(crate) use browsers::Browsers;
pub(crate) use client::{End, Raw};
pub(crate) use findings::Findings;
pub(crate) use http2::{Ask, Http2};
pub(crate) use http2_server::Http2Server;
pub(crate) use load::under_load;
pub(crate) use metrics::Metrics;
pub(crate) use porter::Porter;
pub(crate) use proxy::{Proxy, cluster, sticky_cluster};
pub(crate) use pulse::Pulse;
pub(crate) use request::{Request, get};
pub(crate) use response::{Broken, Framing, Response};
pub(crate) use secure::{Authority, Issued};
pub(crate) use store::{Items, Store};
pub(crate) use switch::{SWITCHED, Switch};
pub(crate) use tls_front::TlsFront;
pub(crate) use wait::{eventually, in_parallel, scaled, stays};
