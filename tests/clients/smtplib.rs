//! Python's smtplib, by the script beside this file.

use super::*;
use crate::support::daemon::arfd;
use std::io::Write;
use std::process::Stdio;

/// The script with a way of sending, a recipient and files; gives what it printed.
fn smtplib(daemon: &Daemon, way: &str, recipient: &str, files: &[String]) -> Option<String> {
    let address = daemon.smtp.to_string();
    let output = send(&[way, &address, recipient], files, "")?;
    assert!(output.status.success(), "{}", said(&output));
    Some(said(&output))
}

/// The script with these words, files and this on its standard input.
fn send(words: &[&str], files: &[String], input: &str) -> Option<Output> {
    let mut python = program("python3")?;
    let mut child = python
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/clients/send.py"
        ))
        .args(words)
        .args(files)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Some(child.wait_with_output().unwrap())
}

/// OpenSSL on the other side of the handshake, with and without a login.
#[test]
fn reports_by_smtplib_under_tls() {
    let (place, password) = secured();
    let daemon = place.start();
    let messages: Vec<Vec<u8>> = (0..2).map(|n| report(n, n)).collect();
    let file = |n: usize| place.write(&format!("{n}.eml"), &messages[n]);
    let Some(transcript) = smtplib(&daemon, "starttls", FILTER, &[file(0)]) else {
        return;
    };
    assert!(transcript.contains("tls: TLSv1.3"), "{transcript}");
    is_there(&place, &identifiers(&transcript)[0], &messages[0]);
    let address = daemon.smtp.to_string();
    let words = ["login", &address, ABUSE];
    let right = send(&words, &[file(1)], &format!("webmail\n{password}\n")).unwrap();
    let transcript = said(&right);
    assert!(right.status.success(), "{transcript}");
    assert!(
        transcript.contains("login: 235 b'2.7.0 Authentication succeeded'"),
        "{transcript}"
    );
    is_there(&place, &identifiers(&transcript)[0], &messages[1]);
    let wrong = send(&words, &[file(1)], "webmail\nguessed\n").unwrap();
    assert!(!wrong.status.success());
    assert!(
        said(&wrong).contains("SMTPAuthenticationError"),
        "{}",
        said(&wrong)
    );
    let feeds: Vec<String> = place
        .list("reports")
        .iter()
        .map(|row| row["feed"].as_str().unwrap_or("none").to_owned())
        .collect();
    assert!(feeds.contains(&"filter".into()), "{feeds:?}");
    assert!(feeds.contains(&"webmail".into()), "{feeds:?}");
    // smtplib tries by PLAIN first, then by LOGIN.
    assert_eq!(
        daemon.metric("arfd_smtp_auth_total{outcome=\"denied\"}"),
        Some(2.0)
    );
}

/// A place with a certificate, and a feed that is known by its login; and the password.
fn secured() -> (Place, &'static str) {
    let password = "hush-7b1e93";
    let mut place = Place::sqlite();
    let ours = rcgen::generate_simple_self_signed(["mx.test".to_owned()]).unwrap();
    let certificate = place.write("certificate.pem", ours.cert.pem());
    let key = place.write("key.pem", ours.signing_key.serialize_pem());
    let hashed = arfd(&["hash-password"], format!("{password}\n").as_bytes());
    assert!(hashed.status.success(), "{}", said(&hashed));
    let hash = place.write("hash", &hashed.stdout);
    place.more = format!(
        "[smtp.tls]\ncertificate_file = \"{certificate}\"\nkey_file = \"{key}\"\n\
         [smtp.auth]\nfailure_delay = \"0s\"\n\
         [[smtp.users]]\nname = \"webmail\"\npassword_hash_file = \"{hash}\"\n\
         [[feeds]]\nname = \"webmail\"\nlogins = [\"webmail\"]\n"
    );
    (place, password)
}

/// LMTP over TCP and over a Unix socket, with the replies that it has for each recipient.
#[test]
fn reports_by_smtplib_over_lmtp() {
    let mut place = Place::sqlite();
    let path = place.path("lmtp").display().to_string();
    place.more = format!(
        "[[smtp.listeners]]\nname = \"local\"\naddress = \"unix:{path}\"\nprotocol = \"lmtp\"\n\
         [[smtp.listeners]]\nname = \"port\"\naddress = \"127.0.0.1:0\"\nprotocol = \"lmtp\"\n"
    );
    let daemon = place.start();
    let port = daemon.door("port");
    for (n, address) in [format!("{path}:0"), port].iter().enumerate() {
        let message = report(n, n);
        let file = place.write("report.eml", &message);
        let Some(output) = send(&["lmtp", address, FILTER], &[file], "") else {
            return;
        };
        let transcript = said(&output);
        assert!(output.status.success(), "{transcript}");
        assert_eq!(identifiers(&transcript).len(), 1, "{transcript}");
        is_there(&place, &identifiers(&transcript)[0], &message);
    }
    assert_eq!(place.list("reports").len(), 2);
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
