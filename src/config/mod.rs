//! What the administrator wrote, checked.
//!
//! Two stages: `raw` is the file as typed, [`Config`] is what it means. A [`Config`] in hand is
//! proof that every check passed; nothing outside this module can make one. `keys` names every
//! key with its default, `check` reads them, [`schema()`] and [`Config::show`] print them.
//! Called by the command line, at start and at every reload.

mod bytes;
mod capacity;
mod check;
mod context_xml;
mod drain;
mod env;
mod foreign;
mod health;
mod keys;
mod limits;
mod load;
mod locate;
mod masked;
mod model;
mod names;
mod nearest;
mod networks;
mod outliers;
mod problem;
mod raw;
mod schema;
mod scheme;
mod secret;
mod sessions;
mod show;
mod source;
mod stores;
mod template;
pub mod tls;
mod units;
mod webhook;

pub use bytes::ByteSize;
pub use capacity::{Priority, Queue};
pub use context_xml::{FoundManager, read_context_xml};
pub use drain::{Drain, FailBack};
pub use health::*;
pub use limits::{HandshakeLimits, Http2Limits, Limits};
pub use locate::Finding;
pub use model::*;
pub use names::{BackendAddr, BackendName, ClusterName, JvmRoute};
pub use networks::{Access, Networks, Others, ProxyProtocol};
pub use outliers::Outliers;
pub use problem::{Problem, Report};
pub use schema::schema;
pub use scheme::Scheme;
pub use secret::Secret;
pub use sessions::*;
pub use source::{from_arguments, load_file, load_text};
pub use stores::*;
pub use template::{Piece, Template, Variable};
pub use units::parse_duration;
pub use webhook::{BadWebhookUrl, Webhook, WebhookUrl};
