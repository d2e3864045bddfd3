//! Reports sent by clients that others wrote, to a real `arfd serve`, and looked for in its store. A client
//! that is not there is left out, loudly; `tests/run` installs them.

mod smtp_source;
mod smtplib;
mod swaks;

use crate::support::daemon::{ABUSE, Daemon, FILTER, Place, said};
use crate::support::mail::report;
use crate::support::skipped;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A program from the path or from what `tests/run` unpacked; None (said loudly) where there is none.
fn program(name: &str) -> Option<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let installed = std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|program| program.exists());
    if let Some(program) = installed {
        return Some(Command::new(program));
    }
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/postfix/usr");
    let program = unpacked.join("sbin").join(name);
    if !program.exists() {
        skipped(&format!("{name} (tests/run installs it)"));
        return None;
    }
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", unpacked.join("lib/postfix"));
    Some(command)
}

/// Runs a client to its end.
fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// The identifiers that a client was told, in order.
fn identifiers(transcript: &str) -> Vec<String> {
    transcript
        .split("filed as ")
        .skip(1)
        .map(|rest| {
            let id = |c: &char| c.is_ascii_hexdigit() || *c == '-';
            rest.chars().take_while(id).collect()
        })
        .collect()
}

/// The identifiers in the store, each of which is there once.
fn stored(place: &Place) -> BTreeSet<String> {
    let rows = place.list("reports");
    let count = rows.len();
    let ids: BTreeSet<String> = rows
        .into_iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), count, "a report is there twice");
    ids
}

/// Looks for a message by its identifier and compares it octet for octet.
fn is_there(place: &Place, id: &str, message: &[u8]) {
    let shown = place.arfd(&["show", id]);
    assert!(shown.status.success(), "{}", said(&shown));
    let (got, want) = (
        String::from_utf8_lossy(&shown.stdout),
        String::from_utf8_lossy(message),
    );
    assert_eq!(got, want);
}
