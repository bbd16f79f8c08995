//! Durations by fixed buckets. One writer, as all cells.

use std::time::Duration;

use super::cells::Counter;

/// The upper bounds, inclusive, in nanoseconds; a last bucket takes what is longer.
const BOUNDS_NANOS: [u64; BOUNDS] = [
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

const BOUNDS: usize = 15;

/// The bounds in seconds, as they are shown.
pub const BOUNDS_SECONDS: [f64; BOUNDS] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// How many events took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BOUNDS + 1],
    nanos: Counter,
}

impl Histogram {
    /// Counts one event.
    #[inline]
    pub fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // A linear search: most requests end in the first few buckets.
        let place = BOUNDS_NANOS
            .iter()
            .position(|bound| nanos <= *bound)
            .unwrap_or(BOUNDS);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.inc();
        }
        self.nanos.add(nanos);
    }

    /// How many events were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(Counter::value).sum()
    }

    /// The time of all events together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos.value())
    }

    /// Adds what is counted here to `total`.
    pub fn add_to(&self, total: &mut HistogramTotal) {
        for (sum, bucket) in total.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.value();
        }
        total.time += self.sum();
    }
}

/// The sum of several workers' histograms, at one scrape.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HistogramTotal {
    /// Events per bucket, not cumulated; the last takes what is above every bound.
    buckets: [u64; BOUNDS + 1],
    time: Duration,
}

impl HistogramTotal {
    /// Each bound in seconds, with the events up to it.
    pub fn cumulated(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut events = 0;
        BOUNDS_SECONDS
            .into_iter()
            .zip(self.buckets)
            .map(move |(bound, count)| {
                events += count;
                (bound, events)
            })
    }

    /// All events. Derived from the buckets, so that it never disagrees with them.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The time of all events together.
    pub fn time(&self) -> Duration {
        self.time
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_are_the_same_in_both_units() {
        for (nanos, seconds) in BOUNDS_NANOS.into_iter().zip(BOUNDS_SECONDS) {
            assert_eq!(
                Duration::from_nanos(nanos),
                Duration::from_secs_f64(seconds)
            );
        }
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_millis(1));
        histogram.record(Duration::from_nanos(1_000_001));
        histogram.record(Duration::from_secs(61));
        let mut total = HistogramTotal::default();
        histogram.add_to(&mut total);
        let upto: Vec<_> = total.cumulated().map(|(_, events)| events).collect();
        assert_eq!(upto[..3], [1, 2, 2]);
        assert_eq!((upto[14], total.count()), (2, 3));
        assert_eq!(total.time(), Duration::from_nanos(61_002_000_001));
    }

    proptest! {
        #[test]
        fn every_event_is_counted_once_and_buckets_rise(millis in prop::collection::vec(0u64..100_000, 0..50)) {
            let histogram = Histogram::default();
            for &time in &millis {
                histogram.record(Duration::from_millis(time));
            }
            let mut total = HistogramTotal::default();
            histogram.add_to(&mut total);
            prop_assert_eq!(total.count(), millis.len() as u64);
            for (bound, events) in total.cumulated() {
                let expected = millis.iter().filter(|time| Duration::from_millis(**time) <= Duration::from_secs_f64(bound)).count();
                prop_assert_eq!(events, expected as u64);
            }
        }
    }
}
