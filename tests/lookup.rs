//! The look-up service of aliases over real HTTP: what is asked and with what, how long answers are good, and that
//! trouble with it is bounded in time and in questions.

use crate::support::directory::{Directory, Mood};
use arfd::clock::{Clock, ManualClock, SystemClock};
use arfd::domain::alias::Answer;
use arfd::domain::identity::{Identity, OutgoingUser};
use arfd::lookup::{Remote, RemoteSettings};
use arfd::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

fn settings(url: &str) -> RemoteSettings {
    RemoteSettings {
        url: url.to_owned(),
        token: "hush-5521".to_owned().into(),
        ca_file: None,
        timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        concurrency: 4,
        normal: Default::default(),
        max_answer: 1000,
        cache: 100,
        ttl: Duration::from_secs(600),
        negative_ttl: Duration::from_secs(60),
        max_stale: Duration::from_secs(86_400),
        breaker_failures: 3,
        breaker_pause: Duration::from_secs(30),
    }
}

struct World {
    directory: Directory,
    clock: Arc<ManualClock>,
    remote: Remote,
    metrics: Arc<Metrics>,
}

async fn world(change: impl FnOnce(&mut RemoteSettings)) -> World {
    let directory = Directory::start().await;
    let clock = Arc::new(ManualClock::new(SystemClock::default().now()));
    let metrics = Arc::new(Metrics::new().unwrap());
    let mut settings = settings(&directory.url);
    change(&mut settings);
    let remote = Remote::new(settings, clock.clone(), Arc::clone(&metrics)).unwrap();
    World {
        directory,
        clock,
        remote,
        metrics,
    }
}

fn who(value: &str) -> Identity {
    Identity {
        outgoing_user: OutgoingUser::parse("10.0.0.1@shop.example"),
        value: value.into(),
    }
}

impl World {
    async fn account(&self, value: &str) -> Result<Option<String>, String> {
        match self.remote.find(&who(value)).await {
            Answer::Itself => Ok(None),
            Answer::Known(alias) => Ok(alias.account),
            Answer::Trouble(why) => Err(why),
        }
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn asked(&self) -> usize {
        self.directory.asked().len()
    }
}

#[tokio::test]
async fn answers_are_kept_as_long_as_they_are_good() {
    let w = world(|_| {}).await;
    w.directory
        .knows("bob@shop.example", r#"{"account": "C1"}"#);
    for _ in 0..2 {
        assert_eq!(w.account("bob@shop.example").await, Ok(Some("C1".into())));
        assert_eq!(w.account("nobody").await, Ok(None));
    }
    let asked = w.directory.asked();
    assert_eq!(
        asked[0],
        (
            "v=1&identity=bob%40shop.example&username=10.0.0.1&domain=shop.example".to_owned(),
            "Bearer hush-5521".to_owned()
        )
    );
    assert_eq!(asked.len(), 2, "each once");
    w.directory
        .knows("bob@shop.example", r#"{"account": "C2"}"#);
    w.directory.knows("nobody", r#"{"account": "C3"}"#);
    w.pass(61);
    assert_eq!(w.account("nobody").await, Ok(Some("C3".into())));
    assert_eq!(w.account("bob@shop.example").await, Ok(Some("C1".into())));
    w.pass(600);
    assert_eq!(w.account("bob@shop.example").await, Ok(Some("C2".into())));
    assert_eq!(w.asked(), 4);
}

#[tokio::test]
async fn many_who_ask_the_same_ask_once() {
    let w = world(|_| {}).await;
    let let_go = Arc::new(Notify::new());
    w.directory.knows("bob", r#"{"account": "C1"}"#);
    w.directory.mood(Mood::Hangs(Arc::clone(&let_go)));
    let (one, two, three) = (w.account("bob"), w.account("bob"), w.account("bob"));
    let release = async {
        while w.asked() == 0 {
            tokio::task::yield_now().await;
        }
        let_go.notify_one();
    };
    let (one, two, three, ()) = tokio::join!(one, two, three, release);
    for answer in [one, two, three] {
        assert_eq!(answer, Ok(Some("C1".into())));
    }
    assert_eq!(w.asked(), 1);
}

#[tokio::test]
async fn trouble_is_told_and_the_service_is_left_alone() {
    let w = world(|_| {}).await;
    w.directory.knows("bob", r#"{"account": "C1"}"#);
    assert_eq!(w.account("bob").await, Ok(Some("C1".into())));
    w.pass(601);
    w.directory.mood(Mood::Status(500));
    assert_eq!(
        w.account("bob").await,
        Ok(Some("C1".into())),
        "what was known"
    );
    for n in 0..2 {
        let trouble = w.account(&format!("new{n}")).await.unwrap_err();
        assert_eq!(trouble, "HTTP status 500");
    }
    assert_eq!(w.asked(), 4);
    // Three in a row: nobody asks any more, well as it may be by now.
    w.directory.mood(Mood::Well);
    let trouble = w.account("new").await.unwrap_err();
    assert!(trouble.contains("left alone until"), "{trouble}");
    assert_eq!(w.account("bob").await, Ok(Some("C1".into())));
    assert_eq!((w.asked(), w.metrics.alias_breaker_open.get()), (4, 1));
    w.pass(31);
    assert_eq!(w.account("new").await, Ok(None));
    assert_eq!(w.metrics.alias_breaker_open.get(), 0);
    // What is too old is no help.
    w.directory.mood(Mood::Status(503));
    w.pass(86_401);
    assert!(w.account("bob").await.is_err());
}

#[tokio::test]
async fn answers_that_are_none_are_trouble() {
    let w = world(|s| s.breaker_failures = 100).await;
    let long = format!(r#"{{"account": "{}"}}"#, "x".repeat(1000));
    for says in [long.as_str(), "<html>", "[]", r#"{"identity": "a b"}"#] {
        w.directory.mood(Mood::Says(says.to_owned()));
        let trouble = w.account("bob").await.unwrap_err();
        assert!(
            !trouble.contains("hush") && !trouble.contains("127.0.0.1"),
            "{trouble}"
        );
    }
    w.directory.mood(Mood::Status(302));
    assert!(w.account("bob").await.is_err(), "no redirects");
}

#[tokio::test]
async fn time_and_questions_are_bounded() {
    let w = world(|s| {
        s.timeout = Duration::from_millis(150);
        s.concurrency = 1;
        s.breaker_failures = 100;
    })
    .await;
    w.directory.mood(Mood::Hangs(Arc::new(Notify::new())));
    let all = tokio::join!(
        w.account("a"),
        w.account("b"),
        w.account("c"),
        w.account("d")
    );
    let all = [all.0, all.1, all.2, all.3];
    assert!(all.iter().all(Result::is_err), "{all:?}");
    let late = |answer: &&Result<_, String>| {
        answer
            .as_ref()
            .is_err_and(|why| why == "too many questions wait")
    };
    assert!(all.iter().filter(late).count() >= 2, "{all:?}");
    assert!(w.asked() <= 2, "one at a time");
}

#[tokio::test]
async fn what_cannot_be_asked_says_so_and_names_no_secret() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let metrics = Arc::new(Metrics::new().unwrap());
    for (url, why) in [
        ("nowhere", "is not a URL"),
        ("ftp://x.example/", "neither https: nor http:"),
        ("https://ann:pw@x.example/", "holds a login"),
    ] {
        let remote = Remote::new(settings(url), Arc::clone(&clock), Arc::clone(&metrics));
        let error = remote.unwrap_err().to_string();
        assert!(error.contains(why) && !error.contains("pw"), "{error}");
    }
    let shown = format!("{:?}", settings("https://x.example/"));
    assert!(!shown.contains("hush"), "{shown}");
}
