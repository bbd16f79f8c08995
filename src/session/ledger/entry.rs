//! What is remembered of one session.

use super::former::Former;
use super::words::{Key, Kind, Member, PathNumber, Seconds, Store};

/// No entry, in a chain or the list of free slots. Zero, so that untouched tables cost no memory;
/// a link to slot n is n + 1.
pub(super) const NONE: u32 = 0;

/// What the ledger knows of a session; a copy, already old when it is read. Of the whole entry, as
/// one piece: that costs a request less than to pick what it may need.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    entry: Entry,
    /// When it was copied.
    now: Seconds,
}

impl Known {
    /// Who serves the session; [`Member::NOBODY`] if that was not to be remembered.
    pub fn owner(&self) -> Member {
        self.entry.owner
    }

    /// The survivor that has requests of this session in flight, while nothing says that it has
    /// taken the session over; or the owner, if its requests are counted.
    pub fn pin(&self) -> Option<Member> {
        (self.entry.pins > 0).then_some(self.entry.pin)
    }

    /// The owner has taken the session over and the client has yet to show that it knows.
    pub fn moved(&self) -> bool {
        self.entry.is_moved(self.now)
    }

    /// Until when, if the client does not show it.
    pub fn moved_until(&self) -> Seconds {
        self.entry.moved_until
    }

    /// It was told to be lost, or its store has no copy of it.
    pub fn lost(&self) -> bool {
        self.entry.is_lost() || self.entry.is_missed()
    }

    /// Where the entry comes from.
    pub fn kind(&self) -> Kind {
        self.entry.kind().unwrap_or(Kind::Claimed)
    }

    /// The store node that the id names.
    pub fn store(&self) -> Store {
        self.entry.store
    }

    /// The Path under which it was issued.
    pub fn path(&self) -> PathNumber {
        self.entry.path
    }

    /// The owner's life at its last response.
    pub fn life(&self) -> u8 {
        self.entry.life
    }

    /// When the entry was made.
    #[cfg(test)]
    pub(super) fn created(&self) -> Seconds {
        self.entry.created
    }

    /// When the session was last seen, this request not counted.
    #[cfg(test)]
    pub(super) fn seen(&self) -> Seconds {
        self.entry.seen
    }

    /// Who owned it before, and where it is at home.
    pub fn former(&self) -> Former {
        self.entry.former()
    }

    /// Whether it is away from home.
    #[inline]
    pub fn is_away(&self) -> bool {
        self.entry.is_away()
    }

    /// The owner took it over and left its id as it was, so that every Tomcat knows it by that.
    pub fn kept_id(&self) -> bool {
        self.entry.has_kept_id()
    }
}

/// One slot of a shard's slab.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) key: Key,
    /// The next of the chain, or of the free slots.
    pub(super) next: u32,
    pub(super) seen: Seconds,
    pub(super) created: Seconds,
    /// A confirmed pin is in force until then.
    pub(super) moved_until: Seconds,
    pub(super) owner: Member,
    pub(super) pin: Member,
    /// Requests in flight at `pin`.
    pub(super) pins: u16,
    pub(super) store: Store,
    pub(super) path: PathNumber,
    pub(super) life: u8,
    /// Changes with each pin, so that a request of an older one ends nothing.
    pub(super) generation: u8,
    state: State,
    // Apart, as a `Former` of its own would be padded: an entry has 48 bytes.
    former_members: [Member; 3],
    former_marks: [u8; 3],
    /// The place among the claimed ones, in 21 bits; above them `kept_id`, and two bits of the home.
    place: [u8; 3],
}

/// In the last byte of an entry's `place`.
const KEPT_ID: u8 = 0b0010_0000;
const HOME_SHIFT: u32 = 6;
const OF_PLACE: u8 = KEPT_ID - 1;

/// What a slot is, and whether a client has shown the id since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Claimed,
    ClaimedSeen,
    /// Its owner is gone and its store has no copy; nobody has answered for it yet. Whether a backend
    /// had issued it.
    Missed(bool),
    /// Nobody has such a session any more: remembered so that its loss is told once.
    Lost,
    Issued,
    IssuedSeen,
}

impl Entry {
    /// A claimed entry that knows nothing but its owner.
    pub(super) fn new(key: Key, now: Seconds, owner: Member) -> Self {
        let Former { members, marks, .. } = Former::default();
        Self {
            key,
            next: NONE,
            seen: now,
            created: now,
            moved_until: Seconds::default(),
            owner,
            pin: Member::NOBODY,
            pins: 0,
            store: Store::NONE,
            path: PathNumber::UNKNOWN,
            life: 0,
            generation: 0,
            state: State::Claimed,
            former_members: members,
            former_marks: marks,
            place: [0; 3],
        }
    }

    #[inline]
    pub(super) fn known(&self, now: Seconds) -> Known {
        Known { entry: *self, now }
    }

    /// `None` for a free slot.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self.state {
            State::Free => None,
            State::Claimed | State::ClaimedSeen | State::Missed(_) | State::Lost => {
                Some(Kind::Claimed)
            }
            State::Issued | State::IssuedSeen => Some(Kind::Issued),
        }
    }

    /// Whether a client has shown the id since the entry was made, or since a claimed one was last
    /// spared.
    pub(super) fn is_seen_again(&self) -> bool {
        matches!(self.state, State::ClaimedSeen | State::IssuedSeen)
    }

    pub(super) fn is_moved(&self, now: Seconds) -> bool {
        self.moved_until > now
    }

    /// Whether requests are in flight at another than the owner.
    pub(super) fn is_at_a_survivor(&self) -> bool {
        self.pins > 0 && self.pin != self.owner
    }

    /// Whether requests are counted at the session, or a confirmed pin is in force.
    pub(super) fn is_pinned(&self, now: Seconds) -> bool {
        self.pins > 0 || self.is_moved(now)
    }

    pub(super) fn free(&mut self, next: u32) {
        self.state = State::Free;
        self.next = next;
    }

    /// Clocks of two workers may differ: never earlier than it was.
    pub(super) fn seen_at(&mut self, now: Seconds) {
        self.seen = self.seen.max(now);
    }

    /// A client has shown the id.
    pub(super) fn shown_again(&mut self, now: Seconds) {
        self.seen_at(now);
        self.state = match self.state {
            State::Free => State::Free,
            State::Claimed | State::ClaimedSeen => State::ClaimedSeen,
            State::Missed(was_issued) => State::Missed(was_issued),
            State::Lost => State::Lost,
            State::Issued | State::IssuedSeen => State::IssuedSeen,
        };
    }

    /// The next time it must have been seen again to be spared.
    pub(super) fn spare(&mut self) {
        if self.state == State::ClaimedSeen {
            self.state = State::Claimed;
        }
    }

    /// A backend has issued the id; a claimed one was shown by a client already.
    pub(super) fn now_issued(&mut self) {
        if self.kind() == Some(Kind::Claimed) {
            self.state = State::IssuedSeen;
        }
    }

    /// As [`now_issued`](Self::now_issued), for an entry that was made for this.
    pub(super) fn born_issued(&mut self) {
        self.state = State::Issued;
    }

    pub(super) fn is_missed(&self) -> bool {
        matches!(self.state, State::Missed(_))
    }

    pub(super) fn is_lost(&self) -> bool {
        self.state == State::Lost
    }

    /// A claimed entry from now on.
    pub(super) fn now_missed(&mut self) {
        self.state = State::Missed(self.kind() == Some(Kind::Issued));
    }

    /// Its owner has answered: what was missed was never away.
    pub(super) fn found(&mut self) {
        if let State::Missed(was_issued) = self.state {
            self.state = if was_issued {
                State::IssuedSeen
            } else {
                State::ClaimedSeen
            };
        }
    }

    /// A claimed entry from now on, without a pin, and at home nowhere else.
    pub(super) fn now_lost(&mut self) {
        self.state = State::Lost;
        self.end_pin();
        self.set_former(self.former().at_home_in(None));
    }

    /// The owner is no former owner, and a new one needs no pin and is the session's home. Of one that
    /// is the owner already the requests in flight stay counted.
    pub(super) fn set_owner(&mut self, owner: Member) {
        if self.owner == owner {
            return;
        }
        self.owner = owner;
        self.set_former(self.former().without(owner).at_home_in(None));
        if self.pin == owner {
            self.end_pin();
        }
    }

    /// Another has the session by a take-over, and `former` had it before. As long as it is away from
    /// home, the requests in flight there stay counted.
    pub(super) fn set_taker(&mut self, owner: Member, former: Former) {
        self.owner = owner;
        self.set_former(former);
        if self.pin == owner && !former.is_away() {
            self.end_pin();
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.place[2] >> HOME_SHIFT != 0
    }

    pub(super) fn has_kept_id(&self) -> bool {
        self.place[2] & KEPT_ID != 0
    }

    pub(super) fn set_kept_id(&mut self, kept: bool) {
        self.place[2] = (self.place[2] & !KEPT_ID) | if kept { KEPT_ID } else { 0 };
    }

    pub(super) fn former(&self) -> Former {
        Former {
            members: self.former_members,
            marks: self.former_marks,
            home: self.place[2] >> HOME_SHIFT,
        }
    }

    pub(super) fn set_former(&mut self, former: Former) {
        self.former_members = former.members;
        self.former_marks = former.marks;
        self.place[2] = (self.place[2] & (OF_PLACE | KEPT_ID)) | (former.home << HOME_SHIFT);
    }

    /// Pins the session to `survivor`, with one request in flight.
    pub(super) fn begin_pin(&mut self, survivor: Member) {
        self.generation = self.generation.wrapping_add(1);
        self.pin = survivor;
        self.pins = 1;
    }

    pub(super) fn end_pin(&mut self) {
        self.pin = Member::NOBODY;
        self.pins = 0;
    }

    pub(super) fn place(&self) -> u32 {
        let [low, middle, high] = self.place;
        u32::from_le_bytes([low, middle, high & OF_PLACE, 0])
    }

    pub(super) fn set_place(&mut self, place: u32) {
        let [low, middle, high, _] = place.to_le_bytes();
        let others = self.place[2] & !OF_PLACE;
        self.place = [low, middle, (high & OF_PLACE) | others];
    }
}
