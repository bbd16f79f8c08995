//! The claimed entries of a shard in the order in which they came.

use super::entry::NONE;

/// Places are kept in 21 bits of an entry.
const MOST: u32 = 0x001f_ffff;

/// A bounded list that anything can be taken out of at any time. Links are the place + 1, so that
/// zero is none.
#[derive(Debug)]
pub(super) struct Queue {
    /// Never grows beyond the capacity it was made with.
    places: Vec<Place>,
    most: usize,
    length: usize,
    first: u32,
    last: u32,
    /// Chained by `after`.
    free: u32,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    slot: u32,
    before: u32,
    after: u32,
}

impl Queue {
    pub(super) const PLACE_BYTES: usize = size_of::<Place>();

    pub(super) fn new(most: u32) -> Self {
        let most = usize::try_from(most.min(MOST)).unwrap_or(0);
        Self {
            places: Vec::with_capacity(most),
            most,
            length: 0,
            first: NONE,
            last: NONE,
            free: NONE,
        }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn is_full(&self) -> bool {
        self.length >= self.most
    }

    #[cfg(test)]
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The slot that came first.
    pub(super) fn first(&self) -> Option<u32> {
        self.at(self.first).map(|place| place.slot)
    }

    /// Lets `slot` come last; the answer is its place. `None` if there is none left.
    pub(super) fn push(&mut self, slot: u32) -> Option<u32> {
        if self.is_full() {
            return None;
        }
        let place = Place {
            slot,
            before: self.last,
            after: NONE,
        };
        let link = if let Some(free) = self.at_mut(self.free) {
            let after = free.after;
            *free = place;
            std::mem::replace(&mut self.free, after)
        } else {
            self.places.push(place);
            u32::try_from(self.places.len()).unwrap_or(NONE)
        };
        match self.at_mut(self.last) {
            Some(last) => last.after = link,
            None => self.first = link,
        }
        self.last = link;
        self.length += 1;
        Some(link - 1)
    }

    /// Takes out what stands at `place`.
    pub(super) fn remove(&mut self, place: u32) {
        let link = place + 1;
        let free = self.free;
        let Some(&Place { before, after, .. }) = self.at(link) else {
            return;
        };
        match self.at_mut(before) {
            Some(earlier) => earlier.after = after,
            None => self.first = after,
        }
        match self.at_mut(after) {
            Some(later) => later.before = before,
            None => self.last = before,
        }
        if let Some(removed) = self.at_mut(link) {
            removed.after = free;
        }
        self.free = link;
        self.length -= 1;
    }

    fn at(&self, link: u32) -> Option<&Place> {
        let at = usize::try_from(link.checked_sub(1)?).ok()?;
        self.places.get(at)
    }

    fn at_mut(&mut self, link: u32) -> Option<&mut Place> {
        let at = usize::try_from(link.checked_sub(1)?).ok()?;
        self.places.get_mut(at)
    }
}
