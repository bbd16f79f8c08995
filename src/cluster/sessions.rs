//! A cluster's part of the ledger: the numbers of its backends there, its own cookies' seals, and
//! who waits for an owner.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::Cluster;
use super::changes::Changes;
use super::moves::Moves;
use super::orders::Orders;
use super::returns::Returns;
use crate::balance::Slot;
use crate::config::{self, OwnerBy};
use crate::observe::events::EventLog;
use crate::observe::metrics::RouteAlarm;
use crate::session::ledger::{
    ClusterNumber, Home, Key, Kind, Ledger, Member, Seconds, Store, TakeOver,
};
use crate::session::seal::Seals;

/// What all clusters share, from the process's start to its end.
#[derive(Debug)]
pub struct Common {
    /// Rises with every change of a backend's state.
    pub changes: Arc<Changes>,
    /// What is remembered of live sessions.
    pub ledger: Ledger,
    /// What administrators have ordered.
    pub orders: Orders,
    /// Held by whoever follows an order or goes on with an evacuation.
    pub administering: Mutex<()>,
    /// What happened to backends.
    pub events: EventLog,
    /// How many workers there are.
    pub workers: usize,
    born: Instant,
}

impl Common {
    /// A ledger of this many sessions, empty, for this many workers.
    pub fn new(changes: &Arc<Changes>, sessions: usize, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            changes: Arc::clone(changes),
            ledger: Ledger::new(sessions),
            orders: Orders::default(),
            administering: Mutex::default(),
            events: EventLog::default(),
            workers,
            born: Instant::now(),
        })
    }

    /// How long the ledger has been watching sessions.
    pub fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// The ledger's time. Reads the clock; workers keep what their last tick read.
    pub fn now(&self) -> Seconds {
        Seconds(u32::try_from(self.born.elapsed().as_secs()).unwrap_or(u32::MAX))
    }
}

/// What a cluster needs to follow its sessions.
#[derive(Debug)]
pub struct SessionBook {
    /// What all clusters share.
    pub common: Arc<Common>,
    /// The cluster's number in it.
    pub number: ClusterNumber,
    /// The affinity cookie, where there is one.
    pub own_cookie: Option<OwnCookie>,
    /// By slot.
    members: Box<[Member]>,
    /// Whose take-over is under way.
    pub moves: Arc<Moves>,
    /// Sessions on their way home.
    pub returns: Arc<Returns>,
    held: Arc<AtomicUsize>,
    /// When each alarm may be logged again.
    told: Arc<[AtomicU32; RouteAlarm::COUNT]>,
}

/// The affinity cookie.
#[derive(Debug)]
pub struct OwnCookie {
    /// Its name, alone in a list.
    pub names: [String; 1],
    /// Seals and opens it.
    pub seals: Seals,
}

impl SessionBook {
    /// Enters the cluster's backends. One of the same name keeps its number, whatever its address:
    /// sessions follow the name.
    pub fn new(config: &config::Cluster, common: &Arc<Common>, before: Option<&Self>) -> Self {
        let number = common.ledger.cluster(config.name.as_str());
        let members = config.backends.iter().map(|backend| {
            let member = common.ledger.member(number, backend.name.as_str());
            let is_known = before.is_some_and(|before| before.members.contains(&member));
            if !is_known {
                let idle = seconds(config.sessions.idle);
                common.ledger.set_idle(member, idle);
            }
            member
        });
        // First of all: further names come from responses, and have a bound.
        for node in config.stores.iter().flat_map(|stores| &stores.nodes) {
            if let Some(name) = &node.name {
                common.ledger.store(number, name.as_bytes());
            }
        }
        let name = config.name.as_str();
        // Shared with the configuration in force, which may stay so: no word to it yet.
        let returns = match before {
            Some(before) => Arc::clone(&before.returns),
            None => Arc::new(Returns::new(config)),
        };
        let seals = match &config.sessions.owner {
            OwnerBy::Cookie(cookie) => Some(OwnCookie {
                names: [cookie.name.clone()],
                seals: Seals::new(cookie, name),
            }),
            OwnerBy::Learn | OwnerBy::Append => None,
        };
        Self {
            common: Arc::clone(common),
            number,
            own_cookie: seals,
            members: members.collect(),
            moves: before.map_or_else(Arc::default, |before| Arc::clone(&before.moves)),
            returns,
            held: before.map_or_else(Arc::default, |before| Arc::clone(&before.held)),
            told: before.map_or_else(Arc::default, |before| Arc::clone(&before.told)),
        }
    }

    /// These settings are in force from now on, also for what an earlier configuration has entered.
    pub(super) fn follow(&self, config: &config::Cluster) {
        let idle = seconds(config.sessions.idle);
        for member in &self.members {
            self.common.ledger.set_idle(*member, idle);
        }
        self.returns.follow(config);
    }

    /// The backend's number in the ledger.
    pub fn member(&self, slot: Slot) -> Member {
        self.members
            .get(usize::from(slot.0))
            .copied()
            .unwrap_or(Member::NOBODY)
    }

    /// All numbers, by slot.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Which backend has this number; `None`: it is in the file no more.
    pub fn slot(&self, member: Member) -> Option<Slot> {
        if member == Member::NOBODY {
            return None;
        }
        let place = self.members.iter().position(|known| *known == member)?;
        u16::try_from(place).ok().map(Slot)
    }

    /// Live sessions that a backend owns, those included that only clients showed.
    pub fn live(&self, slot: Slot) -> usize {
        let member = self.member(slot);
        self.common.ledger.issued(member) + self.common.ledger.claimed(member)
    }

    /// Live sessions of a backend that a response has issued.
    pub fn issued(&self, slot: Slot) -> usize {
        self.common.ledger.issued(self.member(slot))
    }

    /// Takes a place among the requests that wait for their owner, if fewer than `most` do.
    pub fn hold(&self, most: usize) -> Option<Held> {
        let held = Held(Arc::clone(&self.held));
        // Counted first: dropping `held` takes it back.
        let before = self.held.fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(held)
    }

    /// Whether this alarm is to be logged now: the first time, and then once a minute.
    fn may_tell(&self, alarm: RouteAlarm) -> bool {
        let now = self.common.now().0;
        let Some(next) = self.told.get(alarm as usize) else {
            return false;
        };
        let due = next.load(Ordering::Relaxed);
        now >= due
            && next
                .compare_exchange(due, now + 60, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Requests that wait for their owner.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// Why a session is another backend's now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyMoved {
    /// Its owner could not serve, or was being emptied: it goes back where the administrator wants that.
    HadTo,
    /// Too many waited for its owner.
    ByChoice,
    /// Somebody else has moved it, or it came along with another one.
    NobodyKnows,
}

/// A request's place among those that wait for their owner.
#[derive(Debug)]
pub struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

impl Cluster {
    /// How long sessions may still show up that nobody has seen since the process was started.
    pub fn unsure_for(&self) -> Option<Duration> {
        let left = self
            .config
            .sessions
            .idle
            .checked_sub(self.sessions.common.age())?;
        let has_sessions = self.config.affinity != config::Affinity::None;
        (has_sessions && !left.is_zero()).then_some(left)
    }

    /// The backend of this name.
    pub fn slot_named(&self, name: &str) -> Option<Slot> {
        let place = self
            .backends
            .iter()
            .position(|backend| backend.name.as_str() == name)?;
        u16::try_from(place).ok().map(Slot)
    }

    /// The session is another backend's from now on, until the client shows that it knows; at
    /// most for the session's idle time: the id was issued again, with this store node.
    pub fn session_moved(&self, key: Key, to: Slot, store: Store, why: WhyMoved) {
        let take = TakeOver {
            kind: Kind::Issued,
            store: Some(store),
            ..self.taken_over_by(to, why)
        };
        self.take_over_session(key, take);
    }

    /// As [`session_moved`](Self::session_moved), for what is learned when the session may have
    /// gone on: only if `from` owns it still, or `to` does. `keeps_id`: an answer is complete that
    /// did not give it another id.
    pub fn session_moved_from(
        &self,
        (key, from, to): (Key, Member, Slot),
        why: WhyMoved,
        keeps_id: bool,
    ) {
        let take = TakeOver {
            only_from: Some(from),
            keeps_id,
            ..self.taken_over_by(to, why)
        };
        self.take_over_session(key, take);
    }

    /// The session is another backend's, and the client knows; only if `from` owns it still.
    pub fn session_moved_elsewhere(&self, key: Key, from: Member, to: Slot) {
        let take = TakeOver {
            only_from: Some(from),
            until: Seconds::default(),
            ..self.taken_over_by(to, WhyMoved::NobodyKnows)
        };
        self.take_over_session(key, take);
    }

    /// The session has another store node in its id, and its client does not know that yet.
    pub fn session_renamed(&self, key: Key) {
        let common = &self.sessions.common;
        let until = common.now().after(self.most_moved());
        common.ledger.renamed(key, until);
    }

    /// Seconds for which a session counts as moved whose client does not show that it knows.
    pub fn most_moved(&self) -> u32 {
        seconds(self.config.sessions.idle)
    }

    fn taken_over_by(&self, to: Slot, why: WhyMoved) -> TakeOver {
        let now = self.sessions.common.now();
        let home = match why {
            WhyMoved::NobodyKnows => Home::Here,
            _ if !self.config.fail_back.brings_home() => Home::Here,
            WhyMoved::HadTo => Home::Left,
            WhyMoved::ByChoice => Home::AsBefore,
        };
        TakeOver {
            from: Member::NOBODY,
            only_from: None,
            to: self.sessions.member(to),
            life: self.backend(to).map_or(0, |backend| backend.life()),
            kind: Kind::Claimed,
            store: None,
            until: now.after(self.most_moved()),
            home,
            keeps_id: false,
        }
    }

    fn take_over_session(&self, key: Key, take: TakeOver) {
        let book = &self.sessions;
        let mark = |former, life| {
            let backend = book.slot(former).and_then(|slot| self.backend(slot));
            backend.map_or(0, |backend| backend.refusals_of(life))
        };
        let from = book
            .common
            .ledger
            .take_over(key, book.common.now(), take, mark);
        let from = from.and_then(|from| self.backend(book.slot(from)?));
        if let Some(evacuation) = from.and_then(|from| from.evacuation().clone()) {
            evacuation.has_moved();
        }
    }

    /// Tells of something that is wrong with jvm routes, not more often than once a minute.
    /// `route`: as a log may show it.
    pub fn alarm(&self, alarm: RouteAlarm, slot: Option<Slot>, route: Option<&[u8]>) {
        if !self.sessions.may_tell(alarm) {
            return;
        }
        let cluster = &self.config.name;
        let backend = slot
            .and_then(|slot| self.backend(slot))
            .map(|backend| backend.name.as_str());
        let route = route.unwrap_or_default().escape_ascii();
        match alarm {
            RouteAlarm::Shared => tracing::warn!(
                %cluster, backend, %route,
                "two backends use one jvm route: give each Tomcat a jvmRoute of its own"
            ),
            RouteAlarm::Unused => tracing::warn!(
                %cluster, backend, %route,
                "a Tomcat uses another jvm route than the configuration says"
            ),
            RouteAlarm::Unknown => tracing::warn!(
                %cluster, %route,
                "a client shows a jvm route that no backend has"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::ledger::{Issue, PathNumber};

    fn idle(time: &str) -> config::Cluster {
        let text = format!(
            "listeners: [{{ address: 127.0.0.1:0 }}]\n\
             clusters: {{ shop: {{ session_idle: {time}, backends: [127.0.0.1:80] }} }}"
        );
        let config = config::load_text("sessions.yaml", &text, &|_| None);
        config.unwrap().clusters.remove(0)
    }

    #[test]
    fn sessions_expire_as_the_configuration_in_force_says() {
        let common = Common::new(&Arc::default(), 16, 1);
        let before = Cluster::new(idle("1h"), None, 1, &common);
        let book = &before.sessions;
        let issue = Issue {
            owner: book.member(Slot(0)),
            life: 0,
            store: Store::NONE,
            path: PathNumber::UNKNOWN,
        };
        let key = common.ledger.key(book.number, b"session");
        common.ledger.issue(key, Seconds(0), issue);
        let after = Cluster::new(idle("1m"), Some(&before), 1, &common);
        let sweep = || common.ledger.sweep(Seconds(1800), 100);
        assert_eq!(sweep(), 0, "it may not be taken yet");
        after.take_over();
        assert_eq!(sweep(), 1);
    }
}
