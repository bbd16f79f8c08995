//! Orders, checks that drain, agents, bad answers: the other voices in the state.

use super::*;

#[test]
fn an_order_takes_the_place_of_the_file() {
    let mut machine = Machine::new(WantedState::Draining, &health(None));
    let told = |flip: Option<Transition>| flip.map(|flip| flip.to_string());
    assert_eq!(
        told(machine.order(Some(Wish::Up))).as_deref(),
        Some("draining -> up: an administrator says so")
    );
    assert_eq!(
        machine.configure(WantedState::Disabled, &health(None), STAYS),
        None
    );
    assert_eq!(machine.state(), State::Up);
    assert_eq!(
        told(machine.order(Some(Wish::Evacuating))).as_deref(),
        Some("up -> evacuating: an administrator says so")
    );
    assert!(machine.state().serves_its_own() && !machine.state().takes_new());
    assert_eq!(
        told(machine.order(None)).as_deref(),
        Some("evacuating -> disabled: an administrator says so")
    );
}

#[test]
fn a_check_may_ask_for_no_new_sessions() {
    use Event::{CheckDrains, CheckFailed, CheckPassed, Refused};
    let mut machine = checked();
    let events = [
        CheckFailed,
        CheckFailed,
        CheckDrains,
        CheckDrains,
        CheckFailed,
        CheckPassed,
    ];
    assert_eq!(
        story(&mut machine, &events),
        [
            "up -> draining: its health check asks for no new sessions",
            "draining -> up: its health check passes"
        ]
    );
    assert_eq!(
        story(&mut machine, &[Refused, CheckDrains, CheckPassed]),
        [
            "up -> down: it refused a connection",
            "down -> up: its health check passes"
        ]
    );
}

#[test]
fn only_the_agent_takes_back_what_the_agent_has_said() {
    use AgentWord::{Down, Drain, Maint, Ready, Up};
    use Event::{Agent, Answered, CheckPassed};
    let mut machine = checked();
    let words = [Drain, Up, Maint, Ready, Down, Ready, Up].map(Agent);
    assert_eq!(
        story(&mut machine, &words),
        [
            "up -> draining: its agent says so",
            "draining -> disabled: its agent says so",
            "disabled -> down: its agent says so",
        ]
    );
    // It was not watched while it was disabled: its check comes first.
    assert_eq!(
        story(&mut machine, &[Answered, CheckPassed]),
        ["down -> up: its health check passes"]
    );
    assert_eq!(
        story(
            &mut machine,
            &[Agent(Down), CheckPassed, CheckPassed, Agent(Up)]
        ),
        [
            "up -> down: its agent says so",
            "down -> up: its agent says so"
        ]
    );
}

#[test]
fn one_that_does_not_come_back_by_itself_waits_to_be_enabled() {
    let mut machine = unchecked().returning(FailBack::Never);
    assert_eq!(
        story(&mut machine, &[Event::Refused, Event::Answered]),
        ["up -> down: it refused a connection"]
    );
    assert!(machine.waits());
    // Enabled while it still starts, it may refuse a little longer.
    let mut early = machine.clone();
    early.order(None);
    assert_eq!(
        story(&mut early, &[Event::Refused, Event::Answered]),
        ["down -> up: it answers again"]
    );
    // It still has to answer.
    assert_eq!(machine.order(None), None);
    assert_eq!(
        story(&mut machine, &[Event::Answered]),
        ["down -> up: it answers again"]
    );
}

#[test]
fn who_was_out_and_down_by_its_agent_has_to_answer_too() {
    use AgentWord::{Down, Maint, Ready, Up};
    use Event::{Agent, Answered};
    let mut machine = unchecked();
    let words = [Maint, Down, Ready, Up].map(Agent);
    story(&mut machine, &words);
    assert_eq!(
        (machine.state(), machine.fault()),
        (State::Down, Some(Fault::Unproven))
    );
    assert_eq!(
        story(&mut machine, &[Answered]),
        ["down -> up: it answers again"]
    );
}

#[test]
fn bad_answers_stop_new_sessions_for_a_while() {
    let mut machine = unchecked();
    assert_eq!(story(&mut machine, &[Event::Outlying(LAST)]), [""; 0]);
    assert_eq!(
        story(
            &mut machine,
            &[
                Event::Outlying(PAIR),
                Event::Outlying(PAIR),
                Event::Readmitted
            ]
        ),
        [
            "up -> draining: too many of its answers are bad or slow",
            "draining -> up: it gets another try"
        ]
    );
}
