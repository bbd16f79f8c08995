//! A request that goes to its backend as it came, but for its Host and what is told of the client.
//!
//! Most do. Such a head is written straight from the client's: a map of its fields, made for this request alone,
//! would cost more than all that is decided about it.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::HOST;
use http::{HeaderName, Method, Request};

use super::affinity::{self, Renewed};
use super::answer::Asked;
use super::forward::Forwarding;
use super::headers::fields::{Field, Fields};
use super::headers::{forwarding, hop};
use super::outgoing::{OUR_FIELDS, Outgoing, Plans};
use crate::balance::Slot;
use crate::config::OwnerBy;
#[cfg(debug_assertions)]
use crate::upstream::write_head;
use crate::upstream::{Ask, RequestBody, write_field, write_line};

/// What is taken out of a request, or changed, where it is there.
const CHANGED: Fields = hop::ANY_HOP_BY_HOP
    .or(forwarding::CLAIMED)
    .or(Fields::of(&[Field::ContentLength, Field::Expect]));

/// Heads that were written so, for tests.
#[cfg(debug_assertions)]
pub static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// The request for the backend in `slot`.
pub(super) struct Outbound<'a> {
    pub(super) forwarding: &'a Forwarding<'a>,
    pub(super) outgoing: &'a Outgoing,
    pub(super) slot: Slot,
    /// The id that its session has by now, if it shows another.
    pub(super) renewed: Option<Renewed>,
}

impl Outbound<'_> {
    /// Whether nothing of its fields has to be changed. Whatever [`Outgoing::request`] does to them is asked about
    /// here.
    fn goes_as_it_came(&self) -> bool {
        let Forwarding { asked, plans, .. } = self.forwarding;
        let id_name = asked.view.snapshot.config.request_id.as_ref();
        self.outgoing.is_bare()
            && !asked.checked.fields.present.has_any(CHANGED)
            && self.renewed.is_none()
            && !self.hides_session()
            && plans.cluster.request.is_empty()
            && plans.rule.request.is_empty()
            && asked.view.snapshot.client_headers.is_empty()
            && plans.config.drain.state_header.is_none()
            && matches!(plans.config.sessions.owner, OwnerBy::Learn)
            // Such a field may be put in for another reason, and would be there twice.
            && id_name.and_then(Field::of).is_none()
    }

    /// Whether the backend is not to see the session that the request shows.
    fn hides_session(&self) -> bool {
        self.forwarding.drops_session || self.forwarding.session.is_hidden_from(self.slot)
    }

    fn to(&self) -> (&Asked<'_>, Plans<'_>) {
        (self.forwarding.asked, self.forwarding.plans)
    }

    /// Both ways give the same.
    #[cfg(debug_assertions)]
    fn compare(&self, written: &[u8]) {
        let (head, _) = self.changed().into_parts();
        let mut changed = Vec::new();
        write_head(&mut changed, &head);
        let (written, changed) = (written.escape_ascii(), changed.escape_ascii());
        assert_eq!(written.to_string(), changed.to_string());
        WRITTEN.fetch_add(1, Ordering::Relaxed);
    }

    /// The request, by a map of its fields.
    fn changed(&self) -> Request<RequestBody> {
        let (asked, plans) = self.to();
        let renewed = self.renewed.as_ref();
        let mut request = self.outgoing.request((asked, renewed), (plans, self.slot));
        if self.hides_session() {
            affinity::hide(&mut request, plans.shared);
        }
        request
    }
}

impl Ask for Outbound<'_> {
    fn write(&self, output: &mut Vec<u8>) -> Option<Method> {
        if !self.goes_as_it_came() {
            return None;
        }
        #[cfg(debug_assertions)]
        let start = output.len();
        write(self, output);
        #[cfg(debug_assertions)]
        self.compare(output.get(start..).unwrap_or_default());
        Some(self.forwarding.asked.head.method.clone())
    }

    fn request(self) -> Request<RequestBody> {
        self.changed()
    }
}

fn write(outbound: &Outbound<'_>, output: &mut Vec<u8>) {
    let (asked, plans) = outbound.to();
    let sent = &asked.head.headers;
    let target = outbound.outgoing.target(asked);
    write_line(output, &asked.head.method, target, sent.len() + OUR_FIELDS);
    write_field(output, &HOST, plans.host(asked, outbound.slot).as_bytes());
    let id_name = asked.view.snapshot.config.request_id.as_ref();
    let mut unwritten = id_name;
    let write_id = |output: &mut Vec<u8>, name: &HeaderName| {
        write_field(output, name, asked.id.id().as_str().as_bytes());
    };
    for (name, value) in sent {
        if *name == HOST {
            continue;
        }
        if id_name != Some(name) {
            write_field(output, name, value.as_bytes());
        } else if let Some(name) = unwritten.take() {
            // In the place of the client's, and of all its lines.
            write_id(output, name);
        }
    }
    forwarding::write(output, plans.config.forwarded, asked.subject());
    if let Some(name) = unwritten {
        write_id(output, name);
    }
    output.extend_from_slice(b"\r\n");
}
