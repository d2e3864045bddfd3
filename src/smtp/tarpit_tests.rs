//! What errors cost in time, and how long lines may be.

use super::*;
use crate::smtp::Tarpit;

fn secs(spans: &[Duration]) -> Vec<f64> {
    spans.iter().map(Duration::as_secs_f64).collect()
}

fn dear() -> Settings {
    Settings {
        max_errors: 9,
        max_recipients: 5,
        tarpit: Tarpit {
            after: 2,
            step: Duration::from_secs(2),
            max: Duration::from_secs(5),
            recipient: Duration::from_millis(500),
        },
        ..small()
    }
}

#[test]
fn errors_cost_more_and_more_up_to_a_most() {
    let played = play(
        dear(),
        &hello(
            "> A
             < 500 5.5.2 Command not recognised
             > B
             < 500 5.5.2 Command not recognised
             > NOOP
             < 250 2.0.0 OK
             > C
             < 500 5.5.2 Command not recognised
             > D
             < 500 5.5.2 Command not recognised
             > E
             < 500 5.5.2 Command not recognised
             > F
             < 500 5.5.2 Command not recognised",
        ),
    );
    assert_eq!(secs(&played.paused), [2.0, 4.0, 5.0, 5.0]);
}

#[test]
fn a_refused_recipient_costs_from_the_first_on() {
    let played = play(
        dear(),
        &hello(
            "> MAIL FROM:<a@b>
             < 250 2.1.0 Sender OK
             > RCPT TO:<x@elsewhere.test>
             < 550 5.1.1 No such mailbox here
             > RCPT TO:<x@example.test>
             < 250 2.1.5 Recipient OK
             > RCPT TO:<y@elsewhere.test>
             < 550 5.1.1 No such mailbox here
             > RCPT TO:<z@elsewhere.test>
             < 550 5.1.1 No such mailbox here",
        ),
    );
    assert_eq!(secs(&played.paused), [0.5, 0.5, 2.0]);
}

/// Each of them in turn, before the next command is even looked at: pipelining buys nothing.
#[test]
fn pipelined_errors_cost_as_much() {
    let mut played = Played::new(&edge(dear()));
    played
        .input
        .extend_from_slice(b"HELO c\r\nA\r\nB\r\nC\r\nD\r\nNOOP\r\n");
    let step = played.session.advance(&mut played.input);
    assert!(matches!(step, Step::Pause(pause) if pause.as_secs() == 2));
    assert_eq!(&played.input[..], b"D\r\nNOOP\r\n");
    let step = played.session.advance(&mut played.input);
    assert!(matches!(step, Step::Pause(pause) if pause.as_secs() == 4));
    assert_eq!(&played.input[..], b"NOOP\r\n");
    assert!(matches!(
        played.session.advance(&mut played.input),
        Step::Read
    ));
}

#[test]
fn the_last_error_costs_too_and_then_closes() {
    let mut played = Played::new(&edge(dear()));
    played.send(&b"A\r\n".repeat(20));
    assert!(played.closed);
    assert_eq!(secs(&played.paused), [2.0, 4.0, 5.0, 5.0, 5.0, 5.0, 5.0]);
    assert!(
        played
            .out
            .ends_with(b"421 4.7.0 Too many errors, closing\r\n")
    );
}

#[test]
fn nothing_waits_while_text_is_held_nor_before_a_close() {
    let mut played = Played::new(&edge(dear()));
    played.send(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\nBDAT 2\r\nxx");
    played.send(b"A\r\nB\r\nC\r\nD\r\n");
    assert!(played.paused.is_empty());
    played.send(b"RSET\r\nE\r\n");
    assert_eq!(secs(&played.paused), [5.0]);
    played.send(b"F\n");
    assert!(played.closed);
    assert_eq!(played.paused.len(), 1);
}

#[test]
fn lengths_by_the_rfcs() {
    let strict = || Settings {
        strict_lengths: true,
        max_command_line: 4_096,
        max_line: 5_000,
        max_message_size: 9_000,
        max_bytes_in_flight: 9_000,
        ..small()
    };
    let command =
        |verb: &str, len: usize| format!("{verb}{}\r\n", "x".repeat(len - 2 - verb.len()));
    for (verb, most) in [
        ("NOOP ", 512),
        ("EHLO ", 512),
        ("rcpt TO:", 522),
        ("MAIL FROM:", 1_065),
    ] {
        for (len, fits) in [(most, true), (most + 1, false)] {
            let mut played = Played::new(&edge(strict()));
            played.send(b"HELO c\r\n");
            played.out.clear();
            played.send(command(verb, len).as_bytes());
            let too_long = played.out.starts_with(b"500 5.5.2 Command line too long");
            assert_eq!(too_long, !fits, "{verb} {len}");
        }
    }
    for (settings, len, fits) in [
        (strict(), 1_000, true),
        (strict(), 1_001, false),
        (
            Settings {
                strict_lengths: false,
                ..strict()
            },
            1_001,
            true,
        ),
        (
            Settings {
                strict_lengths: false,
                ..strict()
            },
            5_001,
            false,
        ),
        (
            Settings {
                max_line: 60,
                ..strict()
            },
            61,
            false,
        ),
    ] {
        let text = [&b"x".repeat(len - 2)[..], b"\r\n"].concat();
        for chunked in [false, true] {
            let mut played = Played::new(&edge(settings.clone()));
            played.send(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\n");
            if chunked {
                played.send(format!("BDAT {len} LAST\r\n").as_bytes());
                played.send(&text);
            } else {
                played.send(b"DATA\r\n");
                played.send(&text);
                played.send(b".\r\n");
            }
            assert_eq!(played.taken.len(), usize::from(fits), "{len} {chunked}");
        }
    }
}
