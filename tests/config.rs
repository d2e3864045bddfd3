//! The configuration as the commands take it: which of them need the target's credentials, and that every
//! cause is told once.

use crate::support::daemon::{PASSWORD, Place, arfd, said};
use crate::support::mail::report;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};

fn with_variable(arguments: &[&str], name: &str, value: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arfd"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ARFD_") {
            command.env_remove(name);
        }
    }
    let value = OsStr::from_bytes(value);
    command.args(arguments).env(name, value).output().unwrap()
}

#[test]
fn only_who_sends_orders_needs_the_targets_credentials() {
    let place = Place::sqlite().locking_at("https://filter.example/cgi-bin/api".into());
    let text = std::fs::read_to_string(place.configuration()).unwrap();
    let given = format!("password = \"{PASSWORD}\"\n");
    assert!(text.contains(&given));
    let mail = place.write("a.eml", report(0, 1));
    for (instead, wanted) in [
        ("", "lock.spamexperts.password: is needed"),
        (
            "password_file = \"/no/such\"\n",
            "arfd: lock.spamexperts.password_file: /no/such: No such file or directory (os error 2)\n",
        ),
    ] {
        let file = place.write("none.toml", text.replace(&given, instead));
        for arguments in [
            &["ingest", "-c", &file, "--feed", "filter", &mail][..],
            &["list", "orders", "-c", &file],
        ] {
            let run = arfd(arguments, b"");
            assert!(run.status.success(), "{arguments:?}: {}", said(&run));
        }
        for arguments in [
            &["config", "check", "-c", &file][..],
            &["serve", "-c", &file],
        ] {
            let run = arfd(arguments, b"");
            assert_eq!(run.status.code(), Some(78), "{}", said(&run));
            assert!(said(&run).contains(wanted), "{}", said(&run));
        }
    }
}

#[test]
fn a_cause_is_told_once() {
    let mut place = Place::sqlite();
    place.store = "sqlite:///proc/no/such/arfd.db".into();
    let run = place.arfd(&["serve"]);
    assert_eq!(run.status.code(), Some(69), "{}", said(&run));
    assert_eq!(said(&run).matches("os error").count(), 1, "{}", said(&run));
    place.store_timeout = "300ms";
    place.store = format!("postgres://arfd:{PASSWORD}@127.0.0.1:1/arfd");
    let run = place.arfd(&["list", "orders"]);
    assert_eq!(run.status.code(), Some(69), "{}", said(&run));
    let told = said(&run);
    assert_eq!(told.matches("is not available").count(), 1, "{told}");
    let causes: Vec<&str> = told.trim_end().split(": ").collect();
    let mut distinct = causes.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), causes.len(), "{told}");

    let place = Place::sqlite().locking_at("https://filter.example/cgi-bin/api".into());
    let text = std::fs::read_to_string(place.configuration()).unwrap();
    let file = place.write("ca.toml", text + "ca_file = \"/no/such.pem\"\n");
    let run = arfd(&["serve", "-c", &file], b"");
    assert_eq!(run.status.code(), Some(78), "{}", said(&run));
    let told = said(&run);
    assert_eq!(told.matches("lock.spamexperts: ").count(), 1, "{told}");
    assert_eq!(told.matches("/no/such.pem").count(), 1, "{told}");
    assert_eq!(told.matches("os error").count(), 1, "{told}");
}

#[test]
fn strange_octets_in_the_environment_are_no_panic() {
    let run = with_variable(&["config", "check"], "SOMETHING", b"\xff");
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    let run = with_variable(&["config", "check"], "ARFD_SMTP__HOSTNAME", b"\xff");
    assert_eq!(run.status.code(), Some(78), "{}", said(&run));
    assert_eq!(
        said(&run),
        "arfd: ARFD_SMTP__HOSTNAME (environment): is not UTF-8\n"
    );
}
