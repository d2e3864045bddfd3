//! Python's smtplib, by the script beside this file.

use super::*;

/// The script with a way of sending, a recipient and files; gives what it printed.
fn smtplib(daemon: &Daemon, way: &str, recipient: &str, files: &[String]) -> Option<String> {
    let mut python = program("python3")?;
    python
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/clients/send.py"
        ))
        .args([way, &daemon.smtp.to_string(), recipient])
        .args(files);
    let output = run(&mut python);
    assert!(output.status.success(), "{}", said(&output));
    Some(said(&output))
}

#[test]
fn reports_by_smtplib_are_in_the_store() {
    let place = Place::sqlite();
    let daemon = place.start();
    let messages: Vec<Vec<u8>> = (0..5).map(|n| report(n, n)).collect();
    let files: Vec<String> = messages
        .iter()
        .enumerate()
        .map(|(n, message)| place.write(&format!("{n}.eml"), message))
        .collect();
    let Some(transcript) = smtplib(&daemon, "smtp", FILTER, &files) else {
        return;
    };
    let ids = identifiers(&transcript);
    assert_eq!(ids.len(), messages.len(), "{transcript}");
    for (id, message) in ids.iter().zip(&messages) {
        is_there(&place, id, message);
    }
    assert_eq!(stored(&place), ids.into_iter().collect());
}

#[test]
fn smtplib_sees_each_refusal_and_goes_on() {
    let place = Place::sqlite();
    let daemon = place.start();
    let message = report(1, 1);
    let file = place.write("report.eml", &message);
    let Some(transcript) = smtplib(&daemon, "refusals", ABUSE, &[file]) else {
        return;
    };
    for line in [
        "declared: 552 5.3.4",
        "recipients: 550 5.1.1",
        "one of two: 550 5.1.1",
        "verify: 252",
    ] {
        assert!(transcript.contains(line), "{line} is not in {transcript}");
    }
    // The good one of two recipients got the message, and so did the session's last.
    let ids = identifiers(&transcript);
    assert_eq!(ids.len(), 2, "{transcript}");
    assert_eq!(stored(&place), ids.into_iter().collect());
}
