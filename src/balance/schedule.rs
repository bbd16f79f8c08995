//! Smooth weighted round robin, laid out in advance.
//!
//! A schedule is one round: each member as often as its weight says, spread as evenly as nginx's
//! smooth algorithm does (5, 1, 1 gives a a b a c a a). Laid out off the request's way, read by all
//! workers with one shared cursor, so the order is exact across them. Why a table and not running
//! credits: `docs/decisions/0010-round-robin-schedule.md`.

/// Most entries of a round, as long as there are fewer members than that.
pub const MAX_ENTRIES: u32 = 4_096;

/// A backend's place in its cluster's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u16);

/// One who takes part in balancing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Which backend.
    pub slot: Slot,
    /// Its share. Zero counts as one.
    pub weight: u32,
}

/// One round of turns.
///
/// Its length is the sum of the weights over their greatest common divisor. Where that exceeds
/// [`MAX_ENTRIES`], the weights are scaled down: a member whose share is less than one turn gets
/// one, the rest is shared by largest remainder, so every other share is off by less than one turn
/// of its exact part of the rest. Only more members than [`MAX_ENTRIES`] make a longer round: one
/// turn each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    members: Box<[Member]>,
    /// Indexes into `members`.
    turns: Box<[u16]>,
}

#[cfg(test)]
impl Schedule {
    /// Slots from zero on with these weights.
    pub(super) fn of_weights(weights: &[u32]) -> Self {
        let members: Vec<_> = (0..)
            .zip(weights)
            .map(|(slot, weight)| Member {
                slot: Slot(slot),
                weight: *weight,
            })
            .collect();
        Self::new(&members)
    }
}

impl Schedule {
    /// Lays out the round of `members`; at most 65,536 of them, further ones are left out.
    /// Costs members times entries: not for the request's way.
    pub fn new(members: &[Member]) -> Self {
        let members: Box<[Member]> = members
            .iter()
            .take(usize::from(u16::MAX) + 1)
            .map(|member| Member {
                slot: member.slot,
                weight: member.weight.max(1),
            })
            .collect();
        let turns = smooth(&turns_of(&members)).into_boxed_slice();
        Self { members, turns }
    }

    /// Turns of a round.
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    /// Whether nobody takes part.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whose turn it is; `None`: nobody takes part.
    pub fn at(&self, cursor: usize) -> Option<Slot> {
        self.member_at(cursor).map(|member| member.slot)
    }

    /// Who takes part, in the order given.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member whose turn it is.
    pub(super) fn member_at(&self, cursor: usize) -> Option<Member> {
        self.members.get(self.index_at(cursor)?).copied()
    }

    /// Every member once, beginning with the one whose turn it is.
    pub(super) fn members_from(&self, cursor: usize) -> impl Iterator<Item = Member> {
        let first = self.index_at(cursor).unwrap_or(0);
        let (before, from) = self.members.split_at_checked(first).unwrap_or_default();
        from.iter().chain(before).copied()
    }

    fn index_at(&self, cursor: usize) -> Option<usize> {
        let turn = cursor.checked_rem(self.turns.len())?;
        self.turns.get(turn).map(|index| usize::from(*index))
    }
}

/// How many turns of a round each member gets.
fn turns_of(members: &[Member]) -> Vec<u32> {
    let divisor = members
        .iter()
        .fold(0, |divisor, member| gcd(divisor, member.weight));
    let exact: Vec<u32> = members
        .iter()
        .map(|member| member.weight.checked_div(divisor).unwrap_or(1))
        .collect();
    let sum: u64 = exact.iter().copied().map(u64::from).sum();
    if sum <= u64::from(MAX_ENTRIES) {
        return exact;
    }
    scaled(&exact, sum)
}

/// `weights` brought down to [`MAX_ENTRIES`] turns, nobody below one.
fn scaled(weights: &[u32], sum: u64) -> Vec<u32> {
    let mut order: Vec<(usize, u64)> = weights.iter().copied().map(u64::from).enumerate().collect();
    order.sort_by_key(|(_, weight)| *weight);
    // Lightest first: giving one a whole turn leaves less for the others, never more, so those
    // behind the first that needs no help need none either.
    let (mut entries, mut rest) = (u64::from(MAX_ENTRIES), sum);
    let mut turns = vec![1; weights.len()];
    let mut remainders = Vec::new();
    for (index, weight) in order {
        if remainders.is_empty() && weight * entries < rest {
            entries = entries.saturating_sub(1);
            rest -= weight;
            continue;
        }
        let share = weight * entries;
        if let Some(turns) = turns.get_mut(index) {
            *turns = u32::try_from(share / rest).unwrap_or(u32::MAX).max(1);
        }
        remainders.push((share % rest, index));
    }
    // The fractions add up to a whole number of turns: they go to the largest ones, the first
    // member first among equals.
    let leftover = remainders.iter().map(|(part, _)| part).sum::<u64>() / rest.max(1);
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for ((_, index), _) in remainders.iter().zip(0..leftover) {
        if let Some(turns) = turns.get_mut(*index) {
            *turns += 1;
        }
    }
    turns
}

/// nginx's smooth algorithm: everybody earns its weight, the richest (the first among equals)
/// takes the turn and pays the sum of all weights.
fn smooth(turns: &[u32]) -> Vec<u16> {
    let total: i64 = turns.iter().copied().map(i64::from).sum();
    let mut credits = vec![0_i64; turns.len()];
    let mut round = Vec::with_capacity(usize::try_from(total).unwrap_or(0));
    for _ in 0..total {
        let mut richest: Option<(u16, i64)> = None;
        for ((index, credit), earned) in (0..=u16::MAX).zip(&mut credits).zip(turns) {
            *credit += i64::from(*earned);
            if richest.is_none_or(|(_, most)| *credit > most) {
                richest = Some((index, *credit));
            }
        }
        let Some((index, _)) = richest else { break };
        if let Some(credit) = credits.get_mut(usize::from(index)) {
            *credit -= total;
        }
        round.push(index);
    }
    round
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
