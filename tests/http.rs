//! What the daemon shows over HTTP: figures that move with the mail and the locks, no customer's name in
//! any of them, and probes that tell the truth about the store.

use crate::support::daemon::{ABUSE, Daemon, FILTER, LOGIN, PASSWORD, Place, THRESHOLD, until};
use crate::support::mail::{Smtp, identity, report, typed_report};
use arfd::cli::demo::stand_in::StandIn;
use sqlx::{Connection, SqliteConnection};
use std::io::Write;
use std::net::TcpStream;

fn exactly(daemon: &Daemon, wanted: &[(&str, f64)]) {
    for (series, value) in wanted {
        assert_eq!(daemon.metric(series), Some(*value), "{series}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_follow_reports_and_locks() {
    let filter = StandIn::start(LOGIN, PASSWORD).await.unwrap();
    let place = Place::sqlite().locking_at(filter.url());
    let daemon = place.start();
    let (status, head, text) = daemon.get("/metrics");
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    assert!(text.ends_with('\n'));
    let version = env!("CARGO_PKG_VERSION");
    exactly(
        &daemon,
        &[
            (&format!("arfd_build_info{{version=\"{version}\"}}"), 1.0),
            ("arfd_complaints_total{standing=\"counted\"}", 0.0),
            ("arfd_crossings_total{rule=\"test\"}", 0.0),
            ("arfd_orders{state=\"done\"}", 0.0),
        ],
    );

    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    for n in 0..THRESHOLD {
        smtp.send(FILTER, &report(n, 1)).unwrap();
    }
    smtp.send(FILTER, &report(0, 1)).unwrap();
    smtp.send(FILTER, &typed_report(500, 2, "fraud")).unwrap();
    smtp.send(FILTER, &typed_report(501, 2, "not-spam"))
        .unwrap();
    smtp.send(ABUSE, &report(502, 2)).unwrap();
    smtp.send(ABUSE, b"Subject: hello\r\n\r\nA letter.\r\n")
        .unwrap();
    assert!(smtp.say("MAIL FROM:<>").unwrap().starts_with("250"));
    let refused = smtp.say("RCPT TO:<else@elsewhere.example>").unwrap();
    assert!(refused.starts_with("550"), "{refused}");
    daemon.shows("arfd_orders{state=\"done\"}", 1.0);
    // Written down just after the order itself.
    daemon.shows("arfd_order_seconds_count{target=\"spamexperts\"}", 1.0);

    let all = THRESHOLD as f64;
    let of = |feed: &str, kind: &str, format: &str| {
        format!(
            "arfd_reports_total{{feed=\"{feed}\",feedback_type=\"{kind}\",format=\"{format}\"}}"
        )
    };
    exactly(
        &daemon,
        &[
            (&of("filter", "abuse", "arf"), all),
            (&of("filter", "fraud", "arf"), 1.0),
            (&of("filter", "not-spam", "arf"), 1.0),
            (&of("unproven", "abuse", "arf"), 1.0),
            (&of("unproven", "none", "none"), 1.0),
            ("arfd_repeated_reports_total", 1.0),
            ("arfd_complaints_total{standing=\"counted\"}", all + 1.0),
            ("arfd_complaints_total{standing=\"never_counts\"}", 1.0),
            ("arfd_complaints_total{standing=\"unproven\"}", 1.0),
            ("arfd_complaints_total{standing=\"not_a_report\"}", 1.0),
            ("arfd_complaints_total{standing=\"duplicate\"}", 0.0),
            (
                "arfd_attributions_total{detail=\"identification_header\",outcome=\"identified\"}",
                all + 3.0,
            ),
            ("arfd_crossings_total{rule=\"test\"}", 1.0),
            ("arfd_orders{state=\"pending\"}", 0.0),
            ("arfd_orders{state=\"refused\"}", 0.0),
            ("arfd_commit_failures_total", 0.0),
            ("arfd_commit_batch_reports_sum", all + 5.0),
            ("arfd_queue_depth", 0.0),
            ("arfd_smtp_messages_total{reply=\"accepted\"}", all + 5.0),
            ("arfd_smtp_refusals_total{reason=\"recipient\"}", 1.0),
            ("arfd_smtp_sessions", 1.0),
            ("arfd_session_panics_total", 0.0),
        ],
    );
    let (_, _, text) = daemon.get("/metrics");
    for private in [
        identity(1).as_str(),
        "user1",
        "customer",
        "server1",
        "192.0.2.7",
        "127.0.0.1",
        "hoster.example",
        "elsewhere.example",
        PASSWORD,
        LOGIN,
    ] {
        let shown = text.lines().find(|line| line.contains(private));
        assert_eq!(shown, None, "{private}");
    }
    // The log names identities, for people to follow, but no text and no secret.
    let log = daemon.log_text();
    assert!(log.contains(&identity(1)));
    for private in [PASSWORD, "buy number", "A letter."] {
        assert!(!log.contains(private), "{private} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_follows_the_store() {
    let place = Place::sqlite();
    let daemon = place.start();
    assert_eq!(daemon.get("/readyz").0, 200);

    let mut other = SqliteConnection::connect(&place.store).await.unwrap();
    sqlx::raw_sql("alter table reports rename to gone")
        .execute(&mut other)
        .await
        .unwrap();
    let (status, _, why) = daemon.get("/readyz");
    assert_eq!(status, 503);
    assert!(why.starts_with("not ready: the store"), "{why}");
    assert_eq!(daemon.get("/healthz").0, 200, "restarting would not help");
    assert_eq!(daemon.get("/metrics").0, 200);

    sqlx::raw_sql("alter table gone rename to reports")
        .execute(&mut other)
        .await
        .unwrap();
    assert_eq!(daemon.get("/readyz").0, 200);
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    smtp.send(FILTER, &report(0, 1)).unwrap();
}

/// Reports need a store that can be written, so a store that can only be read is not ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_can_only_be_read_is_not_ready() {
    let place = Place::sqlite();
    let daemon = place.start();
    let mut other = SqliteConnection::connect(&place.store).await.unwrap();
    sqlx::raw_sql("begin immediate")
        .execute(&mut other)
        .await
        .unwrap();
    assert_eq!(daemon.get("/readyz").0, 503);
    sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
    until("ready again", || {
        (daemon.get("/readyz").0 == 200).then_some(())
    });
}

#[test]
fn probes_and_unknown_paths() {
    let place = Place::sqlite();
    let daemon = place.start();
    let (status, _, body) = daemon.get("/healthz");
    assert_eq!((status, body.as_str()), (200, "alive\n"));
    let (status, _, body) = daemon.get("/readyz");
    assert_eq!((status, body.as_str()), (200, "ready\n"));
    let (status, _, body) = daemon.get("/");
    assert_eq!(status, 200);
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert!(body.contains(path), "{body}");
    }
    for path in ["/nothing", "/metrics/", "/../etc/passwd"] {
        assert_eq!(daemon.get(path).0, 404, "{path}");
    }
}

/// A request that never ends does not keep the daemon from stopping.
#[test]
fn a_half_sent_request_does_not_hold_the_stop() {
    let place = Place::sqlite();
    let daemon = place.start();
    let mut half = TcpStream::connect(daemon.http).unwrap();
    half.write_all(b"GET /metrics HTTP/1.1\r\nHost:").unwrap();
    daemon.get("/healthz");
    daemon.terminate();
    assert_eq!(daemon.ended().code(), Some(0));
    drop(half);
}

/// A report's line leads to the session that brought it, and to nothing secret.
#[test]
fn log_lines_tie_report_and_session() {
    let place = Place::sqlite();
    let daemon = place.start();
    let reply = Smtp::connect(daemon.smtp)
        .unwrap()
        .send(FILTER, &report(0, 1))
        .unwrap();
    let line = until("the line", || {
        let mut lines = daemon.log().into_iter();
        lines.find(|line| line["message"] == "report filed")
    });
    assert!(reply.contains(line["report"].as_str().unwrap()), "{reply}");
    assert!(line["span"]["session"].is_u64(), "{line}");
}
