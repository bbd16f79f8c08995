//! Who owned a session before its owner.

use super::words::Member;

/// More are forgotten, the oldest first.
const MOST: usize = 3;

/// The former owners of a session, the newest first, each with its *refusal mark*: how often it had
/// refused connections at the end of the life in which it served last. A backend whose mark has
/// changed since was restarted and holds nothing of the session any more. Never holds the owner itself, nor a member twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Former {
    pub(super) members: [Member; MOST],
    pub(super) marks: [u8; MOST],
}

impl Default for Former {
    fn default() -> Self {
        Self {
            members: [Member::NOBODY; MOST],
            marks: [0; MOST],
        }
    }
}

impl Former {
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
        Self::of(newest.into_iter().chain(self.without(member).iter()))
    }

    #[must_use]
    pub(super) fn without(&self, member: Member) -> Self {
        Self::of(self.iter().filter(|(former, _)| *former != member))
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
