//! Listeners of the daemon: which are opened, what is said when one cannot be, and a report by each of them.

use crate::support::daemon::{ABUSE, FILTER, Place, said};
use crate::support::mail::{on_the_wire, report};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

/// Sends lines, then reads that many last lines of replies.
fn talk<S: Write>(stream: S, lines: &str, replies: usize) -> Vec<String>
where
    for<'a> &'a S: std::io::Read,
{
    let mut stream = stream;
    stream.write_all(lines.as_bytes()).unwrap();
    let read = BufReader::new(&stream);
    let last = |line: &String| line.as_bytes().get(3) == Some(&b' ');
    read.lines()
        .map(Result::unwrap)
        .filter(last)
        .take(replies)
        .collect()
}

fn listener(name: &str, address: &str, rest: &str) -> String {
    format!("[[smtp.listeners]]\nname = \"{name}\"\naddress = \"{address}\"\n{rest}\n")
}

fn message(hello: &str, recipients: &[&str], n: usize) -> String {
    let recipients: String = recipients
        .iter()
        .map(|to| format!("RCPT TO:<{to}>\r\n"))
        .collect();
    let text = String::from_utf8(on_the_wire(&report(n, 1))).unwrap();
    format!("{hello} c\r\nMAIL FROM:<>\r\n{recipients}DATA\r\n{text}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_comes_in_by_each_door() {
    let mut place = Place::sqlite();
    let lmtp = place.path("lmtp").display().to_string();
    place.more = [
        listener("six", "[::1]:0", ""),
        listener("proxied", "127.0.0.1:0", "proxy = [\"127.0.0.0/8\"]"),
        listener(
            "lmtp",
            &format!("unix:{lmtp}"),
            "protocol = \"lmtp\"\nmode = \"0620\"",
        ),
    ]
    .concat();
    let daemon = place.start();
    let filed = |replies: &[String]| {
        let reply = replies.last().unwrap();
        assert!(reply.starts_with("250 2.0.0 filed as "), "{replies:?}");
    };
    filed(&talk(
        TcpStream::connect(daemon.smtp).unwrap(),
        &message("EHLO", &[FILTER], 1),
        6,
    ));
    let six = TcpStream::connect(daemon.door("six")).unwrap();
    filed(&talk(six, &message("EHLO", &[FILTER], 2), 6));
    for (n, client) in [(3, "127.9.9.9"), (4, "192.0.2.9")] {
        let header = format!("PROXY TCP4 {client} 127.0.0.1 4660 25\r\n");
        let proxied = TcpStream::connect(daemon.door("proxied")).unwrap();
        filed(&talk(
            proxied,
            &(header + &message("EHLO", &[FILTER], n)),
            6,
        ));
    }
    assert_eq!(std::fs::metadata(&lmtp).unwrap().mode() & 0o777, 0o620);
    assert_eq!(daemon.door("lmtp"), format!("unix:{lmtp}"));
    let replies = talk(
        UnixStream::connect(&lmtp).unwrap(),
        &message("LHLO", &[FILTER, ABUSE], 5),
        8,
    );
    filed(&replies);
    assert_eq!(
        replies[6], replies[7],
        "one report, one result, two replies"
    );
    assert_eq!(place.list("reports").len(), 5);
    // The feed is proven by its address and the network of loopback: the proxy's word decides, and a Unix socket
    // counts as loopback.
    assert_eq!(
        daemon.metric("arfd_complaints_total{standing=\"unproven\"}"),
        Some(2.0)
    );
    for (listener, sessions) in [("smtp", 1.0), ("six", 1.0), ("proxied", 2.0), ("lmtp", 1.0)] {
        let series =
            format!("arfd_smtp_connections_total{{listener=\"{listener}\",outcome=\"session\"}}");
        assert_eq!(daemon.metric(&series), Some(sessions), "{listener}");
    }
    daemon.terminate();
    assert!(daemon.ended().success());
    assert!(!place.path("lmtp").exists());
}

#[test]
fn strangers_may_not_connect_as_often_as_feeds() {
    let mut place = Place::sqlite();
    // Loopback of IPv4 is the feed's network, that of IPv6 is a stranger's.
    place.smtp = "max_connections_per_minute = 2\nrate_exempt = []".into();
    place.more = listener("six", "[::1]:0", "");
    let daemon = place.start();
    let greeting = |address: &str| talk(TcpStream::connect(address).unwrap(), "", 1).remove(0);
    for _ in 0..10 {
        assert!(greeting(&daemon.smtp.to_string()).starts_with("220 "));
    }
    let six = daemon.door("six");
    let greetings = [(); 3].map(|()| greeting(&six));
    assert!(greetings[1].starts_with("220 "), "{greetings:?}");
    assert!(greetings[2].starts_with("421 4.7.0 "), "{greetings:?}");
    let series = "arfd_smtp_connections_total{listener=\"six\",outcome=\"connection_rate\"}";
    assert_eq!(daemon.metric(series), Some(1.0));
}

/// Anybody can cause refusals as fast as the network carries them. Each is counted; of the log there are some.
#[test]
fn refusals_without_end_do_not_fill_the_log() {
    let mut place = Place::sqlite();
    place.smtp = "max_recipients = 1\nmax_sessions = 1".into();
    let daemon = place.start();
    let once = format!("RCPT TO:<{FILTER}>\r\n");
    let stream = TcpStream::connect(daemon.smtp).unwrap();
    let mut held = stream.try_clone().unwrap();
    let many = format!("EHLO c\r\nMAIL FROM:<>\r\n{}", once.repeat(301));
    let replies = talk(stream, &many, 304);
    assert_eq!(
        replies.iter().filter(|r| r.starts_with("452 ")).count(),
        300
    );
    // Its place is the only one.
    for _ in 0..100 {
        let over = talk(TcpStream::connect(daemon.smtp).unwrap(), "", 1);
        assert!(over[0].starts_with("421 4.7.0 "), "{over:?}");
    }
    let count =
        |reason: &str| daemon.metric(&format!("arfd_smtp_refusals_total{{reason=\"{reason}\"}}"));
    assert_eq!(count("recipients"), Some(300.0));
    assert_eq!(count("sessions"), Some(100.0));
    held.write_all(b"QUIT\r\n").unwrap();
    let log = daemon.log();
    let lines = |message: &str| log.iter().filter(|l| l["message"] == message).count();
    assert_eq!(lines("refused"), 50);
    // Twenty a minute, and a minute may have passed.
    let told = lines("connection refused");
    assert!((20..=40).contains(&told), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemons_socket_is_taken_over() {
    let mut place = Place::sqlite();
    let path = place.path("lmtp").display().to_string();
    place.more = listener("lmtp", &format!("unix:{path}"), "protocol = \"lmtp\"");
    place.start().kill();
    assert!(place.path("lmtp").exists());
    let daemon = place.start();
    let replies = talk(
        UnixStream::connect(&path).unwrap(),
        &message("LHLO", &[FILTER], 1),
        6,
    );
    assert!(replies[5].starts_with("250 2.0.0 filed as "), "{replies:?}");
    // A second daemon finds it in use, and leaves it alone.
    let second = place.arfd(&["serve"]);
    assert!(!second.status.success());
    let told = said(&second);
    assert!(
        told.contains("smtp.listeners[0].address of 'lmtp' = unix:"),
        "{told}"
    );
    assert!(told.contains("another process listens there"), "{told}");
    talk(UnixStream::connect(&path).unwrap(), "LHLO c\r\n", 2);
    drop(daemon);
}

#[test]
fn a_door_that_cannot_be_opened_is_named() {
    let mut place = Place::sqlite();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let file = place.write("file", "precious");
    for (address, rest, why) in [
        (format!("{taken}"), "", "(os error "),
        (format!("unix:{file}"), "", "not a socket"),
        ("unix:/no/such/place".to_owned(), "", "(os error 2)"),
        (
            format!("unix:{}", place.path("x").display()),
            "group = \"no-such-group\"",
            "there is no group 'no-such-group'",
        ),
        ("systemd:none".to_owned(), "", "passes no such socket"),
    ] {
        let hold = address.starts_with("127").then(|| TcpListener::bind(taken));
        place.more = listener("x", &address, rest);
        let run = place.arfd(&["serve"]);
        let told = said(&run);
        assert_eq!(run.status.code(), Some(69), "{told}");
        let want = format!("smtp.listeners[0].address of 'x' = {address}: ");
        assert!(told.contains(&want) && told.contains(why), "{told}");
        drop(hold);
    }
    assert_eq!(std::fs::read(place.path("file")).unwrap(), b"precious");
}
