//! Hosts whose clients must show a certificate at another listener.
//!
//! Rules know no listener: what one demands of a host's clients would be worth nothing if the next
//! one passed the same request on and asked for nothing.

use super::policy::{is_below_or_at, without_dot};
use crate::config::tls::{ClientMode, ClientRule, ListenerTls};

/// What one listener does not pass on, since others demand certificates for it.
#[derive(Debug, Default)]
pub struct Elsewhere {
    /// What each other listener demands; empty where none demands anything.
    others: Vec<Vec<Item>>,
    /// Hosts that its own rules name: what is demanded of them here was chosen.
    own: Vec<String>,
}

/// What a listener demands of the clients of some hosts.
#[derive(Debug)]
struct Item {
    hosts: Vec<String>,
    /// Whether nobody else may do without.
    is_strict: bool,
}

impl Elsewhere {
    /// That of each listener; `None`: one without TLS.
    pub fn of_each(listeners: &[Option<&ListenerTls>]) -> Vec<Self> {
        let places = 0..listeners.len();
        let rules: Vec<_> = listeners.iter().map(|tls| rules(*tls)).collect();
        places.map(|place| Self::of(&rules, place)).collect()
    }

    fn of(listeners: &[&[ClientRule]], place: usize) -> Self {
        let own = listeners.get(place).copied().unwrap_or_default();
        // An item for all asks each client.
        if own.iter().any(|rule| rule.hosts.is_empty()) {
            return Self::default();
        }
        let others = listeners.iter().enumerate();
        let others = others.filter(|(other, _)| *other != place);
        let others = others.map(|(_, rules)| rules.iter().map(Item::of).collect());
        let is_strict = |items: &Vec<Item>| items.iter().any(|item| item.is_strict);
        Self {
            others: others.filter(is_strict).collect(),
            own: own.iter().flat_map(|rule| rule.hosts.clone()).collect(),
        }
    }

    /// Whether requests for this host are to be passed on by other listeners only.
    #[inline]
    pub fn has(&self, host: Option<&str>) -> bool {
        !self.others.is_empty() && self.names(host)
    }

    #[cold]
    fn names(&self, host: Option<&str>) -> bool {
        let Some(host) = without_dot(host) else {
            return false;
        };
        let is_one_of = |names: &[String]| names.iter().any(|name| is_below_or_at(name, host));
        // As for a listener's own clients, the first item that names the host counts.
        let is_strict = |items: &Vec<Item>| {
            let item = items.iter().find(|item| is_one_of(&item.hosts));
            item.is_some_and(|item| item.is_strict)
        };
        !is_one_of(&self.own) && self.others.iter().any(is_strict)
    }
}

impl Item {
    fn of(rule: &ClientRule) -> Self {
        let is_of_hosts = !rule.hosts.is_empty();
        Self {
            hosts: rule.hosts.clone(),
            is_strict: is_of_hosts && rule.mode == ClientMode::Required && !rule.served_elsewhere,
        }
    }
}

fn rules(tls: Option<&ListenerTls>) -> &[ClientRule] {
    tls.map_or(&[], |tls| &tls.clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(hosts: &[&str], is_strict: bool) -> Item {
        Item {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            is_strict,
        }
    }

    #[test]
    fn the_first_item_that_names_a_host_counts_at_each_listener() {
        let elsewhere = Elsewhere {
            others: vec![
                vec![
                    item(&["public.example"], false),
                    item(&["*.example"], true),
                    item(&[], false),
                ],
                vec![item(&["b.test"], true)],
            ],
            own: vec!["own.example".to_owned()],
        };
        for (host, expected) in [
            ("public.example", false),
            ("admin.example", true),
            ("ADMIN.example.", true),
            ("own.example", false),
            ("b.test", true),
            ("c.test", false),
        ] {
            assert_eq!(elsewhere.has(Some(host)), expected, "{host}");
        }
        assert!(!elsewhere.has(None));
    }
}
