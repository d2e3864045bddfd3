//! Stopping under load, and a store that cannot be written for a while.

use crate::support::daemon::{Daemon, FILTER, Place, until};
use crate::support::mail::{Smtp, Unsent, on_the_wire, report};
use crate::support::postgres;
use sqlx::{Connection, SqliteConnection};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_answers_everybody() {
    let place = Place::sqlite();
    let daemon = place.start();
    let server = daemon.smtp;
    let filed = Mutex::new(BTreeSet::new());
    let (next, sent) = (AtomicUsize::new(0), AtomicUsize::new(0));

    // One client is in the middle of its message, one idles, when the signal comes.
    let mut slow = Smtp::connect(server).unwrap();
    slow.begin(FILTER).unwrap();
    let text = on_the_wire(&report(1_000_000, 1));
    let (first, rest) = text.split_at(text.len() / 2);
    slow.raw(first).unwrap();
    let mut idle = Smtp::connect(server).unwrap();

    let status = thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut smtp = Smtp::connect(server).unwrap();
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    match smtp.send(FILTER, &report(n, n)) {
                        Ok(id) => filed.lock().unwrap().insert(id),
                        Err(Unsent::Refused(reply)) if reply.starts_with("421 4.3.2") => return,
                        Err(other) => panic!("message {n}: {other:?}"),
                    };
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        until("some are filed", || {
            (sent.load(Ordering::SeqCst) > 100).then_some(())
        });
        daemon.terminate();
        assert!(idle.reply().unwrap().starts_with("421 4.3.2"));
        slow.raw(rest).unwrap();
        let reply = slow.reply().unwrap();
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
        let id = reply.rsplit(' ').next().unwrap().to_owned();
        filed.lock().unwrap().insert(id);
        daemon.ended()
    });
    assert_eq!(status.code(), Some(0));
    assert!(Smtp::connect(server).is_err());
    let stored: BTreeSet<String> = place
        .list("reports")
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    // Nobody was cut after its text, so what is stored is what was acknowledged.
    assert_eq!(stored, filed.into_inner().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_written_is_451_until_it_can_sqlite() {
    let mut place = Place::sqlite();
    place.store_timeout = "300ms";
    let daemon = place.start();
    let mut other = SqliteConnection::connect(&place.store).await.unwrap();
    let hold = sqlx::raw_sql("begin exclusive");
    hold.execute(&mut other).await.unwrap();
    let mut smtp = told_to_retry(&daemon);
    other.close().await.unwrap();
    all_taken_in(&place, &daemon, &mut smtp);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_written_is_451_until_it_can_postgres() {
    let Some(mut place) = Place::postgres().await else {
        return;
    };
    place.store_timeout = "300ms";
    let daemon = place.start();
    let mut other = postgres::connect(&place.store).await;
    let hold = sqlx::raw_sql("begin; lock table reports in access exclusive mode");
    hold.execute(&mut other).await.unwrap();
    let mut smtp = told_to_retry(&daemon);
    other.close().await.unwrap();
    all_taken_in(&place, &daemon, &mut smtp);
}

/// While somebody holds the store.
fn told_to_retry(daemon: &Daemon) -> Smtp {
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    for n in 0..4 {
        match smtp.send(FILTER, &report(n, 1)) {
            Err(Unsent::Refused(reply)) => assert!(reply.starts_with("451 4.3.0"), "{reply}"),
            other => panic!("message {n}: {other:?}"),
        }
    }
    smtp
}

/// Afterwards: the same session goes on, and each retry is taken in.
fn all_taken_in(place: &Place, daemon: &Daemon, smtp: &mut Smtp) {
    let ids: Vec<String> = (0..4)
        .map(|n| {
            until("the store recovers", || {
                match smtp.send(FILTER, &report(n, 1)) {
                    Ok(id) => Some(id),
                    Err(Unsent::Refused(reply)) if reply.starts_with("451") => None,
                    other => panic!("message {n}: {other:?}"),
                }
            })
        })
        .collect();
    let listed = place.list("reports");
    assert_eq!(listed.len(), ids.len(), "none lost, none twice");
    for id in ids {
        assert!(listed.iter().any(|row| row["id"] == id.as_str()));
    }
    // A report whose sender was told to retry may have been filed after all; its retry is then a repeat.
    let counted = daemon.metric("arfd_complaints_total{standing=\"counted\"}");
    let repeated = daemon.metric("arfd_repeated_reports_total");
    assert_eq!(counted.unwrap() + repeated.unwrap(), listed.len() as f64);
}

/// Filed once and for all: what the sender tries again, because the reply never reached it, is a repeat; also
/// by the other way that text may take.
#[tokio::test]
async fn who_vanishes_after_the_end_of_text_has_his_report_filed_once() {
    let place = Place::sqlite();
    let daemon = place.start();
    let message = report(1, 1);
    let chunk = [
        format!("BDAT {} LAST\r\n", message.len()).as_bytes(),
        &message,
    ]
    .concat();
    for (before, by_chunk) in [false, true].into_iter().enumerate() {
        let mut smtp = Smtp::connect(daemon.smtp).unwrap();
        if by_chunk {
            smtp.say("MAIL FROM:<>").unwrap();
            smtp.say(&format!("RCPT TO:<{FILTER}>")).unwrap();
            smtp.raw(&chunk).unwrap();
        } else {
            smtp.begin(FILTER).unwrap();
            smtp.raw(&on_the_wire(&message)).unwrap();
        }
        drop(smtp);
        daemon.shows("arfd_complaints_total{standing=\"counted\"}", 1.0);
        daemon.shows("arfd_repeated_reports_total", before as f64);
    }
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    smtp.say("MAIL FROM:<>").unwrap();
    smtp.say(&format!("RCPT TO:<{FILTER}>")).unwrap();
    smtp.raw(&chunk).unwrap();
    let reply = smtp.reply().unwrap();
    let listed = place.list("reports");
    assert_eq!(listed.len(), 1);
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(reply, format!("250 2.0.0 already filed as {id}"));
    let kept = place.arfd(&["show", id]).stdout;
    assert!(kept == message);
}
