//! A changed configuration is taken up while the daemon runs, by SIGHUP and over HTTP: windows stay, what
//! cannot be used changes nothing and says where it is wrong, what needs a restart is named.

use crate::support::daemon::{FILTER, Place, THRESHOLD, TOKEN};
use crate::support::mail::{Smtp, report};
use serde_json::Value;

const PATH: &str = "/api/v1/reload";

#[test]
fn rules_change_and_windows_stay() {
    let mut place = Place::sqlite();
    place.more = "[restraint]\ntrial = \"0s\"\n".into();
    let daemon = place.start();
    let file = place.path("arfd.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
    };
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    for n in 0..4 {
        smtp.send(FILTER, &report(n, 1)).unwrap();
    }
    let least = format!("min_weight = {THRESHOLD}\nmin_messages = {THRESHOLD}\n");
    daemon.shows("arfd_config_current", 1.0);

    // A file that cannot be used changes nothing.
    change(&least, "min_weigth = 5\n");
    daemon.hang_up();
    daemon.shows("arfd_config_reloads_total{outcome=\"refused\"}", 1.0);
    daemon.shows("arfd_config_current", 0.0);
    let log = daemon.log_text();
    assert!(
        log.contains("arfd.toml:") && log.contains("min_weigth"),
        "{log}"
    );
    for token in ["", "wrong"] {
        assert_eq!(daemon.call("POST", PATH, token, "").0, 401);
    }
    change(&least, "min_weight = 0\n");
    let (status, head, body) = daemon.call("POST", PATH, TOKEN, "");
    assert_eq!(status, 422, "{body}");
    assert!(head.contains("application/problem+json"), "{head}");
    assert!(
        body.contains("rules[0].min_weight") && body.contains("arfd.toml:"),
        "{body}"
    );
    assert_eq!(
        daemon.metric("arfd_crossings_total{rule=\"test\"}"),
        Some(0.0)
    );

    // Five are enough now, and four are there.
    change(&least, "min_weight = 5\n");
    daemon.hang_up();
    daemon.shows("arfd_config_reloads_total{outcome=\"taken_up\"}", 1.0);
    daemon.shows("arfd_config_current", 1.0);
    smtp.send(FILTER, &report(4, 1)).unwrap();
    daemon.shows("arfd_crossings_total{rule=\"test\"}", 1.0);

    // Another rule, and a setting that needs a restart.
    let new = "name = \"new\"\n";
    let text = text.replace("name = \"test\"\n", new);
    let text = text.replace("[smtp]\n", "[smtp]\nmax_errors = 3\n");
    std::fs::write(&file, text).unwrap();
    let (status, _, body) = daemon.call("POST", PATH, TOKEN, "");
    assert_eq!(status, 200, "{body}");
    let done: Value = serde_json::from_str(&body).unwrap();
    let want = serde_json::json!({
        "rules": ["new"],
        "changed": ["new"],
        "gone": ["test"],
        "on_trial": [],
        "needs_restart": ["smtp.max_errors"],
    });
    assert_eq!(done, want);
    assert_eq!(
        daemon.metric("arfd_crossings_total{rule=\"new\"}"),
        Some(0.0)
    );
    assert_eq!(daemon.call("GET", PATH, TOKEN, "").0, 405);
}

/// What is new is on trial, as after a restart.
#[test]
fn a_new_rule_begins_on_trial() {
    let place = Place::sqlite();
    let daemon = place.start();
    let (status, _, body) = daemon.call("POST", PATH, TOKEN, "");
    assert_eq!(status, 200, "{body}");
    let done: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(done["changed"], serde_json::json!([]));
    assert_eq!(done["on_trial"], serde_json::json!(["test", "filter"]));
}
