//! One scrape: samples are collected by name, then handed to the encoder.

use std::collections::BTreeMap;

use prometheus::proto;

use super::cells::PerWorker;
use super::histogram::{Histogram, HistogramTotal};
use super::names::{Metric, MetricKind};

/// A sample's labels: name and value, in the order that the metric declares.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// Collects the samples of one scrape.
#[derive(Debug, Default)]
pub struct Scrape {
    families: BTreeMap<&'static str, proto::MetricFamily>,
}

impl Scrape {
    /// Adds a counter's sample.
    pub fn counter(&mut self, metric: Metric, labels: Labels<'_>, value: u64) {
        self.counter_of(metric, labels, float(value));
    }

    /// Adds a counter's sample that is not whole.
    pub fn counter_of(&mut self, metric: Metric, labels: Labels<'_>, value: f64) {
        debug_assert_eq!(metric.kind, MetricKind::Counter, "{}", metric.name);
        let mut counter = proto::Counter::default();
        counter.set_value(value);
        let mut sample = sample(metric, labels);
        sample.set_counter(counter);
        self.push(metric, sample);
    }

    /// Adds a gauge's sample.
    pub fn gauge(&mut self, metric: Metric, labels: Labels<'_>, value: u64) {
        self.gauge_of(metric, labels, float(value));
    }

    /// Adds a gauge's sample that is not whole.
    pub fn gauge_of(&mut self, metric: Metric, labels: Labels<'_>, value: f64) {
        debug_assert_eq!(metric.kind, MetricKind::Gauge, "{}", metric.name);
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        let mut sample = sample(metric, labels);
        sample.set_gauge(gauge);
        self.push(metric, sample);
    }

    /// Adds one gauge sample per member of a closed set: 1 for `current`, 0 for the others. The
    /// metric's last label is the set's.
    pub fn one_of(&mut self, metric: Metric, labels: Labels<'_>, (all, current): (&[&str], &str)) {
        let Some(set) = metric.labels.last() else {
            return;
        };
        for member in all {
            let mut labels = labels.to_vec();
            labels.push((set, member));
            self.gauge(metric, &labels, u64::from(*member == current));
        }
    }

    /// Adds the sum of the workers' histograms.
    pub fn histogram<T>(
        &mut self,
        metric: Metric,
        labels: Labels<'_>,
        cells: &PerWorker<T>,
        histogram: impl Fn(&T) -> &Histogram,
    ) {
        debug_assert_eq!(metric.kind, MetricKind::Histogram, "{}", metric.name);
        let mut total = HistogramTotal::default();
        for cell in cells.iter() {
            histogram(cell).add_to(&mut total);
        }
        let mut encoded = proto::Histogram::default();
        encoded.set_sample_count(total.count());
        encoded.set_sample_sum(total.time().as_secs_f64());
        let buckets = total.cumulated().map(|(bound, events)| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(events);
            bucket
        });
        encoded.set_bucket(buckets.collect());
        let mut sample = sample(metric, labels);
        sample.set_histogram(encoded);
        self.push(metric, sample);
    }

    pub(super) fn into_families(self) -> Vec<proto::MetricFamily> {
        self.families.into_values().collect()
    }

    fn push(&mut self, metric: Metric, sample: proto::Metric) {
        self.families
            .entry(metric.name)
            .or_insert_with(|| family(metric))
            .mut_metric()
            .push(sample);
    }
}

fn family(metric: Metric) -> proto::MetricFamily {
    let mut family = proto::MetricFamily::default();
    family.set_name(metric.name.to_owned());
    family.set_help(metric.help.to_owned());
    family.set_field_type(match metric.kind {
        MetricKind::Counter => proto::MetricType::COUNTER,
        MetricKind::Gauge => proto::MetricType::GAUGE,
        MetricKind::Histogram => proto::MetricType::HISTOGRAM,
    });
    family
}

fn sample(metric: Metric, labels: Labels<'_>) -> proto::Metric {
    debug_assert!(
        labels.iter().map(|(name, _)| name).eq(metric.labels),
        "{}: labels are {:?}",
        metric.name,
        metric.labels
    );
    // To Prometheus one that is empty is the same as none.
    let told = labels.iter().filter(|(_, value)| !value.is_empty());
    let pairs = told.map(|(name, value)| {
        let mut pair = proto::LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    proto::Metric::from_label(pairs.collect())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows only doubles; they are exact up to 2^53"
)]
fn float(value: u64) -> f64 {
    value as f64
}
