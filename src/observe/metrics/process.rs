//! The process's own CPU time, memory and file descriptors, read from `/proc` at each scrape.
//!
//! The names are those of every Prometheus client library, so that existing dashboards work. The
//! `prometheus` crate's own collector counts CPU in whole seconds, which is too coarse for the
//! cost of a request.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::names;
use super::scrape::Scrape;

impl Scrape {
    /// Adds the process's own figures; what `/proc` does not tell is left out.
    pub fn process(&mut self) {
        self.gauge(
            names::BUILD_INFO,
            &[("version", env!("CARGO_PKG_VERSION"))],
            1,
        );
        let ticks = rustix::param::clock_ticks_per_second();
        if let Some(stat) = fs::read_to_string("/proc/self/stat")
            .ok()
            .and_then(|text| Stat::parse(&text))
        {
            self.counter_of(names::PROCESS_CPU, &[], seconds(stat.cpu_ticks, ticks));
            if let Some(boot) = boot_time() {
                let start = seconds(
                    stat.start_ticks.saturating_add(boot.saturating_mul(ticks)),
                    ticks,
                );
                self.gauge_of(names::PROCESS_START, &[], start);
            }
            let page = u64::try_from(rustix::param::page_size()).unwrap_or_default();
            self.gauge(
                names::PROCESS_RESIDENT,
                &[],
                stat.resident_pages.saturating_mul(page),
            );
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // Without the descriptor that reads the directory.
            let open = entries.count().saturating_sub(1);
            self.gauge(
                names::PROCESS_OPEN_FDS,
                &[],
                u64::try_from(open).unwrap_or(u64::MAX),
            );
        }
        if let Some(limit) = getrlimit(Resource::Nofile).current {
            self.gauge(names::PROCESS_MAX_FDS, &[], limit);
        }
    }
}

/// What is of interest in `/proc/self/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    start_ticks: u64,
    resident_pages: u64,
}

impl Stat {
    /// proc(5): the second field is the program's name in parentheses, which may hold anything, so
    /// fields are counted after the last one; the third is the first there.
    fn parse(text: &str) -> Option<Self> {
        let (_, after_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.saturating_add(field(15)?),
            start_ticks: field(22)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the machine started, in Unix time.
fn boot_time() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows only doubles; they are exact up to 2^53"
)]
fn seconds(ticks: u64, per_second: u64) -> f64 {
    ticks as f64 / per_second.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_and_spaces_does_not_shift_fields() {
        let text =
            "42 (a) (b c) S 1 42 42 0 -1 4194560 10 0 0 0 7 5 0 0 20 0 3 0 9000 1000000 250 0\n";
        let stat = Stat {
            cpu_ticks: 12,
            start_ticks: 9000,
            resident_pages: 250,
        };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("42 (a"), None);
        assert_eq!(Stat::parse("42 (a) S 1"), None);
    }

    #[test]
    fn half_a_second_is_not_rounded_away() {
        assert!((seconds(150, 100) - 1.5).abs() < f64::EPSILON);
    }
}
