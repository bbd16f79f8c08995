//! `cattail run`: the proxy itself.

use super::{Failure, Source};
use crate::app::{self, RunFailure, StartFailure};
use crate::config::Report;

/// Loads the configuration and runs the proxy until it is told to stop. `source` is loaded again
/// at each reload. Returns once every worker has ended.
pub(super) fn run(source: &Source) -> Result<(), Failure> {
    app::run(|| source.load(), |_| {}).map_err(|failure| placed(failure, source))
}

/// A start that failed for what the file says, told as a problem of the file.
fn placed(failure: RunFailure, source: &Source) -> Failure {
    if let (RunFailure::Start(failure), Some(file)) = (&failure, &source.config) {
        let findings = failure.findings();
        if !findings.is_empty() {
            return Failure::Configuration(Report::of_findings(file, findings));
        }
    }
    failure.into()
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
