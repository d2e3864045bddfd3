//! Aliases from the message to the count: complaints about several identities of one customer meet, a look-up that has
//! trouble loses none of them, and none waits for ever.

use super::proving::{FBL, SIGNS, loop_feed, node};
use super::{Place, on_both};
use crate::support::directory::{Directory, Mood};
use crate::support::dns::Dns;
use crate::support::filings::policy;
use crate::support::signed::written_to;
use arfd::clock::{Clock, ManualClock, SystemClock};
use arfd::domain::feed::{Arrival, Feed, Proof, Security};
use arfd::domain::filing::Filed;
use arfd::domain::standing::Standing;
use arfd::intake::Intake;
use arfd::intake::aliases::Aliases;
use arfd::intake::reprove::{Reprover, Step};
use arfd::lookup::{AliasFile, FileSettings, Lookup, Remote, RemoteSettings};
use arfd::metrics::Metrics;
use arfd::store::Store;
use jiff::SignedDuration;
use std::sync::Arc;
use std::time::Duration;

on_both!(
    identities_of_one_customer_meet,
    what_is_protected_keeps_its_name,
    trouble_waits_for_a_while,
    what_was_told_in_between_is_a_duplicate,
    what_is_known_as_many_does_not_count,
);

struct World {
    directory: Directory,
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
    intake: Intake,
    reprover: Reprover,
    _folder: tempfile::TempDir,
    _dns: Dns,
}

const FILE: &str = "identity,canonical,canonical_user,account,contact\n\
    user1@customer1.example,shop@customer1.example,,C1,shop@private.example\n";

async fn world(place: &Place, threshold: u64, protected: &[&str]) -> World {
    let dns = Dns::start();
    let directory = Directory::start().await;
    let store = place.open().await;
    let clock = Arc::new(ManualClock::new(SystemClock::default().now()));
    let metrics = Arc::new(Metrics::new().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aliases.csv");
    std::fs::write(&path, FILE).unwrap();
    let file = FileSettings {
        path,
        max_size: 10_000,
        max_rows: 100,
        normal: Default::default(),
    };
    let remote = RemoteSettings {
        url: directory.url.clone(),
        token: String::new().into(),
        ca_file: None,
        timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        concurrency: 4,
        normal: Default::default(),
        max_answer: 1000,
        cache: 100,
        ttl: Duration::from_secs(600),
        negative_ttl: Duration::from_secs(60),
        max_stale: Duration::from_secs(3600),
        breaker_failures: 1000,
        breaker_pause: Duration::from_secs(30),
    };
    let aliases = Arc::new(Aliases {
        lookup: Lookup {
            file: Some(AliasFile::load(file, Arc::clone(&metrics)).unwrap()),
            remote: Some(Remote::new(remote, clock.clone(), metrics).unwrap()),
        },
        methods: Default::default(),
        protected: protected.iter().map(|p| p.parse().unwrap()).collect(),
        max_delay: SignedDuration::from_mins(15),
    });
    let feed = Feed {
        proof: Proof::Recipient(vec![FBL.into()]),
        ..loop_feed()
    };
    let (intake, reprover) = node(&dns, &clock, &store, vec![feed], policy(threshold, &["t"]));
    World {
        directory,
        clock,
        store,
        intake: intake.knowing(Arc::clone(&aliases)),
        reprover: Reprover {
            aliases,
            ..reprover
        },
        _folder: folder,
        _dns: dns,
    }
}

impl World {
    async fn send(&self, n: usize, who: usize) -> Filed {
        let arrival = Arrival {
            client: "192.0.2.1".parse().unwrap(),
            helo: format!("mx.{SIGNS}"),
            mail_from: String::new(),
            rcpt_to: vec![FBL.into()],
            security: Security::default(),
        };
        let message = written_to(FBL, n, who);
        self.intake.take(arrival, message).await.unwrap()
    }

    async fn row(&self, filed: &Filed) -> arfd::store::ReportRow {
        self.store.report(filed.id).await.unwrap().unwrap()
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

async fn identities_of_one_customer_meet(place: Place) {
    let w = world(&place, 3, &[]).await;
    let shop = r#"{"identity": "shop@customer1.example", "username": "server1", "domain": "customer1.example"}"#;
    w.directory.knows("user2@customer2.example", shop);
    w.directory
        .knows("user3@customer3.example", r#"{"account": 3}"#);
    // By the file, by the service, and one whose own name stays.
    let by_file = w.send(1, 1).await;
    let by_service = w.send(2, 2).await;
    let itself = w.send(3, 3).await;
    let unknown = w.send(4, 4).await;
    for filed in [&by_file, &by_service, &itself, &unknown] {
        assert_eq!(filed.standing, Standing::Counted);
    }
    let row = w.row(&by_file).await;
    assert_eq!(
        row.attribution["identity"]["value"],
        "shop@customer1.example"
    );
    assert_eq!(
        row.attribution["strength"], "enclosed",
        "an alias adds nothing"
    );
    let alias = row.alias.unwrap();
    assert_eq!(alias["named"]["value"], "user1@customer1.example");
    assert_eq!(
        (&alias["account"], &alias["source"]),
        (&"C1".into(), &"line 2".into())
    );
    assert!(!alias.to_string().contains("private"), "{alias}");
    let alias = w.row(&itself).await.alias.unwrap();
    assert_eq!((&alias["account"], alias.get("named")), (&"3".into(), None));
    assert_eq!(w.row(&unknown).await.alias, None);
    assert_eq!(w.directory.asked().len(), 3, "not of what the file knows");
    // The third complaint about one customer crosses, under the name that the filter knows.
    let opened = w.send(5, 2).await.opened.unwrap();
    let order = w.store.orders(9).await.unwrap().remove(0).order;
    assert_eq!(order.incident, opened.incident);
    assert_eq!(
        order.identity.to_string(),
        "shop@customer1.example (outgoing user server1@customer1.example)"
    );
    let account = w.store.account(order.identity.id()).await.unwrap();
    assert_eq!(
        account,
        Some((Some("C1".into()), Some("shop@private.example".into())))
    );
    assert!(w.send(5, 2).await.repeated);
}

async fn what_is_protected_keeps_its_name(place: Place) {
    let w = world(&place, 9, &["user1@*"]).await;
    let row = w.row(&w.send(1, 1).await).await;
    assert_eq!(
        row.attribution["identity"]["value"],
        "user1@customer1.example"
    );
    let alias = row.alias.unwrap();
    assert_eq!(
        (&alias["account"], alias.get("named")),
        (&"C1".into(), None)
    );
}

async fn trouble_waits_for_a_while(place: Place) {
    let w = world(&place, 2, &[]).await;
    w.directory.mood(Mood::Status(500));
    let received = w.clock.now();
    let first = w.send(1, 2).await;
    assert_eq!(first.standing, Standing::Pending);
    let row = w.row(&first).await;
    assert_eq!((row.feed, row.standing.as_str()), (None, "pending"));
    assert_eq!(row.alias.unwrap()["trouble"], "HTTP status 500");
    assert_eq!(
        w.send(1, 1).await.standing,
        Standing::Counted,
        "the file knows"
    );
    assert_eq!(w.reprover.step().await.unwrap(), Step::Later(first.id));
    // It is well again: both count under the customer's name, the first at its own time.
    let shop = r#"{"identity": "shop@customer2.example"}"#;
    w.directory.knows("user2@customer2.example", shop);
    w.directory.mood(Mood::Well);
    w.pass(60);
    let step = w.reprover.step().await.unwrap();
    assert_eq!(step, Step::Judged(first.id, Standing::Counted));
    let row = w.row(&first).await;
    assert_eq!(row.feed.as_deref(), Some("loop"));
    assert_eq!(row.received_at.as_second(), received.as_second());
    assert_eq!(
        row.alias.unwrap()["named"]["value"],
        "user2@customer2.example"
    );
    assert!(w.send(2, 2).await.opened.is_some());
    // It stays in trouble: the report counts as it was named, and nobody waits for ever.
    w.directory.mood(Mood::Status(500));
    let second = w.send(3, 3).await;
    let mut waited = 0;
    loop {
        match w.reprover.step().await.unwrap() {
            Step::Judged(id, standing) => {
                assert_eq!((id, standing), (second.id, Standing::Counted));
                break;
            }
            Step::Idle(Some(_)) => w.pass(60),
            Step::Later(_) => waited += 1,
            step => panic!("{step:?}"),
        }
    }
    assert!(waited > 2, "{waited}");
    let row = w.row(&second).await;
    assert_eq!(
        row.attribution["identity"]["value"],
        "user3@customer3.example"
    );
    assert_eq!(row.alias.unwrap()["trouble"], "HTTP status 500");
    let age = w.clock.now().duration_since(row.received_at);
    assert!(age < SignedDuration::from_mins(40), "{age}");
    assert_eq!(w.reprover.step().await.unwrap(), Step::Idle(None));
}

async fn what_is_known_as_many_does_not_count(place: Place) {
    let w = world(&place, 1, &[]).await;
    let domain = r#"{"identity": "customer2.example", "account": "C2"}"#;
    w.directory.knows("user2@customer2.example", domain);
    let filed = w.send(1, 2).await;
    assert_eq!(filed.standing, Standing::Shared);
    assert!(filed.opened.is_none());
    let row = w.row(&filed).await;
    assert_eq!(row.attribution["identity"]["value"], "customer2.example");
}

async fn what_was_told_in_between_is_a_duplicate(place: Place) {
    let w = world(&place, 2, &[]).await;
    w.directory.mood(Mood::Status(500));
    let waits = w.send(1, 2).await;
    assert!(
        w.send(1, 2).await.repeated,
        "a retransmission meets its trace"
    );
    w.directory.mood(Mood::Well);
    let again = w.send(1, 2).await;
    assert_eq!((again.standing, again.repeated), (Standing::Counted, false));
    w.pass(60);
    let step = w.reprover.step().await.unwrap();
    assert_eq!(step, Step::Judged(waits.id, Standing::Duplicate));
    assert!(w.store.incidents(9).await.unwrap().is_empty());
}
