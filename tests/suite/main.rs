//! All suites, by capability.
