//! All suites, by capability.

mod documentation_metrics;
