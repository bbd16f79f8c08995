//! A request's session: which it is, where it goes, what became of it.
//!
//! `seek` finds it in the request, `shown` knows whose it is, `decide` says where it goes, `route`
//! brings it there, `pin` holds it there while a survivor works on it, `conclude` reads the
//! response (its cookies with `said`), `rewrite` adds to it; `first` lets the first request at a
//! survivor go alone, `leave` takes a session away from a backend that is being emptied, `home` brings
//! it back to one that it had to leave; `copy` and `turn` are for stores that are asked, or in doubt; `explain` looks without doing any of it. Clusters with `affinity: none` come past none of this.

mod conclude;
mod copy;
mod decide;
mod explain;
mod first;
mod home;
mod leave;
mod pin;
mod rewrite;
mod route;
mod said;
mod seek;
mod shown;
mod turn;

pub(super) use conclude::{Answered, Concluded, conclude};
pub(super) use explain::{Destination, Looked, look};
pub use pin::Pin;
pub(super) use rewrite::{clean_cookies, clean_target, hide};
pub(super) use route::{Missing, Seeking};
pub(super) use shown::{Session, bury, read};
pub(super) use turn::{Renewed, Turn};
