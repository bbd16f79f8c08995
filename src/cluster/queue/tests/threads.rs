//! Many threads at one queue.

use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::*;

/// Wakes its thread.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Whether somebody goes away after a moment, so that those who go and places that come meet.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Patience {
    Short,
    Endless,
}

/// Waits on this thread.
fn served_on_this_thread(mut waiting: Waiting, patience: Patience) -> Option<Served> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let cx = Context::from_waker(&waker);
    let time = match patience {
        Patience::Short => Duration::from_micros(50),
        Patience::Endless => Duration::from_mins(1),
    };
    let came = Instant::now();
    loop {
        if let Poll::Ready(served) = waiting.poll(&cx) {
            return Some(served);
        }
        let left = time.saturating_sub(came.elapsed());
        if left.is_zero() {
            assert_eq!(patience, Patience::Short, "nobody woke it");
            return None;
        }
        thread::park_timeout(left);
    }
}

/// What is at work at two backends.
#[derive(Default)]
struct Work {
    bounds: [usize; 2],
    whole: usize,
    at: [AtomicUsize; 2],
    in_all: AtomicUsize,
    done: AtomicUsize,
}

impl Work {
    fn at(&self, slot: u16) {
        let slot = usize::from(slot);
        let before = self.at[slot].fetch_add(1, Ordering::SeqCst);
        let bound = self.bounds[slot];
        assert!(bound == 0 || before < bound, "over the backend's bound");
        let before = self.in_all.fetch_add(1, Ordering::SeqCst);
        assert!(
            self.whole == 0 || before < self.whole,
            "over the cluster's bound"
        );
        thread::yield_now();
        self.in_all.fetch_sub(1, Ordering::SeqCst);
        self.at[slot].fetch_sub(1, Ordering::SeqCst);
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    /// Many requests, one after the other.
    fn requests(&self, cluster: &Arc<Cluster>, wish: Option<u16>) {
        for round in 0..600_usize {
            let patience = if round.is_multiple_of(5) {
                Patience::Short
            } else {
                Patience::Endless
            };
            self.request(cluster, wish, patience);
        }
    }

    /// One request, for this backend or for any.
    fn request(&self, cluster: &Arc<Cluster>, wish: Option<u16>, patience: Patience) {
        let slots = wish.map_or(vec![0, 1], |slot| vec![slot]);
        let entered = slots
            .iter()
            .find_map(|slot| Some((*slot, enter(cluster, *slot)?)));
        if let Some((slot, scope)) = entered {
            self.at(slot);
            leave(cluster, slot, scope);
            return;
        }
        let wanted = wish.map_or_else(|| anyone(cluster), |slot| owner(cluster, slot));
        let waiting = join(cluster, wanted);
        if let Some(Served::At(place)) = served_on_this_thread(waiting, patience) {
            let is_first = Arc::ptr_eq(place.backend(), &cluster.backends[0]);
            self.at(u16::from(!is_first));
        }
    }
}

#[test]
fn threads_lose_no_place_and_pass_no_bound() {
    for (bounds, whole) in [([2, 1], 0), ([0, 2], 2), ([3, 3], 4)] {
        let cluster = cluster(bounds, whole, "{ length: 1000 }");
        let work = Work {
            bounds,
            whole,
            ..Work::default()
        };
        thread::scope(|scope| {
            for number in 0..8_u16 {
                let (cluster, work) = (&cluster, &work);
                let wish = (number % 3 < 2).then_some(number % 3);
                scope.spawn(move || work.requests(cluster, wish));
            }
        });
        assert!(work.done.load(Ordering::SeqCst) >= 8 * 480);
        assert_eq!(cluster.queue.waiting(), 0);
        let left: Vec<_> = cluster.backends.iter().map(|it| it.in_flight()).collect();
        assert_eq!(left, [0, 0], "a place was lost");
        assert!(cluster.queue.has_room() && cluster.backends.iter().all(|it| it.has_room()));
    }
}
