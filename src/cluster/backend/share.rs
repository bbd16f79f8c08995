//! A backend's share of what no session binds, and its bound of requests: as the file, an
//! administrator and its agent say.

use std::sync::atomic::Ordering;

use super::Backend;

impl Backend {
    /// Whether requests that no session binds may go there.
    pub fn takes_new(&self) -> bool {
        self.state().takes_new() && self.agent_percent() > 0
    }

    /// What its agent makes of the weight, in percent; 0: it takes no new sessions.
    pub fn agent_percent(&self) -> u32 {
        let said = self.agent_weight.load(Ordering::Relaxed).checked_sub(1);
        said.unwrap_or(100)
    }

    /// The most requests at a time: by its agent, else by the file.
    pub(super) fn limit_requests(&self) {
        let said = self.agent_max.load(Ordering::Relaxed).checked_sub(1);
        let limit = said.unwrap_or_else(|| self.settings().max_requests);
        self.places().change(limit);
        // There may be room for those who wait.
        self.queue.settle();
    }

    /// Takes over what its agent says of `max_requests`; `None`: nothing any more. 0: no bound.
    pub fn set_agent_max(&self, most: Option<usize>) {
        let kept = most.map_or(0, |most| most.saturating_add(1));
        self.agent_max.store(kept, Ordering::Relaxed);
        self.limit_requests();
    }

    /// The same of its weight, in percent; whether that is news.
    pub(in crate::cluster) fn set_agent_weight(&self, percent: Option<u32>) -> bool {
        let kept = percent.map_or(0, |percent| percent.saturating_add(1));
        self.agent_weight.swap(kept, Ordering::Relaxed) != kept
    }

    pub(in crate::cluster) fn order_weight(&self, weight: Option<u32>) {
        self.ordered_weight
            .store(weight.unwrap_or(0), Ordering::Relaxed);
    }

    /// The weight that an administrator has ordered.
    pub fn ordered_weight(&self) -> Option<u32> {
        Some(self.ordered_weight.load(Ordering::Relaxed)).filter(|weight| *weight > 0)
    }

    /// Its share of what no session binds: as ordered, else as the file says.
    pub(in crate::cluster) fn wished_weight(&self) -> u32 {
        let filed = || self.settings().weight;
        self.ordered_weight().unwrap_or_else(filed)
    }

    /// The same in whole numbers, and of that as much as its agent says; zero: nothing new.
    pub fn weight(&self) -> u32 {
        match self.agent_percent() {
            0 => 0,
            percent => (self.wished_weight().saturating_mul(percent) / 100).clamp(1, 65_535),
        }
    }
}
