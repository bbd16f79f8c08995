//! `cattail run`: the proxy itself.

use super::{Failure, Source};
use crate::app::{self, RunFailure, StartFailure};

/// Loads the configuration and runs the proxy until it is told to stop. `source` is loaded again
/// at each reload. Returns once every worker has ended.
pub(super) fn run(source: &Source) -> Result<(), Failure> {
    Ok(app::run(|| source.load(), |_| {})?)
}

impl From<StartFailure> for Failure {
    fn from(failure: StartFailure) -> Self {
        match failure {
            // What the file asks for cannot be had: the file or the machine must change first.
            StartFailure::System(error) => Self::Runtime(Box::new(error)),
            failure => Self::Unusable(Box::new(failure)),
        }
    }
}

impl From<RunFailure> for Failure {
    fn from(failure: RunFailure) -> Self {
        match failure {
            RunFailure::Configuration(report) => Self::Configuration(report),
            RunFailure::Start(failure) => failure.into(),
            RunFailure::Diagnostics(failure) => Self::Runtime(Box::new(failure)),
        }
    }
}
