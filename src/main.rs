//! The `cattail` command: parse, run, exit code.
fn main() {}
