//! Deadlines by plain arithmetic on instants: nothing waits here.

use super::*;
use crate::clock::tick;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    Settings {
        command_timeout: 30 * SECOND,
        data_timeout: 100 * SECOND,
        session_timeout: 1_000 * SECOND,
        min_data_rate: 10,
        data_rate_window: 20 * SECOND,
        ..Settings::default()
    }
}

const COMMAND: Option<Due> = Some(Due::End(reply::COMMAND_TIMEOUT));
const DATA: Option<Due> = Some(Due::End(reply::DATA_TIMEOUT));
const SESSION: Option<Due> = Some(Due::End(reply::SESSION_TIMEOUT));
const TOO_SLOW: Option<Due> = Some(Due::End(reply::TOO_SLOW));

#[test]
fn each_command_has_its_own_time_and_trickling_gains_none() {
    let (settings, start) = (settings(), tick());
    let mut deadlines = Deadlines::new(&settings, start);
    deadlines.note(Awaits::Command(0), start);
    assert_eq!(deadlines.next(), start + REST);
    assert_eq!(deadlines.passed(start + REST), Some(Due::Rest));
    assert_eq!(deadlines.passed(start + REST), None);
    deadlines.came(1);
    deadlines.note(Awaits::Command(0), start + 29 * SECOND);
    assert_eq!(deadlines.next(), start + 30 * SECOND);
    assert_eq!(deadlines.passed(start + 29 * SECOND), None);
    deadlines.note(Awaits::Command(1), start + 29 * SECOND);
    assert_eq!(deadlines.passed(start + 30 * SECOND), None);
    assert_eq!(deadlines.passed(start + 59 * SECOND), COMMAND);
}

#[test]
fn a_message_has_one_deadline_over_all_its_chunks() {
    let (mut settings, start) = (settings(), tick());
    settings.min_data_rate = 0;
    let mut deadlines = Deadlines::new(&settings, start);
    deadlines.note(Awaits::Text(1), start);
    assert_eq!(deadlines.next(), start + 100 * SECOND);
    for turn in 1..10 {
        let now = start + turn * 10 * SECOND;
        let command = u64::from(turn);
        deadlines.note(
            Awaits::Chunk {
                message: 1,
                command,
            },
            now,
        );
        assert_eq!(deadlines.next(), start + (turn * 10 + 30).min(100) * SECOND);
        deadlines.note(Awaits::Text(1), now);
        assert_eq!(deadlines.next(), start + 100 * SECOND);
    }
    assert_eq!(deadlines.passed(start + 99 * SECOND), None);
    assert_eq!(deadlines.passed(start + 100 * SECOND), DATA);
    deadlines.note(Awaits::Text(12), start + 99 * SECOND);
    assert_eq!(deadlines.passed(start + 198 * SECOND), None);
}

#[test]
fn between_chunks_a_command_is_not_waited_for_longer_than_elsewhere() {
    let (settings, start) = (settings(), tick());
    let mut deadlines = Deadlines::new(&settings, start);
    deadlines.note(Awaits::Text(1), start);
    let chunk = Awaits::Chunk {
        message: 1,
        command: 1,
    };
    deadlines.note(chunk, start);
    deadlines.came(1_000_000);
    assert_eq!(deadlines.passed(start + 29 * SECOND), None);
    assert_eq!(deadlines.passed(start + 30 * SECOND), COMMAND);
}

#[test]
fn text_that_trickles_is_cut_off_but_not_one_that_flows() {
    let (settings, start) = (settings(), tick());
    let mut deadlines = Deadlines::new(&settings, start);
    deadlines.note(Awaits::Text(1), start);
    assert_eq!(deadlines.next(), start + 20 * SECOND);
    deadlines.came(200);
    assert_eq!(deadlines.passed(start + 20 * SECOND), None);
    // Each window stands alone: what came before does not pay for it.
    deadlines.came(199);
    assert_eq!(deadlines.passed(start + 39 * SECOND), None);
    assert_eq!(deadlines.passed(start + 40 * SECOND), TOO_SLOW);
}

#[test]
fn the_rate_is_asked_of_text_alone() {
    let (settings, start) = (settings(), tick());
    let mut deadlines = Deadlines::new(&settings, start);
    // Small messages, one after the other: none of them is under way for a whole window.
    for turn in 0..20 {
        let now = start + turn * 10 * SECOND;
        deadlines.note(Awaits::Text(u64::from(turn)), now);
        assert_eq!(deadlines.passed(now + 9 * SECOND), None);
    }
    deadlines.note(Awaits::Command(20), start + 200 * SECOND);
    assert_eq!(deadlines.passed(start + 229 * SECOND), Some(Due::Rest));
    assert_eq!(deadlines.passed(start + 229 * SECOND), None);
}

#[test]
fn a_session_ends_however_busy_and_no_pause_outlasts_it() {
    let (settings, start) = (settings(), tick());
    let mut deadlines = Deadlines::new(&settings, start);
    let late = start + 995 * SECOND;
    deadlines.note(Awaits::Command(9), late);
    assert_eq!(deadlines.at_most(9 * SECOND, late), 5 * SECOND);
    assert_eq!(deadlines.at_most(3 * SECOND, late), 3 * SECOND);
    assert_eq!(
        deadlines.at_most(SECOND, start + 1_001 * SECOND),
        Duration::ZERO
    );
    assert_eq!(deadlines.passed(start + 1_000 * SECOND), SESSION);
}

#[test]
fn spans_without_end_are_no_trouble() {
    let settings = Settings {
        command_timeout: Duration::MAX,
        session_timeout: Duration::MAX,
        ..settings()
    };
    let start = tick();
    let mut deadlines = Deadlines::new(&settings, start);
    deadlines.note(Awaits::Command(0), start);
    assert_eq!(deadlines.passed(start + 86_400 * SECOND), Some(Due::Rest));
    assert_eq!(deadlines.passed(start + 86_400 * SECOND), None);
}
