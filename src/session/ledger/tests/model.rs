//! The ledger against a naive model of one session per key, and its laws when it is far too small.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// About twice as many as the small ledger has room for.
const KEYS: u32 = 30;

#[derive(Debug, Clone)]
enum Step {
    Touch,
    Issue(Issue),
    Claim(Claim),
    Served(u8),
    /// The third number has a bit for each member that is usable.
    Pin(Member, Member, u8),
    /// Which of those in flight.
    Unpin(usize),
    TakeOver(TakeOver, u32),
    Shown(u32),
    End,
    Miss,
    Lose(Member, u8),
    Pass(u32),
    Sweep(usize),
}

fn member() -> impl Strategy<Value = Member> {
    prop_oneof![6 => (0_u16..5).prop_map(Member), 1 => Just(Member::NOBODY)]
}

fn store() -> impl Strategy<Value = Store> {
    (0_u16..4).prop_map(Store)
}

fn step() -> impl Strategy<Value = Step> {
    let issue = (member(), any::<u8>(), store(), any::<u8>()).prop_map(|parts| {
        let (owner, life, store, path) = parts;
        let path = PathNumber(path);
        Step::Issue(Issue {
            owner,
            life,
            store,
            path,
        })
    });
    let claim = (member(), any::<u8>(), store())
        .prop_map(|(owner, life, store)| Step::Claim(Claim { owner, life, store }));
    let kind = prop_oneof![Just(Kind::Issued), Just(Kind::Claimed)];
    let home = prop_oneof![Just(Home::AsBefore), Just(Home::Left), Just(Home::Here)];
    let left = (home, any::<bool>());
    let options = (kind, prop::option::of(store()), 0_u32..40, left);
    let owners = (member(), prop::option::of(member()), member());
    let take_over = (owners, any::<u8>(), options).prop_map(|parts| {
        let ((from, only_from, to), life, (kind, store, seconds, (home, keeps_id))) = parts;
        let until = Seconds(0);
        let take = TakeOver {
            from,
            to,
            life,
            kind,
            store,
            until,
            only_from,
            home,
            keeps_id,
        };
        Step::TakeOver(take, seconds)
    });
    prop_oneof![
        3 => Just(Step::Touch),
        3 => issue,
        3 => claim,
        1 => any::<u8>().prop_map(Step::Served),
        4 => (member(), member(), any::<u8>()).prop_map(|(o, s, u)| Step::Pin(o, s, u)),
        4 => any::<usize>().prop_map(Step::Unpin),
        3 => take_over,
        2 => (0_u32..10).prop_map(Step::Shown),
        1 => Just(Step::End),
        1 => Just(Step::Miss),
        2 => (member(), 0_u8..3).prop_map(|(by, life)| Step::Lose(by, life)),
        2 => (0_u32..20).prop_map(Step::Pass),
        1 => (0_usize..40).prop_map(Step::Sweep),
    ]
}

fn steps(keys: u32) -> impl Strategy<Value = Vec<(u32, Step)>> {
    prop::collection::vec((0..keys, step()), 1..120)
}

fn is_usable(bits: u8, member: Member) -> bool {
    u32::from(bits)
        .checked_shr(u32::from(member.0))
        .unwrap_or(0)
        & 1
        == 1
}

fn mark_of(member: Member) -> u8 {
    member.0.to_le_bytes()[0].wrapping_mul(7)
}

/// A session as the contract has it.
struct Session {
    known: Facts,
    /// Which pin is the present one; meaningless without one.
    pin: usize,
    in_flight: u32,
    moved_until: u32,
    former: Vec<(Member, u8)>,
    /// Where it goes back to.
    home: Option<Member>,
    /// If it was missed, what it was before.
    missed: Option<Kind>,
}

#[derive(Default)]
struct Model {
    sessions: HashMap<u32, Session>,
    pins: usize,
}

impl Model {
    fn session(&mut self, number: u32, now: Seconds, kind: Kind, owner: Member) -> &mut Session {
        self.sessions.entry(number).or_insert_with(|| Session {
            known: Facts {
                owner,
                pin: None,
                moved: false,
                moved_until: Seconds::default(),
                lost: false,
                kind,
                store: Store::NONE,
                path: PathNumber::UNKNOWN,
                life: 0,
                created: now,
                seen: now,
                former: Former::default(),
                kept_id: false,
            },
            pin: 0,
            in_flight: 0,
            moved_until: 0,
            former: Vec::new(),
            home: None,
            missed: None,
        })
    }

    fn known(&self, number: u32, now: Seconds) -> Option<Plain> {
        let session = self.sessions.get(&number)?;
        let known = Facts {
            moved: session.moved_until > now.0,
            moved_until: Seconds(session.moved_until),
            ..session.known
        };
        Some((known, session.former.clone(), session.home))
    }

    fn issue(&mut self, number: u32, now: Seconds, issue: Issue) {
        let session = self.session(number, now, Kind::Issued, issue.owner);
        if session.known.owner != issue.owner {
            session.moved_until = 0;
        }
        session.own(issue.owner);
        let known = &mut session.known;
        (known.kind, known.seen, known.lost) = (Kind::Issued, now, false);
        session.missed = None;
        (known.life, known.store, known.path) = (issue.life, issue.store, issue.path);
    }

    fn claim(&mut self, number: u32, now: Seconds, claim: Claim) {
        let session = self.session(number, now, Kind::Claimed, claim.owner);
        session.known.seen = now;
        session.found();
        if session.known.kind == Kind::Claimed && session.moved_until <= now.0 {
            session.own(claim.owner);
            (session.known.life, session.known.store) = (claim.life, claim.store);
        }
    }

    /// The survivor, and which pin that is; no pin at nobody.
    fn pin(&mut self, number: u32, now: Seconds, detour: Detour, bits: u8) -> (Member, usize) {
        if detour.survivor == Member::NOBODY {
            return (Member::NOBODY, usize::MAX);
        }
        self.pins += 1;
        let pins = self.pins;
        let session = self.session(number, now, Kind::Claimed, detour.owner);
        match session.known.pin {
            Some(pin) if is_usable(bits, pin) => session.in_flight += 1,
            _ => {
                session.known.pin = Some(detour.survivor);
                (session.pin, session.in_flight) = (pins, 1);
            }
        }
        (session.known.pin.unwrap(), session.pin)
    }

    fn unpin(&mut self, number: u32, now: Seconds, pin: usize) {
        let session = self.sessions.get_mut(&number);
        if let Some(session) = session.filter(|it| it.known.pin.is_some() && it.pin == pin) {
            session.known.seen = now;
            session.in_flight -= 1;
            if session.in_flight == 0 {
                session.known.pin = None;
            }
        }
    }

    fn take_over(&mut self, number: u32, now: Seconds, take: TakeOver) {
        let owner = self.sessions.get(&number).map(|it| it.known.owner);
        let mut others = owner.iter().filter(|owner| **owner != take.to);
        if let Some(from) = take.only_from
            && others.any(|owner| *owner != from)
        {
            return;
        }
        let session = self.session(number, now, take.kind, take.from);
        let from = session.known.owner;
        if from == take.to {
            session.known.kept_id &= take.store.is_none();
        } else {
            session.known.kept_id = take.keeps_id;
            session.known.owner = take.to;
            session.former.retain(|former| former.0 != take.to);
            if from != Member::NOBODY {
                session.former.retain(|former| former.0 != from);
                session.former.insert(0, (from, mark_of(from)));
                session.former.truncate(3);
            }
            match take.home {
                Home::Here => session.home = None,
                Home::Left if session.home.is_none() && from != Member::NOBODY => {
                    session.home = Some(from);
                }
                Home::Left | Home::AsBefore => {}
            }
            // One that is forgotten is none.
            let remembered = |home: &Member| session.former.iter().any(|it| it.0 == *home);
            session.home = session.home.filter(remembered);
            if session.known.pin == Some(take.to) && session.home.is_none() {
                session.known.pin = None;
            }
        }
        if take.kind == Kind::Issued {
            (session.known.kind, session.known.lost) = (Kind::Issued, false);
            session.missed = None;
        }
        session.moved_until = take.until.0;
        (session.known.seen, session.known.life) = (now, take.life);
        if let Some(store) = take.store {
            session.known.store = store;
        }
    }
}

impl Model {
    fn lose(&mut self, number: u32, now: Seconds, by: (Member, u8)) -> Loss {
        let session = self.session(number, now, Kind::Claimed, Member::NOBODY);
        let known = &mut session.known;
        let was_missed = std::mem::take(&mut session.missed);
        if known.lost && was_missed.is_none() {
            return Loss::Told;
        }
        if session.moved_until > now.0 && (known.owner, known.life) == by {
            session.missed = was_missed;
            return Loss::None;
        }
        (known.lost, known.kind, known.pin) = (true, Kind::Claimed, None);
        session.home = None;
        if was_missed.is_some() {
            Loss::Missed
        } else {
            Loss::New
        }
    }

    fn miss(&mut self, number: u32, now: Seconds) {
        let session = self.session(number, now, Kind::Claimed, Member::NOBODY);
        let owner = session.known.owner;
        let is_elsewhere = session.known.pin.is_some_and(|pin| pin != owner);
        if !is_elsewhere && session.moved_until <= now.0 && !session.known.lost {
            session.missed = Some(session.known.kind);
            (session.known.lost, session.known.kind) = (true, Kind::Claimed);
        }
    }
}

impl Session {
    /// Its owner has answered.
    fn found(&mut self) {
        if let Some(kind) = self.missed.take() {
            (self.known.lost, self.known.kind) = (false, kind);
        }
    }

    fn own(&mut self, owner: Member) {
        if self.known.owner == owner {
            return;
        }
        self.known.owner = owner;
        self.home = None;
        self.former.retain(|former| former.0 != owner);
        if self.known.pin == Some(owner) {
            self.known.pin = None;
        }
    }
}

/// What is known, the former owners, and which of them is the home.
type Plain = (Facts, Vec<(Member, u8)>, Option<Member>);

fn plain(known: Facts) -> Plain {
    let (former, home) = (known.former.iter().collect(), known.former.home());
    let known = Facts {
        former: Former::default(),
        ..known
    };
    (known, former, home)
}

/// Plays steps on a ledger; what is given back is what the model needs to know.
struct Player {
    ledger: Ledger,
    keys: Vec<Key>,
    now: Seconds,
    in_flight: Vec<(u32, Pinned)>,
}

impl Player {
    fn new(capacity: usize) -> Self {
        let ledger = Ledger::new(capacity);
        (0..5).for_each(|member| ledger.set_idle(Member(member), 60));
        Self {
            keys: (0..KEYS).map(|number| key(&ledger, number)).collect(),
            ledger,
            now: NOW,
            in_flight: Vec::new(),
        }
    }

    fn key(&self, number: u32) -> Key {
        self.keys[usize::try_from(number).unwrap()]
    }

    fn play(&mut self, number: u32, step: &Step) {
        let (ledger, now, key) = (&self.ledger, self.now, self.key(number));
        match *step {
            Step::Touch => drop(ledger.touched(key, now)),
            Step::Issue(issue) => ledger.issue(key, now, issue),
            Step::Claim(claim) => ledger.claim(key, now, claim),
            Step::Served(life) => ledger.served(key, now, life),
            Step::Pin(owner, survivor, bits) => {
                let detour = Detour { owner, survivor };
                let pinned = ledger.pin(key, now, detour, |member| is_usable(bits, member));
                self.in_flight.push((number, pinned));
            }
            Step::Unpin(which) if !self.in_flight.is_empty() => {
                let (number, pinned) = self.in_flight.remove(which % self.in_flight.len());
                ledger.unpin(self.key(number), now, pinned);
            }
            Step::Unpin(_) => {}
            Step::TakeOver(take, seconds) => {
                let until = now.after(seconds);
                ledger.take_over(key, now, TakeOver { until, ..take }, |member, _| {
                    mark_of(member)
                });
            }
            Step::Shown(grace) => ledger.shown(key, now, grace),
            Step::End => {
                ledger.end(key);
                // Another entry of the same second could have a pin of the same number.
                self.now = now.after(1);
            }
            Step::Miss => ledger.miss(key, now),
            Step::Lose(by, life) => {
                ledger.lose(key, now, (by, life));
            }
            Step::Pass(seconds) => self.now = now.after(seconds),
            Step::Sweep(budget) => drop(ledger.sweep(now, budget)),
        }
    }
}

proptest! {
    #[test]
    fn with_room_enough_it_remembers_as_the_contract_says(steps in steps(6)) {
        let mut player = Player::new(2000);
        let mut model = Model::default();
        let mut in_flight: Vec<(u32, usize)> = Vec::new();
        for (number, step) in steps {
            if matches!(step, Step::Sweep(_)) {
                continue;
            }
            let now = player.now;
            let before = player.ledger.peeked(player.key(number), now);
            prop_assert_eq!(before.map(plain), model.known(number, now));
            match step {
                Step::Issue(issue) => model.issue(number, now, issue),
                Step::Claim(claim) => model.claim(number, now, claim),
                Step::Pin(owner, survivor, bits) => {
                    let pinned = model.pin(number, now, Detour { owner, survivor }, bits);
                    player.play(number, &step);
                    prop_assert_eq!(player.in_flight.last().unwrap().1.member(), pinned.0);
                    in_flight.push((number, pinned.1));
                }
                Step::Unpin(which) if !in_flight.is_empty() => {
                    let (number, pin) = in_flight.remove(which % in_flight.len());
                    model.unpin(number, now, pin);
                }
                Step::TakeOver(take, seconds) => {
                    let until = now.after(seconds);
                    model.take_over(number, now, TakeOver { until, ..take });
                }
                Step::End => drop(model.sessions.remove(&number)),
                Step::Miss => model.miss(number, now),
                Step::Lose(by, life) => {
                    let loss = model.lose(number, now, (by, life));
                    let key = player.key(number);
                    prop_assert_eq!(player.ledger.lose(key, now, (by, life)), loss);
                }
                _ => {
                    if let Some(session) = model.sessions.get_mut(&number) {
                        match step {
                            Step::Touch => session.known.seen = now,
                            Step::Served(life) => {
                                (session.known.life, session.known.seen) = (life, now);
                                session.found();
                            }
                            Step::Shown(grace) => {
                                let end = session.moved_until.min(now.0 + grace);
                                session.moved_until = end;
                            }
                            _ => {}
                        }
                    }
                }
            }
            if !matches!(step, Step::Pin(..) | Step::Lose(..)) {
                player.play(number, &step);
            }
            for number in 0..6 {
                let known = player.ledger.peeked(player.key(number), player.now);
                prop_assert_eq!(known.map(plain), model.known(number, player.now));
            }
        }
        expect_exact(&player.ledger);
        prop_assert_eq!(player.ledger.status().refused, 0);
    }

    #[test]
    fn however_small_it_is_claims_displace_no_session_and_nothing_displaces_a_pin(
        steps in steps(KEYS),
    ) {
        let mut player = Player::new(16);
        for (number, step) in steps {
            let now = player.now;
            let at = |player: &Player, other: u32| player.ledger.peeked(player.key(other), now);
            let before: Vec<_> = (0..KEYS).map(|other| at(&player, other)).collect();
            player.play(number, &step);
            let is_claim = matches!(step, Step::Claim(_) | Step::Pin(..) | Step::Miss | Step::Lose(..));
            for (other, before) in (0..KEYS).zip(before) {
                let Some(before) = before.filter(|_| at(&player, other).is_none()) else {
                    continue;
                };
                let idle = if before.owner == Member::NOBODY { 1800 } else { 60 };
                let is_expired = now.since(before.seen) > idle;
                let is_ended = other == number && matches!(step, Step::End | Step::Miss | Step::Lose(..));
                let is_pinned = before.pin.is_some() || before.moved;
                let may_go = before.kind == Kind::Claimed || !is_claim;
                prop_assert!(is_expired || is_ended || (!is_pinned && may_go), "{before:?}");
            }
            let status = player.ledger.status();
            prop_assert!(status.claimed <= 4);
            prop_assert!(status.issued + status.claimed <= 16);
        }
        expect_exact(&player.ledger);
    }
}
