//! The same over SMTP, against the whole daemon: clients that name themselves, their sender and their way as they like.
//! A proxy before the daemon says where they come from.

use super::world::*;
use crate::support::daemon::{Daemon, Place, until};
use crate::support::letters::Letter;
use crate::support::mail::{Smtp, Unsent, on_the_wire};
use std::cell::Cell;
use std::net::SocketAddr;

/// A daemon behind a proxy, with the shipped rules.
fn daemon() -> (Place, Daemon) {
    let mut place = Place::sqlite();
    let door = "[[smtp.listeners]]\nname = \"proxied\"\naddress = \"127.0.0.1:0\"\nproxy = [\"127.0.0.0/8\"]\n";
    let quick = "tarpit_recipient = \"0s\"\ntarpit_step = \"0s\"\nmax_errors = 1000\n";
    let text = configuration()
        .replace("target = \"spamexperts\"", "target = \"observe\"")
        .replace("[http]", &format!("{quick}[http]"));
    place.whole = Some(format!("[log]\nformat = \"json\"\n{text}{door}"));
    let daemon = place.start();
    (place, daemon)
}

fn door(daemon: &Daemon) -> SocketAddr {
    daemon.door("proxied").parse().unwrap()
}

fn standings(place: &Place, which: &str) -> usize {
    let reports = place.list("reports");
    reports.iter().filter(|r| r["standing"] == which).count()
}

/// The incidents that are more than a notice to the desk.
fn crossed(place: &Place) -> Vec<serde_json::Value> {
    let mut incidents = place.list("incidents");
    incidents.retain(|one| one["explanation"]["crossing"]["rule"]["action"] != "notify");
    incidents
}

#[test]
fn strangers_at_the_door() {
    let (place, daemon) = daemon();
    let sent = Cell::new(0);
    let report = || {
        sent.set(sent.get() + 1);
        Letter::new(sent.get(), VICTIM, VICTIM_USER).by_filter(FILTER)
    };
    let mut stranger = Smtp::connect_as(door(&daemon), ANYBODY_IP).unwrap();
    for _ in 0..60 {
        stranger.send(FILTER, &report()).unwrap();
        stranger.send(ABUSE, &report()).unwrap();
        stranger
            .send("abuse+filter-q7d2mx9k4wv8ht3c@hoster.example", &report())
            .unwrap();
    }
    // Secrets guessed wrong are no addresses.
    for guess in [
        "filter@hoster.example",
        "filter-q7d2mx9k4wv8ht3d@hoster.example",
        "x@elsewhere.example",
    ] {
        let refused = stranger.send(guess, &report());
        assert!(matches!(refused, Err(Unsent::Refused(reply)) if reply.starts_with("550 5.1.1")));
        sent.set(sent.get() - 1);
        stranger.say("RSET").unwrap();
    }
    // Nobody becomes somebody else by saying so.
    for lie in [
        "XCLIENT ADDR=198.51.100.9 NAME=out1.filter.example",
        "XFORWARD ADDR=198.51.100.9",
        "PROXY TCP4 198.51.100.9 192.0.2.1 4711 25",
        "AUTH EXTERNAL MTk4LjUxLjEwMC45",
    ] {
        let reply = stranger.say(lie).unwrap();
        assert!(reply.starts_with('5'), "{lie}: {reply}");
    }
    stranger.say("EHLO out1.filter.example").unwrap();
    // What somebody else may have authenticated as (RFC 4954 section 5) is a claim.
    stranger
        .say("MAIL FROM:<> AUTH=<filter@hoster.example>")
        .unwrap();
    stranger.say("RSET").unwrap();
    for _ in 0..10 {
        stranger.send(FILTER, &report()).unwrap();
    }
    // A client that is not the proxy, at the other door: it is what its address says.
    let mut direct = Smtp::connect(daemon.smtp).unwrap();
    for _ in 0..10 {
        direct.send(FILTER, &report()).unwrap();
    }
    assert!(
        Smtp::connect_as(daemon.smtp, FILTER_IP).is_err(),
        "it takes no word of a proxy"
    );
    assert_eq!(standings(&place, "unproven"), sent.get());
    assert!(crossed(&place).is_empty());
    assert!(place.list("orders").is_empty());
    // The control: the filter itself, about somebody who spams.
    let mut filter = Smtp::connect_as(door(&daemon), FILTER_IP).unwrap();
    for n in 0..50 {
        filter
            .send(
                FILTER,
                &Letter::new(n, SPAMMER, SPAMMER_USER).by_filter(FILTER),
            )
            .unwrap();
    }
    let incidents = crossed(&place);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0]["identity"], SPAMMER);
}

/// The filter relays what spammers wrote: ends of text, commands and chunks in it stay text.
#[test]
fn commands_in_the_text() {
    let (place, daemon) = daemon();
    let inner = String::from_utf8(Letter::new(7, VICTIM, VICTIM_USER).by_filter(FILTER)).unwrap();
    let mut filter = Smtp::connect_as(door(&daemon), FILTER_IP).unwrap();
    for n in 0..12 {
        let mut letter = Letter::new(n, SPAMMER, SPAMMER_USER);
        letter.body = format!(
            "x\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<{FILTER}>\r\nDATA\r\n{inner}\r\n.\r\nBDAT 20 LAST\r\nRSET\r\n.\r\n."
        );
        filter.send(FILTER, &letter.by_filter(FILTER)).unwrap();
    }
    // Bare line ends, by which a message is smuggled: the session ends, and nothing of it is filed.
    for end in ["\n.\n", "\r.\r", "\r\n.\n", "\n.\r\n"] {
        let mut filter = Smtp::connect_as(door(&daemon), FILTER_IP).unwrap();
        filter.begin(FILTER).unwrap();
        let smuggled = format!(
            "Subject: x\r\n\r\nx{end}MAIL FROM:<>\r\nRCPT TO:<{FILTER}>\r\nDATA\r\n{inner}"
        );
        // It may be cut off while it still sends.
        let _ = filter.raw(&on_the_wire(smuggled.as_bytes()));
        let reply = filter.reply().unwrap_or_default();
        assert!(!reply.starts_with("250"), "{end:?}: {reply}");
    }
    let reports = until("all are filed", || {
        let reports = place.list("reports");
        (reports.len() >= 12).then_some(reports)
    });
    assert_eq!(reports.len(), 12);
    for report in reports {
        assert_eq!(report["attribution"]["identity"]["value"], SPAMMER);
    }
    assert!(crossed(&place).is_empty());
}
