//! `kill -9` of a real `arfd serve` under load, again and again on one store. Whatever was answered 250 is
//! there afterwards, octet for octet; what was not is sent again, as mail servers do; and each identity that
//! crossed has exactly one incident, one order and one lock that took effect.

use crate::support::daemon::{FILTER, LOGIN, PASSWORD, Place, THRESHOLD, until};
use crate::support::mail::{Smtp, Unsent, identity, report};
use arfd::cli::demo::stand_in::{Fault, StandIn};
use arfd::domain::ids::ReportId;
use arfd::store::{self, StoreOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const ROUNDS: usize = 6;
const SESSIONS: usize = 6;
const IDENTITIES: usize = 40;

/// Who message `n` complains about: some identities far more than others, so that crossings come all along.
fn who(n: usize) -> usize {
    (n * n + n / 7) % IDENTITIES
}

/// All that the sending side knows.
#[derive(Default)]
struct Senders {
    next: AtomicUsize,
    acknowledged: AtomicUsize,
    over: AtomicBool,
    /// The identifiers that were given out, by message.
    filed: Mutex<BTreeMap<usize, String>>,
    /// Messages whose fate is not known, to be sent again.
    unsure: Mutex<Vec<usize>>,
}

impl Senders {
    /// One session: sends until the server is gone. What is unsure comes first.
    fn session(&self, server: SocketAddr) {
        let Ok(mut smtp) = Smtp::connect(server) else {
            return;
        };
        while !self.over.load(Ordering::SeqCst) {
            let n = match self.unsure.lock().unwrap().pop() {
                Some(n) => n,
                None => self.next.fetch_add(1, Ordering::SeqCst),
            };
            match smtp.send(FILTER, &report(n, who(n))) {
                Ok(id) => {
                    let before = self.filed.lock().unwrap().insert(n, id);
                    assert_eq!(before, None, "message {n} was sent once more than needed");
                    self.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                Err(Unsent::Cut | Unsent::Unanswered) => {
                    self.unsure.lock().unwrap().push(n);
                    return;
                }
                Err(Unsent::Refused(reply)) => panic!("message {n}: {reply}"),
            }
        }
    }

    /// Sends what is unsure, until nothing is.
    fn settle(&self, server: SocketAddr) {
        let mut smtp = Smtp::connect(server).unwrap();
        let unsure = std::mem::take(&mut *self.unsure.lock().unwrap());
        for n in unsure {
            let id = smtp.send(FILTER, &report(n, who(n))).unwrap();
            self.filed.lock().unwrap().insert(n, id);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_sqlite() {
    killed_again_and_again(Place::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_postgres() {
    if let Some(place) = Place::postgres().await {
        killed_again_and_again(place).await;
    }
}

async fn killed_again_and_again(place: Place) {
    let filter = StandIn::start(LOGIN, PASSWORD).await.unwrap();
    let place = place.locking_at(filter.url());
    let senders = Senders::default();
    let mut random = fastrand::Rng::new();
    for _ in 0..ROUNDS {
        let daemon = place.start();
        for fault in [Fault::ReplyLost, Fault::Error500] {
            filter.push_fault(fault);
        }
        let enough = senders.acknowledged.load(Ordering::SeqCst) + random.usize(1..140);
        let server = daemon.smtp;
        thread::scope(|scope| {
            for _ in 0..SESSIONS {
                scope.spawn(|| senders.session(server));
            }
            until("enough reports are acknowledged", || {
                (senders.acknowledged.load(Ordering::SeqCst) >= enough).then_some(())
            });
            daemon.kill();
        });
        all_there(&place, &senders).await;
    }

    let daemon = place.start();
    // At the last, enough for crossings whatever the rounds came to.
    senders.settle(daemon.smtp);
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    let next = senders.next.load(Ordering::SeqCst);
    for n in next..next + 200 {
        let id = smtp.send(FILTER, &report(n, who(n))).unwrap();
        senders.filed.lock().unwrap().insert(n, id);
    }
    all_there(&place, &senders).await;
    daemon.shows("arfd_orders{state=\"pending\"}", 0.0);
    once_each(&place, &senders, &filter);
}

/// Every acknowledged report is in the store, once, as it was sent.
async fn all_there(place: &Place, senders: &Senders) {
    let filed = senders.filed.lock().unwrap().clone();
    let listed: Vec<String> = place
        .list("reports")
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    let stored: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(stored.len(), listed.len(), "a report is there twice");
    let store = store::open(&place.store, &StoreOptions::default())
        .await
        .unwrap();
    for (n, id) in &filed {
        assert!(stored.contains(id), "message {n}, filed as {id}, is lost");
        let id: ReportId = serde_json::from_value(id.as_str().into()).unwrap();
        let evidence = store.evidence(id).await.unwrap().unwrap();
        assert!(
            evidence == report(*n, who(*n)),
            "message {n} is not as sent"
        );
    }
    store.close().await;
}

/// One incident, one order, one effective lock for each identity that crossed, and for no other.
fn once_each(place: &Place, senders: &Senders, filter: &StandIn) {
    let mut messages: BTreeMap<String, usize> = BTreeMap::new();
    for n in senders.filed.lock().unwrap().keys() {
        *messages.entry(identity(who(*n))).or_default() += 1;
    }
    let crossed: Vec<String> = messages
        .into_iter()
        .filter(|(_, messages)| *messages >= THRESHOLD)
        .map(|(identity, _)| identity)
        .collect();
    assert!(crossed.len() > 5, "too few crossed: {crossed:?}");
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let incidents = place.list("incidents");
    let of_incidents = incidents.iter().map(|row| text(&row["identity"]));
    assert_eq!(sorted(of_incidents.collect()), crossed);
    let orders = place.list("orders");
    let of_orders = orders.iter().map(|row| text(&row["identity"]["value"]));
    assert_eq!(sorted(of_orders.collect()), crossed);
    assert!(orders.iter().all(|row| row["state"] == "done"));
    let locked = filter.locked().into_iter().map(|entry| entry.identity);
    assert_eq!(sorted(locked.collect()), crossed);
    assert_eq!(filter.effective_locks(), crossed.len());
}
