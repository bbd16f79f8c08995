//! Single values: durations, sizes, numbers, switches and choices, within the bounds of their
//! kind.

use std::time::Duration;

use crate::config::keys::Kind;
use crate::config::nearest::nearest;
use crate::config::{ByteSize, foreign, units};

use super::at::At;

impl At<'_> {
    pub(super) fn duration(&self) -> Duration {
        let Kind::Duration(least, most) = *self.kind else {
            return Duration::ZERO;
        };
        let bounds = Duration::from_millis(least)..=Duration::from_millis(most);
        self.parse(|text| match units::duration(text) {
            Ok(duration) if bounds.contains(&duration) => Ok(duration),
            Ok(_) => Err(None),
            Err(no_unit) => {
                let is_within = |meant: &String| {
                    units::duration(meant).is_ok_and(|duration| bounds.contains(&duration))
                };
                let meant = no_unit.meant.filter(is_within);
                Err(meant.map(|meant| format!("write {meant}")))
            }
        })
        .unwrap_or_default()
    }

    pub(super) fn size(&self) -> ByteSize {
        let Kind::Size(least, most) = *self.kind else {
            return ByteSize(0);
        };
        self.parse(|text| match units::size(text) {
            Ok(size) if (least..=most).contains(&size.0) => Ok(size),
            Ok(_) => Err(None),
            Err(no_unit) => Err(no_unit.meant.map(|meant| format!("write {meant}"))),
        })
        .unwrap_or(ByteSize(0))
    }

    /// A whole number; also of a kind that allows other words, which are looked at before.
    pub(super) fn count(&self) -> u64 {
        let bounds = match self.kind {
            Kind::Count(least, most) => Some((*least, *most)),
            Kind::Either(kinds) => kinds.iter().find_map(|kind| match kind {
                Kind::Count(least, most) => Some((*least, *most)),
                _ => None,
            }),
            _ => None,
        };
        let (least, most) = bounds.unwrap_or((0, u64::MAX));
        self.parse(|text| match text.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(None),
        })
        .unwrap_or(least)
    }

    /// The same as a length in memory.
    pub(super) fn length(&self) -> usize {
        usize::try_from(self.count()).unwrap_or(usize::MAX)
    }

    pub(super) fn small(&self) -> u32 {
        u32::try_from(self.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn switch(&self) -> bool {
        self.parse(|text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            "on" | "yes" | "1" => Err(Some("write true".to_owned())),
            "off" | "no" | "0" => Err(Some("write false".to_owned())),
            _ => Err(None),
        })
        .unwrap_or_default()
    }

    /// One of the words of a choice, with its meaning.
    pub(super) fn choice<T: Clone>(&self, meanings: &[(&str, T)]) -> Option<T> {
        self.parse(|text| {
            let found = meanings.iter().find(|(word, _)| *word == text);
            found.map(|(_, meaning)| meaning.clone()).ok_or_else(|| {
                if let Some(here) = foreign::hint_at(&self.path, text) {
                    return Some(here.to_owned());
                }
                let near = nearest(text, meanings.iter().map(|(word, _)| *word));
                near.map(|near| format!("write {near}"))
                    .or_else(|| foreign::hint(text).map(str::to_owned))
            })
        })
    }
}
