//! From a [`Scrape`] to the text that Prometheus reads, through the `prometheus` crate.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::{Registry, TextEncoder, proto};

use super::names;
use super::scrape::Scrape;

/// The content type of [`Exposition::text`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// A registry whose samples are collected anew at each scrape.
#[derive(Debug, Clone)]
pub struct Exposition {
    registry: Registry,
}

impl Exposition {
    /// An exposition of what `collect` puts into each scrape. Fails only if a metric's name, label
    /// or help text is not one that Prometheus takes, which tests rule out.
    pub fn new(
        collect: impl Fn(&mut Scrape) + Send + Sync + 'static,
    ) -> Result<Self, prometheus::Error> {
        let descriptions = names::ALL
            .iter()
            .map(|metric| {
                let labels = metric
                    .labels
                    .iter()
                    .map(|label| (*label).to_owned())
                    .collect();
                let none = std::collections::HashMap::new();
                Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, none)
            })
            .collect::<Result<_, _>>()?;
        let registry = Registry::new();
        registry.register(Box::new(Cells {
            descriptions,
            collect: Arc::new(collect),
        }))?;
        Ok(Self { registry })
    }

    /// All samples now, in Prometheus's text format.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

struct Cells {
    descriptions: Vec<Desc>,
    collect: Arc<dyn Fn(&mut Scrape) + Send + Sync>,
}

impl Collector for Cells {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let mut scrape = Scrape::default();
        (self.collect)(&mut scrape);
        scrape.into_families()
    }
}

#[cfg(test)]
mod tests;
