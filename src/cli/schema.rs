//! `cattail schema`: the JSON Schema of the configuration file.

use crate::config;

use super::Failure;
use super::output::print;

pub(super) fn schema() -> Result<(), Failure> {
    Ok(print(&format!("{:#}", config::schema()))?)
}
