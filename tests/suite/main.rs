//! All suites, by capability.

#[cfg(test)]
mod harness;
#[cfg(test)]
mod harness_itself;
#[cfg(test)]
mod standin;
