//! The SpamExperts target against the stand-in filter over real HTTP: every documented answer, every known
//! way to go wrong, and what goes over the wire.

use crate::support::memory_store::order;
use arfd::cli::demo::stand_in::{Entry, Fault, StandIn, Style};
use arfd::clock::SystemClock;
use arfd::domain::lock::{LockOrder, Outcome};
use arfd::lock::LockTarget;
use arfd::lock::spamexperts::{Settings, SetupError, SpamExperts};
use arfd::metrics::Metrics;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "correct horse";

pub(super) fn bob() -> LockOrder {
    bob_as("relay@x.example", "bob@x.example")
}

pub(super) fn bob_as(smtp_auth: &str, identity: &str) -> LockOrder {
    let mut order = order("filter", smtp_auth, identity, Timestamp::UNIX_EPOCH);
    order.attempts = 1;
    order
}

pub(super) fn again(mut order: LockOrder) -> LockOrder {
    order.attempts += 1;
    order
}

pub(super) fn settings(url: &str) -> Settings {
    Settings::new("filter", url, "desk", PASSWORD.into()).unwrap()
}

pub(super) fn target_of(settings: Settings) -> SpamExperts {
    let metrics = Arc::new(Metrics::new().unwrap());
    SpamExperts::new(settings, metrics, Arc::new(SystemClock::default())).unwrap()
}

pub(super) async fn filter() -> (StandIn, SpamExperts) {
    let filter = StandIn::start("desk", PASSWORD).await.unwrap();
    let target = target_of(settings(&filter.url()));
    (filter, target)
}

fn names(filter: &StandIn) -> Vec<String> {
    let short = |name: &str| {
        name.trim_start_matches("api_")
            .split('_')
            .next()
            .unwrap()
            .to_owned()
    };
    filter
        .calls()
        .iter()
        .map(|call| short(call.name()))
        .collect()
}

#[track_caller]
pub(super) fn later(outcome: Outcome) -> String {
    match outcome {
        Outcome::Later { why } => why,
        other => panic!("expected Later, got {other:?}"),
    }
}

#[track_caller]
pub(super) fn refused(outcome: Outcome) -> String {
    match outcome {
        Outcome::Refused { why } => why,
        other => panic!("expected Refused, got {other:?}"),
    }
}

#[track_caller]
pub(super) fn locked(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done { answer } => answer,
        other => panic!("expected Locked, got {other:?}"),
    }
}

#[tokio::test]
async fn locks_and_confirms_in_every_style() {
    for style in [Style::Plain, Style::Json, Style::Empty] {
        let (filter, target) = filter().await;
        filter.set_style(style);
        locked(target.carry_out(&bob()).await);
        assert_eq!(names(&filter), ["lock", "list"], "{style:?}");
        let entry = Entry {
            domain: "x.example".into(),
            username: "relay".into(),
            identity: "bob@x.example".into(),
        };
        assert_eq!(filter.locked(), [entry]);
        let calls = filter.calls();
        assert!(calls.iter().all(|c| c.method == "GET" && c.authorised));
        assert_eq!(
            calls[0].query,
            "call=api_lock_outgoing_identity&domain=x.example&username=relay&identity=bob%40x.example"
        );
    }
}

#[tokio::test]
async fn already_locked_is_success_and_no_second_effect() {
    for style in [Style::Plain, Style::Json, Style::Empty] {
        let (filter, target) = filter().await;
        filter.set_style(style);
        locked(target.carry_out(&bob()).await);
        let answer = locked(target.carry_out(&bob()).await);
        assert!(answer.contains("already locked"), "{answer}");
        assert_eq!(filter.effective_locks(), 1);
    }
}

#[tokio::test]
async fn a_lost_reply_then_a_retry_is_one_effective_lock() {
    let (filter, target) = filter().await;
    filter.push_fault(Fault::ReplyLost);
    later(target.carry_out(&bob()).await);
    assert_eq!(filter.effective_locks(), 1);
    locked(target.carry_out(&again(bob())).await);
    assert_eq!(names(&filter), ["lock", "list"], "the retry only looked");
    assert_eq!(filter.effective_locks(), 1);
}

#[tokio::test]
async fn a_retry_that_finds_nothing_locks() {
    let (filter, target) = filter().await;
    filter.push_fault(Fault::Error500);
    assert!(later(target.carry_out(&bob()).await).contains("HTTP 500"));
    locked(target.carry_out(&again(bob())).await);
    assert_eq!(names(&filter), ["lock", "list", "lock", "list"]);
    assert_eq!(filter.effective_locks(), 1);
}

#[tokio::test]
async fn success_without_effect_is_not_confirmed() {
    for style in [Style::Plain, Style::Json, Style::Empty] {
        let (filter, target) = filter().await;
        filter.set_style(style);
        filter.push_fault(Fault::NotActed);
        let why = later(target.carry_out(&bob()).await);
        assert!(why.contains("not confirmed"), "{why}");
    }
}

#[tokio::test]
async fn pages_and_dumps_with_status_200_are_failures() {
    let dump = "You have an error in your SQL syntax; the identity has been locked";
    for fault in [Fault::Html200, Fault::Answer(200, dump.into())] {
        let (filter, target) = filter().await;
        filter.push_fault(fault.clone());
        later(target.carry_out(&bob()).await);
        assert_eq!(names(&filter), ["lock"]);
        // The same in place of the listing that confirms.
        filter.push_fault(Fault::Ok);
        filter.push_fault(fault);
        let why = later(target.carry_out(&bob()).await);
        assert!(why.contains("not confirmed"), "{why}");
    }
}

#[tokio::test]
async fn texts_that_no_retry_will_change_are_refused() {
    for (status, text) in [
        (200, "No such domain"),
        (400, "Incorrect usage of API"),
        (200, "Domain x.example has status 'inactive'"),
        (
            200,
            r#"{"messages": {"error": ["No such domain"]}, "result": null}"#,
        ),
        (
            404,
            r#"{"messages": {"error": ["No such domain"]}, "result": null}"#,
        ),
    ] {
        let (filter, target) = filter().await;
        filter.push_fault(Fault::Answer(status, text.into()));
        refused(target.carry_out(&bob()).await);
    }
}

#[tokio::test]
async fn other_errors_are_tried_again() {
    for (status, text) in [
        (200, "Supplied credential is invalid."),
        (200, "no permissions"),
        (
            403,
            "no access to this API, current IP address '192.0.2.1' is not listed",
        ),
        (403, "No such domain"),
        (503, "No such domain"),
        (302, "moved"),
        (404, "nothing here"),
        (200, "something new"),
        (
            200,
            r#"{"messages": {"error": ["success is near"]}, "result": true}"#,
        ),
        (200, r#"{"messages": [], "result": false}"#),
    ] {
        let (filter, target) = filter().await;
        filter.push_fault(Fault::Answer(status, text.into()));
        later(target.carry_out(&bob()).await);
        assert_eq!(names(&filter), ["lock"], "{text}: nothing to confirm");
    }
}

#[tokio::test]
async fn what_is_refused_is_configurable() {
    let (filter, _) = filter().await;
    let mut settings = settings(&filter.url());
    settings.refused_statuses = vec![403];
    settings
        .refused
        .push(regex::Regex::new("no permissions").unwrap());
    settings.success = regex::Regex::new("^geschafft$").unwrap();
    let target = target_of(settings);
    filter.push_fault(Fault::Answer(403, "away".into()));
    refused(target.carry_out(&bob()).await);
    filter.push_fault(Fault::Answer(200, "no permissions".into()));
    refused(target.carry_out(&bob()).await);
    filter.push_fault(Fault::Answer(200, "geschafft".into()));
    assert!(later(target.carry_out(&bob()).await).contains("not confirmed"));
}

#[tokio::test]
async fn wrong_credentials_wait_for_a_person_and_lock_nobody() {
    let (filter, _) = filter().await;
    let mut settings = settings(&filter.url());
    settings.password = "wrong pony".into();
    let target = target_of(settings);
    let why = later(target.carry_out(&bob()).await);
    assert!(why.contains("HTTP 401"), "{why}");
    assert!(!why.contains("pony"));
    assert!(filter.locked().is_empty());
}

#[tokio::test]
async fn nothing_that_widens_goes_over_the_wire() {
    let (filter, target) = filter().await;
    for (smtp_auth, identity) in [
        ("", "bob@x.example"),
        ("@x.example", "bob@x.example"),
        ("*@x.example", "bob@x.example"),
        ("relay@*", "bob@x.example"),
        ("relay@x.example", ""),
        ("relay@x.example", " "),
        ("relay@x.example", "*"),
        ("relay@x.example", "bob\r\n"),
    ] {
        refused(target.carry_out(&bob_as(smtp_auth, identity)).await);
        refused(target.carry_out(&again(bob_as(smtp_auth, identity))).await);
    }
    assert!(filter.calls().is_empty());
}

#[tokio::test]
async fn odd_characters_arrive_as_they_are() {
    let (filter, target) = filter().await;
    for identity in [
        "a+b@x.example",
        "50% & more=1",
        "grüße@x.example",
        "a b#c?d",
        "1000:x.php",
    ] {
        locked(
            target
                .carry_out(&bob_as("re+lay&call=x@x.example", identity))
                .await,
        );
        let call = filter
            .calls()
            .into_iter()
            .rev()
            .find(|c| c.get("identity").is_some());
        let call = call.unwrap();
        assert_eq!(call.get("identity"), Some(identity));
        assert_eq!(call.get("username"), Some("re+lay&call=x"));
        assert_eq!(call.parameters.len(), 4, "{}", call.query);
    }
}

#[tokio::test]
async fn another_identity_in_the_listing_confirms_nothing() {
    let (filter, target) = filter().await;
    filter.push_fault(Fault::NotActed);
    filter.push_fault(Fault::Answer(
        200,
        "notbob@x.example\nbob@x.example.net".into(),
    ));
    later(target.carry_out(&bob()).await);
    locked(
        target
            .carry_out(&bob_as("relay@x.example", "notbob@x.example"))
            .await,
    );
    filter.push_fault(Fault::NotActed);
    later(target.carry_out(&bob()).await);
}

#[tokio::test]
async fn an_identity_cannot_speak_for_the_filter() {
    let (filter, target) = filter().await;
    let name = "no such domain";
    filter.push_fault(Fault::Answer(200, format!("Cannot lock {name} now")));
    later(target.carry_out(&bob_as("relay@x.example", name)).await);
    let name = "has been locked";
    filter.push_fault(Fault::Answer(200, format!("Cannot lock {name}")));
    let why = later(target.carry_out(&bob_as("relay@x.example", name)).await);
    assert!(why.contains("not recognised"), "{why}");
}

#[tokio::test]
async fn answers_are_bounded_and_harmless() {
    let (filter, _) = filter().await;
    let mut small = settings(&filter.url());
    small.max_body = 1000;
    let target = target_of(small);
    filter.push_fault(Fault::Answer(200, "OK ".repeat(1000)));
    assert!(later(target.carry_out(&bob()).await).contains("longer than allowed"));
    let nasty = format!("bad\r\n\u{1b}[2J{PASSWORD}{}", "x".repeat(600));
    filter.push_fault(Fault::Answer(200, nasty));
    let why = later(target.carry_out(&bob()).await);
    assert!(
        !why.contains(PASSWORD) && !why.chars().any(char::is_control),
        "{why}"
    );
    assert!(why.chars().count() < 300);
}

#[tokio::test]
async fn a_slow_filter_is_given_up_and_looked_at_again() {
    let (filter, _) = filter().await;
    let mut hasty = settings(&filter.url());
    hasty.timeout = Duration::from_millis(50);
    filter.push_fault(Fault::Slow);
    assert!(later(target_of(hasty).carry_out(&bob()).await).contains("no answer in time"));
    locked(
        target_of(settings(&filter.url()))
            .carry_out(&again(bob()))
            .await,
    );
    assert_eq!(filter.effective_locks(), 1);
}

#[tokio::test]
async fn a_filter_that_is_down_and_comes_back() {
    let (mut filter, target) = filter().await;
    locked(target.carry_out(&bob()).await);
    filter.stop();
    let al = bob_as("relay@x.example", "al@x.example");
    assert!(later(target.carry_out(&al).await).contains("no connection"));
    filter.restart().await.unwrap();
    locked(target.carry_out(&again(al)).await);
    assert_eq!(filter.effective_locks(), 2);
}

#[tokio::test]
async fn fixed_parameters_travel_and_cannot_replace_the_orders() {
    let (filter, _) = filter().await;
    let mut with_reason = settings(&filter.url());
    with_reason
        .lock_parameters
        .insert("reason".into(), "abuse & spam".into());
    locked(target_of(with_reason).carry_out(&bob()).await);
    assert_eq!(filter.calls()[0].get("reason"), Some("abuse & spam"));
    for (key, value) in [("domain", "y.example"), ("reason", "")] {
        let mut bad = settings(&filter.url());
        bad.lock_parameters.insert(key.into(), value.into());
        assert!(matches!(refusal(bad), SetupError::Parameter(_)));
    }
}

fn refusal(settings: Settings) -> SetupError {
    let metrics = Arc::new(Metrics::new().unwrap());
    SpamExperts::new(settings, metrics, Arc::new(SystemClock::default())).unwrap_err()
}

#[test]
fn certificates_that_cannot_be_read_are_told_at_once() {
    let mut missing = settings("https://filter.example/cgi-bin/api");
    missing.ca_file = Some("/nonexistent/ca.pem".into());
    let error = refusal(missing);
    assert!(error.to_string().contains("/nonexistent/ca.pem"));
}

#[test]
fn no_secret_in_debug_or_errors() {
    let target = target_of(settings("https://filter.example/cgi-bin/api"));
    assert!(!format!("{target:?}").contains(PASSWORD));
    for url in [
        "https://u:hunter2@f.example/",
        "https://f.example/?pw=hunter2",
        "ftp://hunter2",
        "hunter2",
    ] {
        let error = refusal(settings(url));
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
    }
}

#[tokio::test]
async fn calls_are_counted() {
    let filter = StandIn::start("desk", PASSWORD).await.unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let clock = Arc::new(SystemClock::default());
    let target = SpamExperts::new(settings(&filter.url()), metrics.clone(), clock).unwrap();
    filter.push_fault(Fault::Error500);
    later(target.carry_out(&bob()).await);
    locked(target.carry_out(&again(bob())).await);
    let count = |call, outcome| {
        let labels = ["filter", call, outcome];
        metrics.lock_calls.with_label_values(&labels).get()
    };
    assert_eq!(count("lock", "http_error"), 1);
    assert_eq!(count("lock", "ok"), 1);
    assert_eq!(count("list", "not_listed"), 1);
    assert_eq!(count("list", "listed"), 1);
}

#[tokio::test]
async fn the_stand_in_widens_as_the_filter_does() {
    let filter = StandIn::start("desk", PASSWORD).await.unwrap();
    let get = async |query: &str| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}?{query}", filter.url());
        let got = client
            .get(url)
            .basic_auth("desk", Some(PASSWORD))
            .send()
            .await
            .unwrap();
        got.text().await.unwrap()
    };
    get("call=api_lock_outgoing_identity&domain=x.example&username=&identity=bob").await;
    assert_eq!(filter.locked()[0].username, "*");
    let bob = get("call=api_list_locked_identities&domain=x.example&username=any").await;
    assert_eq!(bob, "bob");
    get("call=api_unlock_outgoing_identity&domain=x.example&username=*&identity=bob").await;
    assert!(filter.locked().is_empty());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let posted = client.post(filter.url()).basic_auth("desk", Some(PASSWORD));
    assert_eq!(posted.send().await.unwrap().status(), 405);
}
