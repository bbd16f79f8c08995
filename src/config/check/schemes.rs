//! By which schemes requests can come, and rules that forget about it.

use crate::config::{Action, Listener, Networks, Piece, Rule, Scheme, Variable};

use super::section::Section;

/// The schemes that requests can have, as rules see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schemes {
    Both,
    /// No listener has TLS, and nobody is believed who says that a client speaks it.
    HttpAlone,
}

impl Schemes {
    pub(super) fn of(listeners: &[Listener], trusted_proxies: &Networks) -> Self {
        let may_be_https = |it: &Listener| it.tls.is_some() || it.proxy_protocol.is_some();
        if !trusted_proxies.0.is_empty() || listeners.iter().any(may_be_https) {
            Self::Both
        } else {
            Self::HttpAlone
        }
    }

    /// Warns of a rule that sends clients to HTTPS, if whoever comes back seems to use HTTP.
    pub(super) fn warn_of_loop(self, section: &Section<'_>, rule: &Rule) {
        let Action::Redirect { to, .. } = &rule.action else {
            return;
        };
        // To another host nobody comes back.
        let host = [Variable::Host, Variable::HttpHost].map(Piece::Variable);
        let is_to_itself = matches!(
            &*to.0,
            [Piece::Text(text), next, ..] if text == "https://" && host.contains(next)
        );
        if self == Self::HttpAlone && rule.scheme == Some(Scheme::Http) && is_to_itself {
            section.get("scheme").warn(
                "tls of a listener, or trusted_proxies or proxy_protocol for who ends TLS in front",
                "every request here is http: who comes back is redirected again, for ever",
            );
        }
    }
}
