//! All suites, by capability.

#[cfg(test)]
mod access_log;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod documentation_metrics;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod harness_itself;
#[cfg(test)]
mod standin;
