//! What is under deploy/: alert rules and dashboard speak of the metrics that exist and of all of them, the
//! unit gives the daemon time to drain, the man page knows every command. promtool checks the rules.

use crate::support::skipped;
use arfd::config::Settings;
use arfd::metrics::Metrics;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("deploy/{name}: {e}"))
}

/// The metric behind a series' name; None when there is none.
fn metric(word: &str) -> Option<&'static str> {
    Metrics::NAMES.iter().find_map(|(name, kind)| {
        let series = match word.strip_prefix(name)? {
            "" => !kind.starts_with("Histogram"),
            "_bucket" | "_sum" | "_count" => kind.starts_with("Histogram"),
            _ => false,
        };
        series.then_some(*name)
    })
}

/// The metrics that a file speaks of. Panics on one that does not exist.
fn metrics_in(name: &str) -> BTreeSet<&'static str> {
    let text = read(name);
    let words = Regex::new(r"\barfd_[a-z_]+").unwrap();
    words
        .find_iter(&text)
        .map(|word| {
            metric(word.as_str())
                .unwrap_or_else(|| panic!("deploy/{name}: there is no metric {}", word.as_str()))
        })
        .collect()
}

/// The expressions of the dashboard, wherever they stand.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(expression) if key == "expr" => found.push(expression.clone()),
                    _ => expressions(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|v| expressions(v, found)),
        _ => {}
    }
}

fn dashboard_expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("grafana/dashboard.json")).unwrap();
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    assert!(!found.is_empty());
    found
}

/// Runs promtool in deploy/prometheus, where it is installed.
fn promtool(arguments: &[&str]) {
    let run = Command::new("promtool")
        .args(arguments)
        .current_dir(path("prometheus"))
        .output();
    match run {
        Ok(output) => assert!(
            output.status.success(),
            "promtool {arguments:?}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            skipped(&format!("promtool (Debian: prometheus): {arguments:?}"));
        }
        Err(error) => panic!("promtool: {error}"),
    }
}

#[test]
fn alerts_use_metrics_that_exist() {
    let used = metrics_in("prometheus/alerts.yml");
    assert!(used.contains("arfd_commit_failures_total"), "{used:?}");
    metrics_in("prometheus/alerts.test.yml");
}

#[test]
fn every_alert_says_what_to_do_and_has_a_test() {
    let rules = read("prometheus/alerts.yml");
    let tests = read("prometheus/alerts.test.yml");
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        let name = alert.lines().next().unwrap_or_default();
        for part in ["severity:", "summary:", "description:", "action:"] {
            assert!(alert.contains(part), "{name} has no {part}");
        }
        let tested = tests.contains(name)
            || (name.starts_with("ArfdOrders") && tests.contains("ArfdOrders.*"))
            || (name.starts_with("ArfdUn") && tests.contains("ArfdUn.*"));
        assert!(tested, "{name} is not in alerts.test.yml");
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let shown = metrics_in("grafana/dashboard.json");
    let all: BTreeSet<&str> = Metrics::NAMES.iter().map(|(name, _)| *name).collect();
    assert_eq!(shown, all);
}

#[test]
fn promtool_accepts_rules_configuration_and_tests() {
    promtool(&["check", "rules", "alerts.yml"]);
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["test", "rules", "alerts.test.yml"]);
}

/// promtool reads rules only, so the dashboard's expressions are given to it as rules.
#[test]
fn promtool_accepts_the_dashboards_expressions() {
    let rules: Vec<Value> = dashboard_expressions()
        .iter()
        .enumerate()
        .map(|(i, expression)| {
            let expression = expression
                .replace("$__rate_interval", "1m")
                .replace("$__range", "1h");
            serde_json::json!({ "record": format!("dashboard:{i}"), "expr": expression })
        })
        .collect();
    let groups = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    // JSON is YAML.
    std::fs::write(&file, groups.to_string()).unwrap();
    promtool(&["check", "rules", &file.display().to_string()]);
}

#[test]
fn the_unit_gives_the_daemon_time_to_drain() {
    let unit = read("arfd.service");
    let seconds: u64 = unit
        .lines()
        .find_map(|line| line.strip_prefix("TimeoutStopSec=")?.strip_suffix('s'))
        .and_then(|n| n.parse().ok())
        .expect("TimeoutStopSec in seconds");
    let settings = Settings::default();
    let needed = settings.smtp.drain_timeout.0
        + settings.store.timeout.0
        + settings.lock.spamexperts.timeout.0 * 3;
    assert!(seconds > needed.as_secs(), "{seconds} s for {needed:?}");
    let compose = read("compose.yaml");
    assert!(
        compose.contains(&format!("stop_grace_period: {seconds}s")),
        "compose.yaml disagrees with the unit"
    );
}

/// A transaction that takes as long as it may must not starve the watchdog.
#[test]
fn the_units_watchdog_is_more_patient_than_the_store() {
    let unit = read("arfd.service");
    let minutes: u64 = unit
        .lines()
        .find_map(|line| line.strip_prefix("WatchdogSec=")?.strip_suffix("min"))
        .and_then(|n| n.parse().ok())
        .expect("WatchdogSec in minutes");
    let store = Settings::default().store.timeout.0;
    assert!(
        minutes * 60 > store.as_secs() * 3,
        "{minutes} min for {store:?}"
    );
}

/// The socket's name is what its comment tells people to configure.
#[test]
fn the_socket_units_name_is_the_one_to_configure() {
    let unit = read("arfd.socket");
    let name = unit
        .lines()
        .find_map(|line| line.strip_prefix("FileDescriptorName="))
        .unwrap();
    let line = format!("listen = \"systemd:{name}\"");
    assert!(unit.contains(&line), "{line}");
}

/// Where systemd is installed; no manager need run.
#[test]
fn systemd_accepts_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let units = ["arfd.service", "arfd.socket"].map(|name| {
        let unit = read(name).replace("/usr/bin/arfd", env!("CARGO_BIN_EXE_arfd"));
        let copy = folder.path().join(name);
        std::fs::write(&copy, unit).unwrap();
        copy
    });
    let run = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args(&units)
        .output();
    match run {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && told.trim().is_empty(), "{told}");
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            skipped("systemd-analyze (Debian: systemd): the units");
        }
        Err(error) => panic!("systemd-analyze: {error}"),
    }
}

/// Commands run elsewhere than the daemon must find the daemon's store.
#[test]
fn the_units_configuration_names_its_store_by_an_absolute_path() {
    let file = path("arfd.toml");
    let settings = arfd::config::load_with(
        Some(&file),
        std::iter::empty(),
        arfd::config::Need::Everything,
    )
    .unwrap();
    let url = settings.store.url.expose();
    assert!(url.starts_with("sqlite:///"), "{url}");
}

#[test]
fn the_man_page_knows_every_command() {
    let page = read("arfd.1");
    let help = Command::new(env!("CARGO_BIN_EXE_arfd"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"serve"), "{help}");
    for command in commands {
        assert!(
            page.contains(&format!(".It Cm {command}")),
            "arfd.1 does not explain {command}"
        );
    }
}
