//! Hosts whose clients must show a certificate at another listener.
//!
//! Rules know no listener: what one demands of a host's clients would be worth nothing if the next
//! one passed the same request on and asked for nothing.

use super::policy::{is_below_or_at, without_dot};
use crate::config::tls::{ClientMode, ClientRule, ListenerTls};

/// What one listener does not pass on, since others demand certificates for it.
#[derive(Debug, Default)]
pub struct Elsewhere {
    demanded: Vec<String>,
    /// Hosts that its own rules name: what is demanded of them here was chosen.
    own: Vec<String>,
}

impl Elsewhere {
    /// That of each listener; `None`: one without TLS.
    pub fn of_each(listeners: &[Option<&ListenerTls>]) -> Vec<Self> {
        let each = listeners.iter().enumerate();
        each.map(|(place, own)| {
            let own = rules(*own);
            if own.iter().any(demands_of_all) {
                return Self::default();
            }
            let others = listeners.iter().enumerate();
            let others = others.filter(|(other, _)| *other != place);
            let demanded = others.flat_map(|(_, other)| rules(*other));
            let demanded = demanded.filter(|rule| is_demanded_everywhere(rule));
            Self {
                demanded: demanded.flat_map(|rule| rule.hosts.clone()).collect(),
                own: own.iter().flat_map(|rule| rule.hosts.clone()).collect(),
            }
        })
        .collect()
    }

    /// Whether requests for this host are to be passed on by other listeners only.
    #[inline]
    pub fn has(&self, host: Option<&str>) -> bool {
        !self.demanded.is_empty() && self.names(host)
    }

    #[cold]
    fn names(&self, host: Option<&str>) -> bool {
        let Some(host) = without_dot(host) else {
            return false;
        };
        let is_one_of = |names: &[String]| names.iter().any(|name| is_below_or_at(name, host));
        is_one_of(&self.demanded) && !is_one_of(&self.own)
    }
}

fn rules(tls: Option<&ListenerTls>) -> &[ClientRule] {
    tls.map_or(&[], |tls| &tls.clients)
}

fn demands_of_all(rule: &ClientRule) -> bool {
    rule.hosts.is_empty() && rule.mode == ClientMode::Required
}

fn is_demanded_everywhere(rule: &ClientRule) -> bool {
    rule.mode == ClientMode::Required && !rule.served_elsewhere
}
