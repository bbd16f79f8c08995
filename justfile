# The recipes that people and continuous integration share. Each is one line, so that it also reads as documentation
# where `just` is not installed.

# Format, lints, documentation, tests, licences: what every commit must pass.
check:
    tests/run --quick

# Everything, with real servers; installs what is missing.
test-real:
    tests/run

# One fuzz target for some time: just fuzz NAME SECONDS
fuzz name seconds='60':
    tests/fuzz/run {{seconds}} {{name}}

# Cattail beside nginx and HAProxy: just bench --workloads A
bench *options:
    tests/bench/run {{options}}

# Licences, banned crates, sources, and known vulnerabilities (needs the network).
deny:
    tests/run deny advisories
