//! A request that goes to its backend as it came, but for its Host and what is told of the client.
//!
//! Most do. Such a head is written straight from the client's: a map of its fields, made for this request alone,
//! would cost more than all that is decided about it.

use http::{Method, Request};

use super::affinity::{self, Renewed};
use super::answer::Asked;
use super::forward::Forwarding;
use super::headers::fields::{Field, Fields};
use super::headers::{forwarding, hop};
use super::outgoing::{Outgoing, Plans};
use crate::balance::Slot;
use crate::config::OwnerBy;
use crate::upstream::{Ask, RequestBody, write_field, write_line};

/// What is taken out of a request, or changed, where it is there.
const CHANGED: Fields = hop::ANY_HOP_BY_HOP.and(Fields::of(&[
    Field::ContentLength,
    Field::Expect,
    Field::XForwardedFor,
    Field::XForwardedProto,
    Field::XForwardedHost,
    Field::XForwardedPort,
    Field::XForwardedOther,
    Field::XRealIp,
    Field::Forwarded,
    Field::Via,
]));

/// The request for the backend in `slot`.
pub(super) struct Asking<'a> {
    pub(super) forwarding: &'a Forwarding<'a>,
    pub(super) outgoing: &'a Outgoing,
    pub(super) slot: Slot,
    /// The id that its session has by now, if it shows another.
    pub(super) renewed: Option<Renewed>,
}

impl Asking<'_> {
    /// Whether the backend is not to see the session that the request shows.
    fn hides_session(&self) -> bool {
        self.forwarding.drops_session || self.forwarding.session.is_hidden_from(self.slot)
    }
}

impl Ask for Asking<'_> {
    fn write(&self, output: &mut Vec<u8>) -> Option<Method> {
        let Forwarding { asked, plans, .. } = self.forwarding;
        let is_shown = self.renewed.is_none() && !self.hides_session();
        if !is_shown || !self.outgoing.is_bare() || !goes_as_it_came(asked, *plans) {
            return None;
        }
        let start = output.len();
        let is_written = write(self.outgoing, asked, (*plans, self.slot), output);
        if !is_written {
            output.truncate(start);
        }
        is_written.then(|| asked.head.method.clone())
    }

    fn request(self) -> Request<RequestBody> {
        let Forwarding { asked, plans, .. } = self.forwarding;
        let to = (*plans, self.slot);
        let mut request = self.outgoing.request((asked, self.renewed.as_ref()), to);
        if self.hides_session() {
            affinity::hide(&mut request, plans.shared);
        }
        request
    }
}

/// Whether nothing of its fields has to be changed.
fn goes_as_it_came(asked: &Asked<'_>, plans: Plans<'_>) -> bool {
    !asked.checked.fields.present.has_any(CHANGED)
        && plans.cluster.request.is_empty()
        && plans.rule.request.is_empty()
        && asked.view.snapshot.client_headers.is_empty()
        && plans.config.drain.state_header.is_none()
        && matches!(plans.config.sessions.owner, OwnerBy::Learn)
}

/// Whether it could be done: the client may have sent the field that shall hold the request's id.
fn write(
    outgoing: &Outgoing,
    asked: &Asked<'_>,
    (plans, slot): (Plans<'_>, Slot),
    output: &mut Vec<u8>,
) -> bool {
    let sent = &asked.head.headers;
    write_line(
        output,
        &asked.head.method,
        outgoing.target(asked),
        sent.len() + 8,
    );
    write_field(output, &http::header::HOST, plans.host(asked, slot));
    let id_name = asked.view.snapshot.config.request_id.as_ref();
    for (name, value) in sent {
        if *name == http::header::HOST {
            continue;
        }
        if id_name == Some(name) {
            return false;
        }
        write_field(output, name, value);
    }
    forwarding::write(output, plans.config.forwarded, asked.subject());
    if let Some(name) = id_name
        && let Some(id) = asked.id.id().value()
    {
        write_field(output, name, &id);
    }
    output.extend_from_slice(b"\r\n");
    true
}
