//! What the administrator wrote, checked.
//!
//! Two stages: `raw` is the file as typed, [`Config`] is what it means. A [`Config`] in hand is
//! proof that every check passed; nothing outside this module can make one.

mod bytes;
mod model;
mod names;
mod networks;
mod template;

pub use bytes::ByteSize;
pub use model::*;
pub use names::{BackendAddr, BackendName, ClusterName, JvmRoute};
pub use networks::{Access, Networks};
pub use template::{Piece, Template, Variable};
