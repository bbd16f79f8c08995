//! The `cattail` command: parse, run, exit code.

use std::process::ExitCode;

use cattail::cli::{self, Cli};
use clap::Parser;

/// For static images above all: musl's own allocator is slow under threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The ledger's tables are reserved at the start and used as they fill; in huge pages the first
    // use of each takes two mebibytes. Where the kernel knows no such pages, nothing is lost.
    rustix::thread::disable_transparent_huge_pages(true).ok();
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
