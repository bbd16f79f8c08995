//! `cattail run`: the proxy itself.

use super::{Failure, Source};

/// Loads the configuration and runs the proxy until it is told to stop. `source` is loaded again
/// at each reload. Returns once every worker has ended.
pub(super) fn run(source: &Source) -> Result<(), Failure> {
    let _config = source.load()?;
    Err(Failure::not_built_yet("run"))
}
