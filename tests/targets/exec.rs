//! What is the program's alone: its exit codes, its environment, and that nothing of it lives on.

use super::stand_in_exec::{Program, target_of};
use super::suite::{Bench, done, later, order, refused};
use arfd::domain::lock::Action;
use std::time::Duration;

async fn shell(text: &str, environment: &[&str]) -> arfd::domain::lock::Outcome {
    let bench = Program::start().await;
    let mut settings = bench.settings();
    settings.program = "/bin/sh".into();
    settings.arguments = vec!["-c".into(), text.into()];
    settings.environment = environment.iter().map(|name| (*name).to_owned()).collect();
    settings.timeout = Duration::from_secs(20);
    settings.later = vec![75, 7];
    target_of(settings)
        .carry_out(&order(Action::Lock, "bob@x.example"))
        .await
}

#[tokio::test]
async fn exit_codes_and_texts() {
    assert_eq!(done(shell("echo fine; exit 0", &[]).await), "fine");
    assert!(later(shell("echo busy; exit 75", &[]).await).contains("exit code 75: busy"));
    later(shell("exit 7", &[]).await);
    assert!(refused(shell("echo never >&2; exit 1", &[]).await).contains("never"));
    later(shell("kill -9 $$", &[]).await);
    // It need not read its order.
    done(shell("exec <&-; exit 0", &[]).await);
}

#[tokio::test]
async fn the_environment_is_empty_but_for_what_is_named() {
    let show = "env | cut -d= -f1 | grep -vE '^(PWD|_|SHLVL|OLDPWD)$'; exit 0";
    let path = "PATH=/usr/bin:/bin; export PATH; ";
    assert_eq!(done(shell(&format!("{path}{show}"), &[]).await), "PATH");
    let said = done(shell(&format!("{path}{show}"), &["HOME"]).await);
    assert!(said.contains("HOME") && !said.contains("CARGO"), "{said}");
}

#[tokio::test]
async fn nothing_of_it_lives_on_or_is_waited_for() {
    // A child keeps the output open: the exit code counts at once, and the child is ended.
    let marker = tempfile::tempdir().unwrap();
    let file = marker.path().join("pid");
    let text = format!("/bin/sleep 600 & echo $! > {}; exit 0", file.display());
    done(shell(&text, &[]).await);
    let pid = std::fs::read_to_string(&file).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z"));
    // The signal is sent by now; the kernel may take a moment over it.
    let looks = (0..100_000).find(|_| {
        std::thread::yield_now();
        gone()
    });
    assert!(looks.is_some(), "the child still runs");
}

#[tokio::test]
async fn a_program_that_is_none_is_told_at_once() {
    let bench = Program::start().await;
    for path in ["relative", "/no/such/program", "/tmp"] {
        let mut settings = bench.settings();
        settings.program = path.into();
        let metrics = std::sync::Arc::new(arfd::metrics::Metrics::new().unwrap());
        let clock = std::sync::Arc::new(arfd::clock::SystemClock::default());
        let error = arfd::lock::exec::Exec::new(settings, metrics, clock).unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
    }
}
