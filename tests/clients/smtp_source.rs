//! Postfix's load generator: many sessions at once.

use super::*;

/// One run; it fails at the first reply that is not the wanted one.
fn smtp_source(daemon: &Daemon, recipient: &str, arguments: &[&str]) -> Option<()> {
    smtp_source_at(&daemon.smtp.to_string(), recipient, arguments)
}

/// The same to any address.
fn smtp_source_at(address: &str, recipient: &str, arguments: &[&str]) -> Option<()> {
    let mut source = program("smtp-source")?;
    source
        .args(["-M", "client.example", "-f", "sender@customer.example"])
        .args(["-t", recipient])
        .args(arguments)
        .arg(address);
    let output = run(&mut source);
    assert!(output.status.success(), "{}", said(&output));
    Some(())
}

#[test]
fn four_hundred_messages_over_twenty_sessions_are_all_there() {
    let place = Place::sqlite();
    let daemon = place.start();
    let sent = ["-s", "20", "-m", "400", "-l", "3000"];
    if smtp_source(&daemon, ABUSE, &sent).is_none() {
        return;
    }
    assert_eq!(stored(&place).len(), 400);
    daemon.shows("arfd_smtp_messages_total{reply=\"accepted\"}", 400.0);
    daemon.shows("arfd_smtp_sessions_total", 400.0);
    // The same over sessions that stay open.
    smtp_source(&daemon, ABUSE, &[&sent[..], &["-d"]].concat()).unwrap();
    assert_eq!(stored(&place).len(), 800);
    daemon.shows("arfd_smtp_sessions_total", 420.0);
}

/// Postfix's own LMTP, as its lmtp(8) would hand over, by a Unix socket.
#[test]
fn messages_by_lmtp_are_all_there() {
    let mut place = Place::sqlite();
    let socket = format!("unix:{}", place.path("lmtp").display());
    place.more = format!(
        "[[smtp.listeners]]\nname = \"local\"\naddress = \"{socket}\"\nprotocol = \"lmtp\"\n"
    );
    let daemon = place.start();
    let sent = ["-L", "-s", "5", "-m", "50", "-d", "-l", "3000"];
    if smtp_source_at(&socket, ABUSE, &sent).is_none() {
        return;
    }
    assert_eq!(stored(&place).len(), 50);
    daemon.shows("arfd_smtp_messages_total{reply=\"accepted\"}", 50.0);
}

#[test]
fn one_report_sent_by_all_at_once_is_filed_once() {
    let place = Place::sqlite();
    let daemon = place.start();
    let message = report(1, 1);
    // It makes CRLF of each LF itself.
    let text = String::from_utf8_lossy(&message);
    let file = place.write("report.eml", text.replace("\r\n", "\n"));
    let sent = ["-s", "20", "-m", "200", "-d", "-F", &file];
    if smtp_source(&daemon, FILTER, &sent).is_none() {
        return;
    }
    let ids = stored(&place);
    assert_eq!(ids.len(), 1);
    // And it ends the text with a line end of its own.
    let filed = [&message, &b"\r\n"[..]].concat();
    is_there(&place, ids.first().unwrap(), &filed);
    assert_eq!(place.list("reports")[0]["standing"], "counted");
    daemon.shows("arfd_smtp_messages_total{reply=\"accepted\"}", 200.0);
    daemon.shows("arfd_repeated_reports_total", 199.0);
}
