//! swaks, the testers' client: command by command and pipelined.

use super::*;

/// One run of swaks; gives its exit code and transcript.
fn swaks(daemon: &Daemon, recipient: &str, arguments: &[&str]) -> Option<(i32, String)> {
    let mut swaks = program("swaks")?;
    swaks
        .args(["--server", "127.0.0.1", "--port"])
        .arg(daemon.smtp.port().to_string())
        .args([
            "--ehlo",
            "client.example",
            "--from",
            "<>",
            "--to",
            recipient,
        ])
        .args(["--timeout", "60"])
        .args(arguments);
    let output = run(&mut swaks);
    Some((output.status.code().unwrap(), said(&output)))
}

#[test]
fn a_report_by_swaks_is_in_the_store() {
    let place = Place::sqlite();
    let daemon = place.start();
    for (n, arguments) in [&[][..], &["--pipeline"]].into_iter().enumerate() {
        let message = report(n, n);
        let file = format!("@{}", place.write("report.eml", &message));
        let arguments = [arguments, &["--data", &file]].concat();
        let Some((code, transcript)) = swaks(&daemon, FILTER, &arguments) else {
            return;
        };
        assert_eq!(code, 0, "{transcript}");
        let ids = identifiers(&transcript);
        assert_eq!(ids.len(), 1, "{transcript}");
        // swaks ends the data with a line end of its own.
        is_there(&place, &ids[0], &[&message, &b"\r\n"[..]].concat());
    }
    let rows = place.list("reports");
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(row["standing"], "counted", "{row}");
        assert_eq!(row["feed"], "filter", "{row}");
    }
}

#[test]
fn swaks_is_told_what_is_refused() {
    let place = Place::sqlite();
    let daemon = place.start();
    // The codes by which swaks tells what failed stand in its manual, under EXIT CODES.
    let Some((code, transcript)) = swaks(&daemon, "nobody@hoster.example", &[]) else {
        return;
    };
    assert_eq!(code, 24, "{transcript}");
    assert!(transcript.contains("<** 550 5.1.1 "), "{transcript}");
    let (code, transcript) = swaks(&daemon, ABUSE, &["--quit-after", "RCPT"]).unwrap();
    assert_eq!(code, 0, "{transcript}");
    assert!(transcript.contains("221 2.0.0 "), "{transcript}");
    assert!(stored(&place).is_empty());
}
