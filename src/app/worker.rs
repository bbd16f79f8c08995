//! One worker thread: its runtime, its listeners, its clock, its end.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::clock::TICK;
use crate::observe::metrics::WorkerId;
use crate::proxy::{Front, Published, Worker};
use crate::server::sockets::Bound;
use crate::server::{Crowd, Door, accept};
use crate::socket::attend;

/// Ticks between two sweeps of pools and log buffers.
const SWEEP: u32 = 3;

/// How far the process's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Serving.
    Serving,
    /// No new connections; those that are there end with their requests, until then at most.
    Ending(Deadlines),
    /// At once.
    Over,
}

/// Until when an orderly end waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadlines {
    /// For everything.
    pub(super) all: Instant,
    /// For tunnels.
    pub(super) tunnels: Instant,
}

impl Deadlines {
    fn at_once() -> Self {
        let now = Instant::now();
        Self {
            all: now,
            tunnels: now,
        }
    }
}

/// What a worker starts from.
pub(super) struct Start {
    pub(super) id: WorkerId,
    pub(super) published: Arc<Published>,
    pub(super) doors: Vec<(Bound, Arc<Door>)>,
    pub(super) phase: watch::Receiver<Phase>,
}

/// Starts a worker on a thread of its own.
pub(super) fn start(
    start: Start,
    front: impl Front,
) -> io::Result<thread::JoinHandle<io::Result<()>>> {
    thread::Builder::new()
        .name(format!("worker-{}", start.id.0))
        .spawn(move || run(start, front))
}

fn run(start: Start, front: impl Front) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build_local(LocalOptions::default())?;
    let ended = runtime.block_on(serve(start, front));
    // Whatever is left is cut off: the deadline has passed.
    runtime.shutdown_timeout(Duration::ZERO);
    ended
}

/// Tasks between two looks at the sockets: tokio's own default.
const EVENT_INTERVAL: u32 = 61;

async fn serve(start: Start, front: impl Front) -> io::Result<()> {
    let Start {
        id,
        published,
        doors,
        mut phase,
    } = start;
    let worker = Worker::new(id, published);
    let crowd = Rc::new(Crowd::default());
    let ticker = tokio::task::spawn_local(tick(Rc::clone(&worker)));
    let rounds = tokio::task::spawn_local(attend());
    let mut accepting = tokio::task::JoinSet::new();
    for (mut bound, door) in doors {
        if let Some(queue) = bound.take()? {
            let (worker, crowd) = (Rc::clone(&worker), Rc::clone(&crowd));
            accepting.spawn_local(accept(queue, door, worker, crowd, front.clone()));
        }
    }
    let deadlines = loop {
        let now = *phase.borrow_and_update();
        match now {
            Phase::Serving => {}
            Phase::Ending(deadlines) => break deadlines,
            Phase::Over => break Deadlines::at_once(),
        }
        if phase.changed().await.is_err() {
            break Deadlines::at_once();
        }
    };
    worker.stop();
    let orderly = async {
        while accepting.join_next().await.is_some() {}
        let mut look = interval(Duration::from_millis(10));
        while crowd.open() > 0 {
            look.tick().await;
        }
    };
    tokio::select! {
        () = ended(&worker, deadlines, orderly) => {}
        () = over(&mut phase) => {}
    }
    if crowd.open() > 0 {
        tracing::warn!(connections = crowd.open(), "cut off at the deadline");
    }
    ticker.abort();
    rounds.abort();
    Ok(())
}

/// Waits for the orderly end; at their deadlines first tunnels and then all else is over.
async fn ended(worker: &Worker, deadlines: Deadlines, orderly: impl Future<Output = ()>) {
    let mut orderly = pin!(orderly);
    let for_tunnels = deadlines.tunnels.min(deadlines.all);
    if timeout_at(for_tunnels, &mut orderly).await.is_ok() {
        return;
    }
    worker.end_tunnels();
    // They need their turns for it.
    let last = deadlines.all.max(Instant::now() + TICK);
    let _cut = timeout_at(last, orderly).await;
}

async fn over(phase: &mut watch::Receiver<Phase>) {
    while *phase.borrow_and_update() != Phase::Over {
        if phase.changed().await.is_err() {
            return;
        }
    }
}

async fn tick(worker: Rc<Worker>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        for _ in 0..SWEEP {
            ticks.tick().await;
            worker.tick();
        }
        worker.sweep();
    }
}
