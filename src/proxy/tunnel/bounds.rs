//! When a tunnel has lasted, or been silent, for too long: a pure table.

use std::time::Duration;

use crate::config::Timeouts;
use crate::observe::metrics::TunnelEnd;

/// How a tunnel stands, by the milliseconds of its worker's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// When it began.
    pub(super) began: u64,
    /// When a byte moved last.
    pub(super) moved: u64,
    /// Whether a side has ended its half.
    pub(super) is_half_closed: bool,
    /// When its backend left the configuration.
    pub(super) removed: Option<u64>,
}

impl Standing {
    /// When it has to end if nothing happens, and of what; `None`: never.
    pub(super) fn end(&self, timeouts: &Timeouts) -> Option<(u64, TunnelEnd)> {
        let bounded = |since: u64, limit: Duration, end| {
            let at = since.saturating_add(ms(limit));
            (!limit.is_zero()).then_some((at, end))
        };
        let half_closed = if self.is_half_closed {
            timeouts.tunnel_half_closed
        } else {
            Duration::ZERO
        };
        let removed = self.removed.map(|since| {
            let at = since.saturating_add(ms(timeouts.tunnel_removed));
            (at, TunnelEnd::Removed)
        });
        [
            removed,
            bounded(self.began, timeouts.tunnel_lifetime, TunnelEnd::Lifetime),
            bounded(self.moved, half_closed, TunnelEnd::HalfClosed),
            bounded(self.moved, timeouts.tunnel_idle, TunnelEnd::Idle),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        connect: Duration::ZERO,
        response: Duration::ZERO,
        body_idle: Duration::ZERO,
        tunnel_idle: Duration::from_millis(100),
        tunnel_half_closed: Duration::from_millis(20),
        tunnel_lifetime: Duration::from_millis(500),
        tunnel_removed: Duration::from_millis(50),
    };

    #[test]
    fn the_first_bound_ends_it() {
        let table = [
            (0, false, None, Some((100, TunnelEnd::Idle))),
            (300, false, None, Some((400, TunnelEnd::Idle))),
            (450, false, None, Some((500, TunnelEnd::Lifetime))),
            (450, true, None, Some((470, TunnelEnd::HalfClosed))),
            (490, true, None, Some((500, TunnelEnd::Lifetime))),
            (300, false, Some(310), Some((360, TunnelEnd::Removed))),
            (300, true, Some(310), Some((320, TunnelEnd::HalfClosed))),
        ];
        for (moved, is_half_closed, removed, expected) in table {
            let standing = Standing {
                began: 0,
                moved,
                is_half_closed,
                removed,
            };
            assert_eq!(standing.end(&TIMEOUTS), expected, "{standing:?}");
        }
    }

    #[test]
    fn a_half_may_be_silent_no_longer_than_the_whole() {
        let ms = Duration::from_millis;
        let table = [
            (ms(100), ms(20), Some((20, TunnelEnd::HalfClosed))),
            (ms(20), ms(100), Some((20, TunnelEnd::Idle))),
            (ms(20), ms(20), Some((20, TunnelEnd::HalfClosed))),
            (ms(20), ms(0), Some((20, TunnelEnd::Idle))),
            (ms(0), ms(20), Some((20, TunnelEnd::HalfClosed))),
            (ms(0), ms(0), None),
        ];
        for (tunnel_idle, tunnel_half_closed, expected) in table {
            let timeouts = Timeouts {
                tunnel_idle,
                tunnel_half_closed,
                tunnel_lifetime: Duration::ZERO,
                ..TIMEOUTS
            };
            let standing = Standing {
                began: 0,
                moved: 0,
                is_half_closed: true,
                removed: None,
            };
            assert_eq!(standing.end(&timeouts), expected, "{timeouts:?}");
        }
    }

    #[test]
    fn without_bounds_it_lasts_until_its_backend_is_removed() {
        let without = Timeouts {
            tunnel_idle: Duration::ZERO,
            tunnel_lifetime: Duration::ZERO,
            tunnel_removed: Duration::ZERO,
            ..TIMEOUTS
        };
        let mut standing = Standing {
            began: 7,
            moved: 7,
            is_half_closed: false,
            removed: None,
        };
        assert_eq!(standing.end(&without), None);
        standing.removed = Some(9);
        assert_eq!(standing.end(&without), Some((9, TunnelEnd::Removed)));
    }
}
