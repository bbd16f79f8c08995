//! Who owned a session before its owner.

use super::words::Member;

/// More are forgotten, the oldest first.
const MOST: usize = 3;

/// The former owners of a session, the newest first, each with its *refusal mark*: how often it had
/// refused connections at the end of the life in which it served last. A backend whose mark has
/// changed since was restarted and holds nothing of the session any more. Never holds the owner itself, nor a member twice.
///
/// One of them may be the session's *home*: the one that it left because it had to, and goes back to
/// where the administrator wants that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Former {
    pub(super) members: [Member; MOST],
    pub(super) marks: [u8; MOST],
    /// The place of the home among them, from 1 on; 0: the session is at home where it is.
    pub(super) home: u8,
}

impl Default for Former {
    fn default() -> Self {
        Self {
            members: [Member::NOBODY; MOST],
            marks: [0; MOST],
            home: 0,
        }
    }
}

impl Former {
    /// Whether the session is away from home.
    pub fn is_away(&self) -> bool {
        self.home > 0
    }

    /// Where it is at home, if it is away.
    pub fn home(&self) -> Option<Member> {
        let place = usize::from(self.home).checked_sub(1)?;
        self.members.get(place).copied()
    }

    /// The refusal mark of `member`, if it is a former owner.
    pub fn contains(&self, member: Member) -> Option<u8> {
        self.iter()
            .find_map(|(former, mark)| (former == member).then_some(mark))
    }

    /// The former owners with their marks, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = (Member, u8)> {
        let all = self.members.into_iter().zip(self.marks);
        all.filter(|(member, _)| *member != Member::NOBODY)
    }

    /// With `member` as the newest; nobody is not worth a place.
    #[must_use]
    pub(super) fn with(&self, member: Member, mark: u8) -> Self {
        let newest = Some((member, mark)).filter(|_| member != Member::NOBODY);
        let others = self.iter().filter(|(former, _)| *former != member);
        Self::of(newest.into_iter().chain(others)).at_home_in(self.home())
    }

    /// Whoever comes home is at home there.
    #[must_use]
    pub(super) fn without(&self, member: Member) -> Self {
        Self::of(self.iter().filter(|(former, _)| *former != member)).at_home_in(self.home())
    }

    /// With this one as its home, if it is among them; a home that is forgotten is none.
    #[must_use]
    pub(super) fn at_home_in(&self, home: Option<Member>) -> Self {
        let is_home = |member: &Member| *member != Member::NOBODY && Some(*member) == home;
        let place = self.members.iter().position(is_home);
        let home = place.and_then(|place| u8::try_from(place + 1).ok());
        Self {
            home: home.unwrap_or(0),
            ..*self
        }
    }

    fn of(owners: impl Iterator<Item = (Member, u8)>) -> Self {
        let mut former = Self::default();
        let places = former.members.iter_mut().zip(&mut former.marks);
        for ((member, mark), owner) in places.zip(owners) {
            (*member, *mark) = owner;
        }
        former
    }
}
