//! What is the webhook's alone: what its statuses mean, how long it waits, and that it follows nobody.

use super::stand_in_http::Reply;
use super::stand_in_webhook::{Hook, target_of};
use super::suite::{Bench, done, later, order, refused};
use arfd::domain::lock::{Action, Outcome};
use std::time::Duration;

#[tokio::test]
async fn what_statuses_mean() {
    let hook = Hook::start().await;
    let mut settings = hook.settings();
    settings.list_url = None;
    let target = target_of(settings);
    let lock = order(Action::Lock, "bob@x.example");
    for (status, body) in [(200, ""), (204, ""), (201, "{}"), (409, "anything")] {
        hook.0.answer_next(Reply::new(status, body));
        done(target.carry_out(&lock).await);
    }
    for status in [400, 404, 410, 422] {
        hook.0
            .answer_next(Reply::new(status, r#"{"detail": "never"}"#));
        let why = refused(target.carry_out(&lock).await);
        assert!(why.contains("never"), "{why}");
    }
    for (status, body) in [
        (200, r#"{"error": "not now"}"#),
        (200, "[]"),
        (200, "done"),
        (202, ""),
        (302, ""),
        (401, ""),
        (403, ""),
        (408, ""),
        (425, ""),
        (429, ""),
        (500, ""),
        (503, ""),
    ] {
        hook.0.answer_next(Reply::new(status, body));
        later(target.carry_out(&lock).await);
    }
}

#[tokio::test]
async fn retry_after_is_heeded() {
    let hook = Hook::start().await;
    let target = hook.target();
    for status in [202, 408, 425, 429, 503] {
        let reply = Reply::new(status, "").with("retry-after", "90");
        hook.0.answer_next(reply);
        match target
            .carry_out(&order(Action::Lock, "bob@x.example"))
            .await
        {
            Outcome::Busy { after, .. } => assert_eq!(after, Duration::from_secs(90)),
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (hook, elsewhere) = (Hook::start().await, Hook::start().await);
    let to = format!("{}/orders", elsewhere.0.url());
    hook.0
        .answer_next(Reply::new(307, "").with("location", &to));
    let outcome = hook
        .target()
        .carry_out(&order(Action::Lock, "bob@x.example"))
        .await;
    assert!(later(outcome).contains("not followed"));
    assert!(elsewhere.0.requests().is_empty());
}

#[tokio::test]
async fn the_listing_has_the_last_word() {
    let hook = Hook::start().await;
    hook.0.answer_next(Reply::new(200, ""));
    let outcome = hook
        .target()
        .carry_out(&order(Action::Lock, "bob@x.example"))
        .await;
    assert!(later(outcome).contains("not confirmed"));
}

#[tokio::test]
async fn a_listing_is_asked_by_domain() {
    let hook = Hook::start().await;
    let domains = ["x.example", "y & z.example"].map(str::to_owned);
    hook.target().list(&domains).await.unwrap();
    let asked = &hook.0.requests()[0];
    assert_eq!((asked.method.as_str(), asked.path()), ("GET", "/list"));
    let named: Vec<String> = asked.query().into_iter().map(|(_, value)| value).collect();
    assert_eq!(named, domains);
    assert_eq!(asked.parameter("domain").as_deref(), Some("x.example"));
}
