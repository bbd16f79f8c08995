//! All suites, by capability.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod documentation_logging;
#[cfg(test)]
mod documentation_metrics;
