//! What checks and agents bring about, beyond a single flip.

use super::*;

#[test]
fn a_check_that_drains_brings_nobody_back_and_ends_with_the_checks() {
    use Event::{CheckDrains, CheckPassed, Refused};
    let mut machine = checked();
    // A Tomcat that starts and has not deployed yet says the same.
    story(&mut machine, &[Refused]);
    assert_eq!(story(&mut machine, &[CheckDrains, CheckDrains]), [""; 0]);
    assert_eq!(story(&mut machine, &[CheckPassed]).len(), 1);
    // Nobody asks any more.
    story(&mut machine, &[CheckDrains]);
    let flip = machine.configure(WantedState::Up, &health(None), STAYS);
    assert_eq!(flip.unwrap().to, State::Up);
}

#[test]
fn checks_and_the_agent_do_not_outweigh_each_other() {
    use AgentWord::{Down, Up};
    let mut machine = checked();
    story(&mut machine, &[Event::Agent(Down)]);
    assert_eq!(story(&mut machine, &[Event::CheckPassed; 4]), [""; 0]);
    story(&mut machine, &[Event::Refused]);
    assert_eq!(story(&mut machine, &[Event::Agent(Up)]), [""; 0]);
    assert_eq!(story(&mut machine, &[Event::CheckPassed]).len(), 1);
}

#[test]
fn an_agent_that_is_gone_has_said_nothing() {
    for word in [AgentWord::Drain, AgentWord::Maint, AgentWord::Down] {
        let mut machine = unchecked();
        machine.on(Event::Agent(word));
        assert_eq!(machine.needed(), Needed::Nothing);
        let flip = machine.forget_agent().unwrap();
        assert_eq!(flip.cause, Cause::Configured);
        // Who served nothing was not watched.
        machine.on(Event::Answered);
        assert_eq!(machine.state(), State::Up);
    }
}

#[test]
fn a_backend_wavers_while_checks_go_against_its_state() {
    use Event::{CheckFailed, CheckPassed};
    let mut machine = checked();
    for (event, wavers) in [
        (CheckPassed, false),
        (CheckFailed, true),
        (CheckPassed, false),
        (CheckFailed, true),
        (CheckFailed, true),
        // Down.
        (CheckFailed, false),
        (CheckPassed, true),
        (CheckFailed, false),
        (CheckPassed, true),
        // Up.
        (CheckPassed, false),
    ] {
        machine.on(event);
        assert_eq!(machine.wavers(), wavers, "{event:?}");
    }
}
