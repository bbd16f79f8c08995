use proptest::prelude::*;

use super::*;

mod checks;
mod voices;

const PAIR: Peers = Peers {
    usable: 2,
    total: 2,
};
const LAST: Peers = Peers {
    usable: 1,
    total: 2,
};

/// Not warming up, and returning by itself.
const STAYS: (bool, FailBack) = (false, FailBack::NewSessions);

fn health(path: Option<&str>) -> Health {
    path.map_or_else(Health::unchecked, Health::of_path)
}

fn unchecked() -> Machine {
    Machine::new(WantedState::Up, &health(None))
}

fn checked() -> Machine {
    Machine::new(WantedState::Up, &health(Some("/health")))
}

/// Feeds the events and says the flips, as they would be logged.
fn story(machine: &mut Machine, events: &[Event]) -> Vec<String> {
    let flips = events.iter().filter_map(|event| machine.on(*event));
    flips.map(|flip| flip.to_string()).collect()
}

#[test]
fn a_new_backend_is_what_the_file_wants() {
    for (wanted, state) in [
        (WantedState::Up, State::Up),
        (WantedState::Draining, State::Draining),
        (WantedState::Disabled, State::Disabled),
    ] {
        assert_eq!(Machine::new(wanted, &health(None)).state(), state);
    }
}

#[test]
fn a_refused_backend_is_down_at_once() {
    let mut machine = unchecked();
    assert_eq!(
        story(&mut machine, &[Event::Refused, Event::Refused]),
        ["up -> down: it refused a connection"]
    );
    assert_eq!(machine.needed(), Needed::Answer);
}

#[test]
fn an_unreachable_backend_is_down_at_once() {
    assert_eq!(
        story(&mut unchecked(), &[Event::Unreachable]),
        ["up -> down: it cannot be reached"]
    );
}

#[test]
fn a_draining_backend_goes_down_and_comes_back_draining() {
    let mut machine = Machine::new(WantedState::Draining, &health(None));
    assert_eq!(
        story(&mut machine, &[Event::Refused, Event::Answered]),
        [
            "draining -> down: it refused a connection",
            "down -> draining: it answers again"
        ]
    );
}

#[test]
fn three_time_outs_in_a_row_are_silence() {
    let time_out = Event::ResponseTimeout(PAIR);
    let mut machine = unchecked();
    assert_eq!(
        story(&mut machine, &[time_out, time_out, time_out]),
        ["up -> down: it accepts connections and says nothing"]
    );
    assert_eq!(machine.fault(), Some(Fault::Silent));
}

#[test]
fn a_byte_in_between_ends_the_row_of_time_outs() {
    let time_out = Event::ResponseTimeout(PAIR);
    for sign_of_life in [Event::Progress, Event::CheckPassed] {
        let mut machine = checked();
        let events = [time_out, time_out, sign_of_life, time_out, time_out];
        assert_eq!(story(&mut machine, &events), [""; 0]);
        assert!(machine.awaits_progress());
    }
}

#[test]
fn silence_never_takes_the_last_one_nor_more_than_half() {
    for (usable, total, spared) in [
        (1, 1, false),
        (1, 2, false),
        (2, 2, true),
        (2, 3, false),
        (3, 3, true),
        (3, 4, true),
        (2, 4, false),
        (4, 5, true),
        (3, 5, false),
        (0, 0, false),
    ] {
        let time_out = Event::ResponseTimeout(Peers { usable, total });
        let mut machine = unchecked();
        story(&mut machine, &[time_out; 3]);
        assert_eq!(
            machine.state() == State::Down,
            spared,
            "{usable} of {total}"
        );
    }
}

#[test]
fn a_silent_backend_goes_as_soon_as_it_can_be_spared() {
    let mut machine = unchecked();
    assert_eq!(
        story(&mut machine, &[Event::ResponseTimeout(LAST); 7]),
        [""; 0]
    );
    assert_eq!(
        story(&mut machine, &[Event::ResponseTimeout(PAIR)]).len(),
        1
    );
}

#[test]
fn a_silent_draining_backend_does_not_count_among_the_usable() {
    let mut machine = Machine::new(WantedState::Draining, &health(None));
    let time_out = Event::ResponseTimeout(Peers {
        usable: 1,
        total: 1,
    });
    story(&mut machine, &[time_out; 3]);
    assert_eq!(machine.state(), State::Down);
}

#[test]
fn failed_checks_take_the_last_one_too() {
    let mut machine = checked();
    assert_eq!(
        story(&mut machine, &[Event::CheckFailed; 4]),
        ["up -> down: its health check fails"]
    );
}

#[test]
fn a_passed_check_ends_the_row_of_failed_ones() {
    use Event::{CheckFailed, CheckPassed};
    let events = [
        CheckFailed,
        CheckFailed,
        CheckPassed,
        CheckFailed,
        CheckFailed,
    ];
    assert_eq!(story(&mut checked(), &events), [""; 0]);
}

#[test]
fn a_backend_whose_checks_failed_needs_a_row_of_passed_ones() {
    use Event::{CheckFailed, CheckPassed};
    let mut machine = checked();
    story(&mut machine, &[CheckFailed; 3]);
    assert_eq!(
        story(&mut machine, &[CheckPassed, CheckFailed, CheckPassed]),
        [""; 0]
    );
    assert_eq!(
        story(&mut machine, &[CheckPassed]),
        ["down -> up: its health check passes"]
    );
}

#[test]
fn a_refused_backend_comes_back_with_its_first_passed_check() {
    use Event::{CheckFailed, CheckPassed, Refused};
    let mut machine = checked();
    assert_eq!(
        story(&mut machine, &[Refused, CheckFailed, CheckPassed]),
        [
            "up -> down: it refused a connection",
            "down -> up: its health check passes"
        ]
    );
}

#[test]
fn a_failing_backend_that_was_restarted_comes_back_with_its_first_passed_check() {
    use Event::{CheckFailed, CheckPassed, Refused};
    let mut machine = checked();
    story(&mut machine, &[CheckFailed; 3]);
    assert_eq!(
        story(&mut machine, &[CheckPassed, Refused, CheckPassed]),
        ["down -> up: its health check passes"]
    );
}

#[test]
fn an_answer_brings_back_only_who_has_no_check() {
    for fault in [Event::Refused, Event::Unreachable] {
        let mut machine = unchecked();
        story(&mut machine, &[fault]);
        assert_eq!(
            story(&mut machine, &[Event::CheckPassed, Event::Answered]),
            ["down -> up: it answers again"]
        );
        let mut machine = checked();
        story(&mut machine, &[fault]);
        assert_eq!(story(&mut machine, &[Event::Answered]), [""; 0]);
        assert_eq!(machine.needed(), Needed::Check);
    }
}

#[test]
fn a_late_byte_does_not_bring_a_silent_backend_back() {
    let mut machine = unchecked();
    story(&mut machine, &[Event::ResponseTimeout(PAIR); 3]);
    assert_eq!(story(&mut machine, &[Event::Progress]), [""; 0]);
    assert_eq!(machine.state(), State::Down);
}

#[test]
fn a_reload_keeps_what_was_seen() {
    let mut machine = unchecked();
    story(&mut machine, &[Event::Refused]);
    assert_eq!(
        machine.configure(WantedState::Draining, &health(None), STAYS),
        None
    );
    assert_eq!(machine.state(), State::Down);
    assert_eq!(
        machine.configure(WantedState::Up, &health(Some("/")), STAYS),
        None
    );
    assert_eq!(machine.needed(), Needed::Check);
    assert_eq!(
        machine.configure(WantedState::Up, &health(None), STAYS),
        None
    );
    assert_eq!(machine.needed(), Needed::Answer);
}

#[test]
fn a_backend_that_was_disabled_starts_anew() {
    let mut machine = unchecked();
    story(&mut machine, &[Event::Refused]);
    let flip = machine.configure(WantedState::Disabled, &health(None), STAYS);
    assert_eq!(
        flip.unwrap().to_string(),
        "down -> disabled: the configuration says so"
    );
    assert_eq!(machine.needed(), Needed::Nothing);
    let flip = machine.configure(WantedState::Up, &health(None), STAYS);
    assert_eq!(
        flip.unwrap().to_string(),
        "disabled -> down: the configuration says so"
    );
    // Nobody watched it: no request is the first to ask it.
    assert_eq!(machine.needed(), Needed::Answer);
    assert_eq!(
        story(&mut machine, &[Event::Answered]),
        ["down -> up: it answers again"]
    );
}

fn wanted() -> impl Strategy<Value = WantedState> {
    prop::sample::select(vec![
        WantedState::Up,
        WantedState::Draining,
        WantedState::Disabled,
    ])
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Refused),
        Just(Event::Unreachable),
        (0_usize..5, 0_usize..5).prop_map(|(usable, out)| {
            Event::ResponseTimeout(Peers {
                usable,
                total: usable + out,
            })
        }),
        Just(Event::Progress),
        Just(Event::CheckPassed),
        Just(Event::CheckFailed),
        Just(Event::CheckDrains),
        Just(Event::Readmitted),
        (0_usize..5, 0_usize..5).prop_map(|(usable, out)| {
            Event::Outlying(Peers {
                usable,
                total: usable + out,
            })
        }),
        Just(Event::Answered),
    ]
}

proptest! {
    #[test]
    fn every_flip_is_told_and_starts_where_the_last_ended(
        wanted in wanted(),
        has_check in any::<bool>(),
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut machine = Machine::new(wanted, &health(has_check.then_some("/")));
        for event in events {
            let before = machine.state();
            let flip = machine.on(event);
            prop_assert_eq!(flip.is_some(), before != machine.state());
            if let Some(flip) = flip {
                prop_assert_eq!((flip.from, flip.to), (before, machine.state()));
            }
            prop_assert_eq!(machine.fault().is_some(), machine.state() == State::Down);
        }
    }

    #[test]
    fn nothing_seen_moves_a_disabled_backend(events in prop::collection::vec(event(), 0..60)) {
        let mut machine = Machine::new(WantedState::Disabled, &health(Some("/")));
        prop_assert_eq!(story(&mut machine, &events), [""; 0]);
        prop_assert_eq!(machine.state(), State::Disabled);
    }

    /// The laws of a whole cluster under any events: silence leaves somebody, and at least half.
    #[test]
    fn a_cluster_never_loses_more_than_half_to_silence(
        backends in 1_usize..7,
        events in prop::collection::vec((any::<prop::sample::Index>(), event()), 0..200),
    ) {
        let mut machines = vec![unchecked(); backends];
        for (index, event) in events {
            let usable = machines.iter().filter(|one| one.state().takes_new()).count();
            let event = match event {
                Event::ResponseTimeout(_) => {
                    Event::ResponseTimeout(Peers { usable, total: backends })
                }
                other => other,
            };
            let flip = machines[index.index(backends)].on(event);
            if flip.is_some_and(|flip| flip.cause == Cause::Fault(Fault::Silent)) {
                let left = usable - usize::from(flip.is_some_and(|flip| flip.from.takes_new()));
                prop_assert!(left >= 1 && (backends - left) * 2 <= backends);
            }
        }
    }

    #[test]
    fn who_is_down_has_a_way_back(
        has_check in any::<bool>(),
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut machine = Machine::new(WantedState::Up, &health(has_check.then_some("/")));
        for event in events {
            machine.on(event);
        }
        let good = match machine.needed() {
            Needed::Check => Event::CheckPassed,
            Needed::Answer => Event::Answered,
            Needed::Nothing => Event::Progress,
        };
        for _ in 0..2 {
            machine.on(good);
        }
        machine.on(Event::Readmitted);
        machine.on(Event::CheckPassed);
        prop_assert_eq!(machine.state(), State::Up);
    }
}
