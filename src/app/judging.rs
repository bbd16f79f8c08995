//! What judges the answers of a cluster's backends.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::machine::Event;
use crate::cluster::{Backend, Cluster};
use crate::health::outliers::{Counted, Judge, Verdict, usual};
use crate::observe::metrics::HistogramTotal;

/// What judges the answers of a cluster's backends.
pub(super) struct Judging {
    cluster: Arc<Cluster>,
    began: Instant,
    judges: Vec<Judge>,
    /// The lives of the backends at the last look.
    lives: Vec<u64>,
}

impl Judging {
    pub(super) fn of(cluster: &Arc<Cluster>) -> Self {
        let began = Instant::now();
        let outliers = &cluster.config.outliers;
        let judge = |backend: &Arc<Backend>| {
            let mut judge = Judge::default();
            // From before a reload: nobody knows for how long.
            if backend.is_outlying() {
                judge.is_out(Duration::ZERO, outliers);
            }
            judge
        };
        Self {
            cluster: Arc::clone(cluster),
            began,
            judges: cluster.backends.iter().map(judge).collect(),
            lives: cluster.backends.iter().map(|it| it.epoch()).collect(),
        }
    }

    /// A Tomcat that was restarted is not the one that gave bad answers as it died.
    fn forget_former_lives(&mut self) {
        let judged = self.judges.iter_mut().zip(&mut self.lives);
        for (slot, (judge, life)) in self.cluster.slots().zip(judged) {
            let now = self.cluster.backend(slot).map_or(0, |it| it.epoch());
            if mem::replace(life, now) != now && judge.begin_anew() {
                self.cluster.report(slot, Event::Readmitted);
            }
        }
    }

    pub(super) fn look(&mut self) {
        self.forget_former_lives();
        let outliers = &self.cluster.config.outliers;
        let at = self.began.elapsed();
        let pairs = self.judges.iter_mut().zip(&self.cluster.backends);
        let means: Vec<_> = pairs
            .map(|(judge, backend)| judge.look(at, counted(backend), outliers))
            .collect();
        for (place, slot) in self.cluster.slots().enumerate() {
            let Some(judge) = self.judges.get_mut(place) else {
                return;
            };
            let mean = means.get(place).copied().flatten();
            // All others are looked at: only where it matters.
            let is_asked =
                outliers.slow_factor > 0 && mean.is_some_and(|it| it >= outliers.slow_time);
            let usual = is_asked.then(|| usual(&means, place)).flatten();
            match judge.judge(at, (mean, usual), outliers) {
                Some(Verdict::Outlying) if self.cluster.report_outlying(slot) => {
                    judge.is_out(at, outliers);
                }
                Some(Verdict::Readmit) => self.cluster.report(slot, Event::Readmitted),
                Some(Verdict::Outlying) | None => {}
            }
        }
    }
}

fn counted(backend: &Backend) -> Counted {
    let (bad, row) = backend.bad_answers();
    let mut times = HistogramTotal::default();
    for cells in backend.cells.iter() {
        cells.response_time.add_to(&mut times);
    }
    Counted {
        // Those under way are few beside those of a whole window.
        answers: backend.cells.sum(|cells| cells.attempts.value()),
        bad,
        time: times.time(),
        timed: times.count(),
        row,
    }
}
