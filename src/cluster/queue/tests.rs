use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::cluster::machine::Event;
use crate::cluster::{Changes, Common};
use crate::config;

mod model;
mod threads;

fn config(text: &str) -> config::Cluster {
    let text = format!("listeners: [{{ address: 127.0.0.1:0 }}]\nclusters: {{ shop: {text} }}");
    let config = config::load_text("queue.yaml", &text, &|_| None);
    config.unwrap().clusters.remove(0)
}

fn common() -> Arc<Common> {
    Common::new(&Arc::new(Changes::default()), 16, 1)
}

/// Two backends with so many places each.
fn cluster(places: [usize; 2], whole: usize, queue: &str) -> Arc<Cluster> {
    let backends = [1, 2].map(|number| {
        let places = places[number - 1];
        format!("{{ address: '127.0.0.{number}:80', max_requests: {places} }}")
    });
    let backends = backends.join(", ");
    let text = format!("{{ max_requests: {whole}, queue: {queue}, backends: [{backends}] }}");
    Arc::new(Cluster::new(config(&text), None, 1, &common()))
}

fn owner(cluster: &Cluster, slot: u16) -> Wanted {
    Wanted::Owner(Arc::clone(cluster.backend(Slot(slot)).unwrap()))
}

fn anyone(cluster: &Arc<Cluster>) -> Wanted {
    Wanted::Any(Arc::clone(cluster), Box::default())
}

fn wait(wanted: Wanted) -> Wait {
    Wait {
        wanted,
        priority: Priority::Normal,
        ticket: None,
        may_spill: false,
    }
}

fn join(cluster: &Arc<Cluster>, wanted: Wanted) -> Waiting {
    cluster.queue.join(cluster, wait(wanted)).unwrap()
}

fn refused(cluster: &Arc<Cluster>, wait: Wait) -> Unqueued {
    cluster.queue.join(cluster, wait).unwrap_err()
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The slot of the place that it has; `None`: none yet.
fn place(cluster: &Cluster, waiting: &mut Waiting) -> Option<(u16, Place)> {
    match waiting.poll(&Context::from_waker(Waker::noop())) {
        Poll::Pending => None,
        Poll::Ready(Served::Anew) => panic!("sent elsewhere"),
        Poll::Ready(Served::At(place)) => {
            let is_here =
                |slot: &Slot| Arc::ptr_eq(cluster.backend(*slot).unwrap(), place.backend());
            Some((cluster.slots().find(is_here).unwrap().0, place))
        }
    }
}

fn enter(cluster: &Cluster, slot: u16) -> Option<Scope> {
    let backend = cluster.backend(Slot(slot)).unwrap();
    if !backend.try_enter() {
        return None;
    }
    let scope = cluster.queue.try_enter();
    if scope.is_none() {
        backend.leave(Scope::Backend);
    }
    scope
}

fn leave(cluster: &Cluster, slot: u16, scope: Scope) {
    cluster.backend(Slot(slot)).unwrap().leave(scope);
}

#[test]
fn who_leaves_wakes_one_and_nobody_passes() {
    let cluster = cluster([1, 1], 0, "{}");
    let scope = enter(&cluster, 0).unwrap();
    let mut waiting = [(), (), ()].map(|()| join(&cluster, owner(&cluster, 0)));
    let counts = [(), (), ()].map(|()| Arc::new(Count::default()));
    for (waiting, count) in waiting.iter_mut().zip(&counts) {
        let waker = Waker::from(Arc::clone(count));
        assert!(waiting.poll(&Context::from_waker(&waker)).is_pending());
    }
    leave(&cluster, 0, scope);
    let woken = || {
        counts
            .each_ref()
            .map(|count| count.0.load(Ordering::Relaxed))
    };
    assert_eq!(woken(), [1, 0, 0]);
    assert_eq!(enter(&cluster, 0), None, "the place is taken already");
    let [first, second, third] = &mut waiting;
    let (slot, place_of_first) = place(&cluster, first).unwrap();
    assert_eq!(slot, 0);
    drop(place_of_first);
    assert_eq!(woken(), [1, 1, 0], "what is not used is handed on");
    assert!(place(&cluster, third).is_none());
    assert!(place(&cluster, second).is_some());
    drop(waiting);
    assert_eq!(cluster.queue.waiting(), 0);
    assert!(enter(&cluster, 0).is_some(), "no place is lost");
}

#[test]
fn one_who_goes_away_with_a_place_that_it_never_saw_hands_it_on() {
    let cluster = cluster([1, 1], 0, "{}");
    let scope = enter(&cluster, 0).unwrap();
    let first = join(&cluster, owner(&cluster, 0));
    let mut second = join(&cluster, anyone(&cluster));
    // The other backend is free.
    assert_eq!(place(&cluster, &mut second).unwrap().0, 1);
    let scope_of_other = enter(&cluster, 1).unwrap();
    let mut second = join(&cluster, anyone(&cluster));
    leave(&cluster, 0, scope);
    drop(first);
    let (slot, _place) = place(&cluster, &mut second).unwrap();
    assert_eq!(slot, 0);
    leave(&cluster, 1, scope_of_other);
}

#[test]
fn a_place_in_the_whole_cluster_is_waited_for_too() {
    let cluster = cluster([0, 9], 2, "{}");
    let scopes = [0, 1].map(|slot| enter(&cluster, slot).unwrap());
    assert_eq!(scopes, [Scope::Cluster; 2]);
    assert_eq!(enter(&cluster, 0), None);
    assert!(!cluster.queue.has_room());
    let mut sticky = join(&cluster, owner(&cluster, 0));
    let mut other = join(&cluster, anyone(&cluster));
    leave(&cluster, 1, scopes[1]);
    assert!(place(&cluster, &mut other).is_none());
    let (slot, held) = place(&cluster, &mut sticky).unwrap();
    assert_eq!(slot, 0);
    drop(held);
    let (_, held) = place(&cluster, &mut other).unwrap();
    drop(held);
    leave(&cluster, 0, scopes[0]);
    assert!(cluster.queue.has_room());
    let in_flight = cluster.backends.iter().map(|it| it.in_flight());
    assert_eq!(in_flight.sum::<usize>(), 0);
}

#[test]
fn who_waits_for_one_that_goes_down_looks_elsewhere_at_once() {
    let cluster = cluster([1, 1], 0, "{}");
    let _scope = enter(&cluster, 0).unwrap();
    let mut waiting = join(&cluster, owner(&cluster, 0));
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let cx = Context::from_waker(&waker);
    assert!(waiting.poll(&cx).is_pending());
    cluster.report(Slot(0), Event::Refused);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(matches!(waiting.poll(&cx), Poll::Ready(Served::Anew)));
}

#[test]
fn one_that_comes_back_serves_those_who_wait() {
    let cluster = cluster([1, 1], 0, "{}");
    cluster.report(Slot(1), Event::Refused);
    let _scope = enter(&cluster, 0).unwrap();
    let mut waiting = join(&cluster, anyone(&cluster));
    assert!(place(&cluster, &mut waiting).is_none());
    cluster.report(Slot(1), Event::Answered);
    let (slot, _place) = place(&cluster, &mut waiting).unwrap();
    assert_eq!(slot, 1);
}

#[test]
fn who_waits_for_anyone_is_told_if_nobody_is_left() {
    let cluster = cluster([1, 1], 0, "{}");
    let _scopes = [0, 1].map(|slot| enter(&cluster, slot).unwrap());
    let mut waiting = join(&cluster, anyone(&cluster));
    cluster.report(Slot(0), Event::Refused);
    assert!(place(&cluster, &mut waiting).is_none());
    cluster.report(Slot(1), Event::Refused);
    let told = waiting.poll(&Context::from_waker(Waker::noop()));
    assert!(matches!(told, Poll::Ready(Served::Anew)));
}

#[test]
fn a_reload_that_makes_room_serves_those_who_wait() {
    let before = cluster([1, 1], 0, "{}");
    let _scope = enter(&before, 0).unwrap();
    let mut waiting = join(&before, owner(&before, 0));
    let backends = "{ address: '127.0.0.1:80', max_requests: 2 }, { address: '127.0.0.2:80' }";
    let wider = config(&format!("{{ backends: [{backends}] }}"));
    let after = Cluster::new(wider, Some(&before), 1, &common());
    after.take_over();
    assert_eq!(place(&after, &mut waiting).unwrap().0, 0);
}

#[test]
fn who_may_not_wait_is_told_why() {
    let full = |queue: &str| {
        let cluster = cluster([1, 1], 0, queue);
        assert!([0, 1].iter().all(|slot| enter(&cluster, *slot).is_some()));
        cluster
    };
    let off = full("{ length: 0 }");
    assert_eq!(refused(&off, wait(anyone(&off))), Unqueued::Off);
    let two = full("{ length: 2 }");
    let low = |wanted| Wait {
        priority: Priority::Low,
        ..wait(wanted)
    };
    let first = join(&two, anyone(&two));
    assert_eq!(refused(&two, low(anyone(&two))), Unqueued::Shed);
    let mut second = join(&two, owner(&two, 0));
    assert_eq!(refused(&two, low(anyone(&two))), Unqueued::Full);
    assert_eq!(refused(&two, wait(owner(&two, 1))), Unqueued::Full);
    // Who has waited already is let in again, and stands where it stood.
    let ticket = first.ticket();
    drop(first);
    let third = join(&two, anyone(&two));
    let again = Wait {
        ticket: Some(ticket),
        ..wait(anyone(&two))
    };
    let mut first = two.queue.join(&two, again).unwrap();
    assert_eq!(two.queue.waiting(), 3);
    leave(&two, 0, Scope::Backend);
    leave(&two, 1, Scope::Backend);
    assert_eq!(place(&two, &mut second).unwrap().0, 0);
    assert!(place(&two, &mut first).is_some());
    drop(third);
}

#[test]
fn a_session_spills_where_too_many_wait_for_its_owner() {
    let text = "{ replicated: true, queue: { spill_after: 1 }, backends: [\
                { address: '127.0.0.1:80', max_requests: 1 }, { address: '127.0.0.2:80' }] }";
    let cluster = Arc::new(Cluster::new(config(text), None, 1, &common()));
    let scope = enter(&cluster, 0).unwrap();
    let spilling = || Wait {
        may_spill: true,
        ..wait(owner(&cluster, 0))
    };
    let mut first = cluster.queue.join(&cluster, spilling()).unwrap();
    assert_eq!(refused(&cluster, spilling()), Unqueued::Spills);
    assert_eq!(
        cluster.queue.waiting_for(cluster.backend(Slot(0)).unwrap()),
        1
    );
    leave(&cluster, 0, scope);
    assert!(place(&cluster, &mut first).is_some());
}
