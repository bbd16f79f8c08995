//! The `cattail` command: parse, run, exit code.

use std::process::ExitCode;

use cattail::cli::{self, Cli};
use clap::Parser;

fn main() -> ExitCode {
    // Usage faults end here with exit code 2, `--help` with 0.
    let cli = Cli::parse();
    match cli::execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(text) = failure.to_tell() {
                cli::complain(&text);
            }
            failure.exit_code()
        }
    }
}
