//! Locks paused by hand and let go again, by commands and by HTTP, with a restart in between.

use super::{cross, filter};
use crate::support::daemon::{Place, TOKEN, said};
use crate::support::mail::identity;
use serde_json::Value;

fn paused(place: &Place, word: &str, says: &str) {
    let output = place.arfd(&[word, "--reason", "a test", "--by", "ann"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(says), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_survives_a_restart_and_what_it_held_is_approved() {
    let filter = filter().await;
    let place = Place::sqlite().locking_at(filter.url());
    let daemon = place.start();
    paused(&place, "pause", "locks are paused\n");
    cross(daemon.smtp, 0, 1);
    assert_eq!(place.list("incidents")[0]["state"], "held");
    daemon.shows("arfd_locks_paused", 1.0);
    daemon.shows("arfd_orders{state=\"held\"}", 1.0);
    daemon.shows("arfd_restrained_total{restraint=\"paused\"}", 1.0);
    daemon.kill();

    let daemon = place.start();
    paused(&place, "pause", "already");
    cross(daemon.smtp, 100, 2);
    paused(&place, "resume", "2 incidents are held");
    cross(daemon.smtp, 200, 3);
    daemon.shows("arfd_orders{state=\"done\"}", 1.0);
    assert_eq!(
        filter.effective_locks(),
        1,
        "only what crossed after the pause"
    );

    let one = identity(1);
    let approve = |what: &str| place.arfd(&["approve", what, "--reason", "seen"]);
    assert!(approve(&one).status.success());
    daemon.shows("arfd_orders{state=\"done\"}", 2.0);
    assert_eq!(
        approve(&one).status.code(),
        Some(66),
        "it is not held any more"
    );
    assert!(approve("--all").status.success());
    daemon.shows("arfd_orders{state=\"done\"}", 3.0);
    assert_eq!(filter.effective_locks(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_switch_answers_over_http_to_who_has_the_token() {
    let place = Place::sqlite();
    let daemon = place.start();
    let path = "/api/v1/locks";
    let pause = r#"{"paused": true, "by": "ann", "reason": "a test"}"#;
    for token in ["", "wrong", &TOKEN[1..]] {
        for (method, body) in [("GET", ""), ("POST", pause)] {
            let (status, head, _) = daemon.call(method, path, token, body);
            assert_eq!(status, 401, "{method} {token}");
            assert!(head.contains("application/problem+json"), "{head}");
        }
    }
    let switch = |answer: (u16, String, String)| -> Value {
        assert_eq!(answer.0, 200, "{}", answer.2);
        serde_json::from_str(&answer.2).unwrap()
    };
    assert_eq!(switch(daemon.call("GET", path, TOKEN, ""))["paused"], false);
    let now = switch(daemon.call("POST", path, TOKEN, pause));
    assert_eq!((&now["paused"], &now["by"]), (&true.into(), &"ann".into()));
    for (bad, status) in [
        ("{", 400),
        (r#"{"paused": 1, "by": "a", "reason": "b"}"#, 422),
        (r#"{"paused": false, "by": "a"}"#, 422),
        (r#"{"paused": false, "by": " ", "reason": "b"}"#, 422),
        (&format!("{{\"by\": \"{}\"}}", "x".repeat(20_000)), 413),
    ] {
        assert_eq!(daemon.call("POST", path, TOKEN, bad).0, status, "{bad:.60}");
    }
    assert_eq!(switch(daemon.call("GET", path, TOKEN, ""))["paused"], true);
    assert!(!daemon.log_text().contains(TOKEN));
}
