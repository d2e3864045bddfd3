//! The SpamExperts target's orders beside the lock of an identity: releases, outgoing users, senders; listings of
//! a whole domain; and calls addressed by path.

use super::spamexperts::{again, bob, bob_as, filter, later, locked, refused, settings, target_of};
use arfd::cli::demo::stand_in::Fault;
use arfd::domain::lock::{Action, LockOrder, Subject};
use arfd::lock::{LockTarget, NoListing};

fn as_subject(subject: Subject, action: Action) -> LockOrder {
    let mut order = bob();
    order.subject = subject;
    order.action = action;
    order
}

#[tokio::test]
async fn what_has_no_call_is_refused_without_asking() {
    let (filter, target) = filter().await;
    for (subject, action, can) in [
        (Subject::Identity, Action::Lock, true),
        (Subject::Identity, Action::Release, true),
        (Subject::Identity, Action::Hold, false),
        (Subject::OutgoingUser, Action::Lock, false),
        (Subject::OutgoingUser, Action::Release, false),
        (Subject::Sender, Action::Lock, true),
        (Subject::Sender, Action::Release, false),
    ] {
        assert_eq!(target.can(action, subject), can, "{action:?} {subject:?}");
        if !can {
            refused(target.carry_out(&as_subject(subject, action)).await);
        }
    }
    assert!(filter.calls().is_empty());
}

#[tokio::test]
async fn a_sender_is_blacklisted_for_its_domain_only() {
    let (filter, target) = filter().await;
    let answer = locked(
        target
            .carry_out(&as_subject(Subject::Sender, Action::Lock))
            .await,
    );
    assert!(answer.contains("filter's word only"), "{answer}");
    let sender = ("x.example".to_owned(), "bob@x.example".to_owned());
    assert_eq!(filter.senders(), [sender]);
    assert_eq!(
        filter.calls()[0].query,
        "call=api_blacklist_outgoing_sender&domain=x.example&sender=bob%40x.example"
    );
}

#[tokio::test]
async fn an_outgoing_user_is_locked_by_the_calls_that_are_named() {
    let (filter, _) = filter().await;
    let mut named = settings(&filter.url());
    named.lock_user.call = "api_lock_it".into();
    named.list_users.call = "api_list_them".into();
    let target = target_of(named);
    filter.push_fault(Fault::Answer(200, "The user has been locked".into()));
    filter.push_fault(Fault::Answer(
        200,
        "username,domain\nother,x.example".into(),
    ));
    let lock = as_subject(Subject::OutgoingUser, Action::Lock);
    assert!(later(target.carry_out(&lock).await).contains("not confirmed"));
    filter.push_fault(Fault::Answer(200, "other\nrelay".into()));
    locked(target.carry_out(&again(lock)).await);
    let queries: Vec<String> = filter.calls().into_iter().map(|c| c.query).collect();
    assert_eq!(
        queries[..2],
        [
            "call=api_lock_it&domain=x.example&username=relay",
            "call=api_list_them&domain=x.example"
        ]
    );
}

#[tokio::test]
async fn a_release_is_not_confirmed_by_what_is_no_listing() {
    for text in ["Internal trouble", "no permissions", "bob@x.example"] {
        let (filter, target) = filter().await;
        locked(target.carry_out(&bob()).await);
        let release = as_subject(Subject::Identity, Action::Release);
        filter.push_fault(Fault::Ok);
        filter.push_fault(Fault::Answer(200, text.into()));
        assert!(later(target.carry_out(&release).await).contains("not confirmed"));
        filter.push_fault(Fault::Answer(200, text.into()));
        let again = target.carry_out(&again(release)).await;
        locked(again);
        assert!(filter.locked().is_empty());
    }
}

#[tokio::test]
async fn every_user_is_asked_for_only_in_listings_and_only_where_allowed() {
    let (filter, target) = filter().await;
    locked(target.carry_out(&bob()).await);
    let domains = ["x.example".to_owned()];
    assert_eq!(target.list(&domains).await, Err(NoListing::Unsupported));
    assert!(
        filter
            .calls()
            .iter()
            .all(|c| c.get("username") == Some("relay"))
    );
    let mut allowed = settings(&filter.url());
    allowed.list_all_users = true;
    let target = target_of(allowed);
    assert_eq!(target.list(&[]).await, Err(NoListing::Unsupported));
    let odd = ["", "*", "y.example", "x.example"].map(str::to_owned);
    let listed = target.list(&odd).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].identity.value, "bob@x.example");
    assert!(listed[0].is_of(&bob()));
    let asked = filter.calls();
    let asked: Vec<_> = asked
        .iter()
        .filter(|c| c.get("username") == Some("*"))
        .collect();
    assert_eq!(asked.len(), 2, "neither for no domain nor for all");
    assert!(
        asked
            .iter()
            .all(|c| c.name() == "api_list_locked_identities")
    );
    filter.push_fault(Fault::Html200);
    assert!(matches!(
        target.list(&domains).await,
        Err(NoListing::Failed(_))
    ));
}

#[tokio::test]
async fn paths_carry_each_argument_as_one_segment() {
    let (filter, _) = filter().await;
    let mut by_path = settings(&filter.url().replace("/cgi-bin/api", "/api"));
    by_path.style = arfd::lock::spamexperts::Style::Path;
    let target = target_of(by_path);
    locked(
        target
            .carry_out(&bob_as("relay@x.example", "b+o?b#c %2f@x.example"))
            .await,
    );
    assert_eq!(filter.locked()[0].identity, "b+o?b#c %2f@x.example");
    for identity in ["..", ".", "a/username/b", "a\\b"] {
        refused(target.carry_out(&bob_as("relay@x.example", identity)).await);
    }
    assert_eq!(filter.locked().len(), 1);
}
