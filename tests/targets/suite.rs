//! What every target must do. A stand-in implements [`Bench`]; the macro then runs all of this against it.

use crate::support::memory_store;
use arfd::domain::lock::{Action, LockOrder, Outcome};
use arfd::lock::{LockTarget, NoListing};
use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The outgoing user of all orders.
pub const USER: &str = "relay@x.example";
/// Its domain.
pub const DOMAIN: &str = "x.example";

/// What happens to the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is carried out, but its answer never arrives.
    ReplyLost,
    /// The answer does not come in time.
    Slow,
    /// Nonsense, as if it had worked; nothing is done.
    Garbage,
    /// A page for people, as if it had worked; nothing is done.
    Html,
    /// The other side is in trouble; nothing is done.
    Error500,
    /// More than anybody wants to read; nothing is done.
    Huge,
}

/// A target and what stands behind it.
#[async_trait]
pub trait Bench: Send + Sync + Sized {
    async fn start() -> Self;
    /// The target as it should be set up.
    fn target(&self) -> Arc<dyn LockTarget>;
    /// The same, with no patience.
    fn hasty(&self) -> Arc<dyn LockTarget>;
    /// The same with a wrong secret, where there is one.
    fn impostor(&self) -> Option<Arc<dyn LockTarget>> {
        None
    }
    /// Makes an identity known there, where it must be.
    fn add(&self, _identity: &str) {}
    /// An identity that is not known there, where that makes a difference.
    fn unknown(&self) -> Option<&'static str> {
        None
    }
    /// Whom it holds or locks, by its own account.
    fn in_effect(&self) -> Vec<String>;
    /// How often somebody went from free to held or locked.
    fn effects(&self) -> usize;
    /// Plans what happens to the next request; false where that cannot happen.
    fn plan(&self, fault: Fault) -> bool;
    async fn down(&mut self);
    async fn up(&mut self);
    /// What no text may hold.
    fn secrets(&self) -> Vec<&'static str>;
}

/// A first try.
pub fn order(action: Action, identity: &str) -> LockOrder {
    let mut order = memory_store::order("target", USER, identity, Timestamp::UNIX_EPOCH);
    order.action = action;
    order.attempts = 1;
    order.id = arfd::domain::ids::OrderId::of(&[identity.as_bytes(), action.as_str().as_bytes()]);
    order
}

pub fn again(mut order: LockOrder) -> LockOrder {
    order.attempts += 1;
    order
}

fn text(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Done { answer: text }
        | Outcome::Later { why: text }
        | Outcome::Busy { why: text, .. }
        | Outcome::Refused { why: text } => text,
    }
}

#[track_caller]
pub fn done(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done { answer } => answer,
        other => panic!("expected Done, got {other:?}"),
    }
}

#[track_caller]
pub fn later(outcome: Outcome) -> String {
    match outcome {
        Outcome::Later { why } | Outcome::Busy { why, .. } => why,
        other => panic!("expected Later, got {other:?}"),
    }
}

#[track_caller]
pub fn refused(outcome: Outcome) -> String {
    match outcome {
        Outcome::Refused { why } => why,
        other => panic!("expected Refused, got {other:?}"),
    }
}

fn sorted<S: Into<String>>(names: impl IntoIterator<Item = S>) -> BTreeSet<String> {
    names.into_iter().map(Into::into).collect()
}

/// The strongest thing that it can do, for targets that only hold.
fn lock_of(target: &dyn LockTarget) -> Action {
    let identity = arfd::domain::lock::Subject::Identity;
    match target.can(Action::Lock, identity) {
        true => Action::Lock,
        false => Action::Hold,
    }
}

/// Holds the listing, where there is one, against what the other side says.
async fn listing_agrees<B: Bench>(bench: &B) {
    match bench
        .target()
        .list(&[DOMAIN, "x.example.net"].map(str::to_owned))
        .await
    {
        Err(NoListing::Unsupported) => {}
        Err(NoListing::Failed(why)) => panic!("no listing: {why}"),
        Ok(listed) => {
            let names = listed.into_iter().map(|l| l.identity.value);
            assert_eq!(sorted(names), sorted(bench.in_effect()));
        }
    }
}

pub async fn a_lock_is_confirmed<B: Bench>() {
    let bench = B::start().await;
    bench.add("bob@x.example");
    let target = bench.target();
    let lock = lock_of(&*target);
    done(target.carry_out(&order(lock, "bob@x.example")).await);
    assert_eq!(bench.in_effect(), ["bob@x.example"]);
    assert_eq!(bench.effects(), 1);
    listing_agrees(&bench).await;
}

pub async fn twice_is_one_effect<B: Bench>() {
    let bench = B::start().await;
    bench.add("bob@x.example");
    let target = bench.target();
    let lock = lock_of(&*target);
    let first = order(lock, "bob@x.example");
    done(target.carry_out(&first).await);
    done(target.carry_out(&again(first.clone())).await);
    done(target.carry_out(&first).await);
    let mut other = first;
    other.id = arfd::domain::ids::OrderId::of(&[b"another incident"]);
    done(target.carry_out(&other).await);
    assert_eq!(bench.in_effect(), ["bob@x.example"]);
    assert_eq!(bench.effects(), 1);
}

pub async fn a_release_ends_it_and_twice_is_the_same<B: Bench>() {
    let bench = B::start().await;
    let target = bench.target();
    let lock = lock_of(&*target);
    for name in ["bob@x.example", "notbob@x.example", "bob@x.example.net"] {
        bench.add(name);
        done(target.carry_out(&order(lock, name)).await);
    }
    let release = order(Action::Release, "bob@x.example");
    done(target.carry_out(&release).await);
    let left = sorted(["notbob@x.example", "bob@x.example.net"]);
    assert_eq!(sorted(bench.in_effect()), left);
    done(target.carry_out(&release).await);
    done(target.carry_out(&again(release)).await);
    assert_eq!(sorted(bench.in_effect()), left);
    listing_agrees(&bench).await;
    done(target.carry_out(&order(lock, "bob@x.example")).await);
    assert_eq!(bench.in_effect().len(), 3);
}

pub async fn a_hold_is_a_hold<B: Bench>() {
    let bench = B::start().await;
    let target = bench.target();
    let identity = arfd::domain::lock::Subject::Identity;
    if !target.can(Action::Hold, identity) {
        return;
    }
    bench.add("bob@x.example");
    done(
        target
            .carry_out(&order(Action::Hold, "bob@x.example"))
            .await,
    );
    done(
        target
            .carry_out(&order(Action::Hold, "bob@x.example"))
            .await,
    );
    assert_eq!(bench.in_effect(), ["bob@x.example"]);
    assert_eq!(bench.effects(), 1);
    if let Ok(listed) = target.list(&[DOMAIN.to_owned()]).await {
        assert_eq!(listed[0].action, Action::Hold);
    }
    if target.can(Action::Lock, identity) {
        done(
            target
                .carry_out(&order(Action::Lock, "bob@x.example"))
                .await,
        );
        if let Ok(listed) = target.list(&[DOMAIN.to_owned()]).await {
            assert!(
                listed.iter().any(|l| l.action == Action::Lock),
                "{listed:?}"
            );
        }
    }
    done(
        target
            .carry_out(&order(Action::Release, "bob@x.example"))
            .await,
    );
    assert!(bench.in_effect().is_empty());
}

pub async fn an_unknown_identity_is_refused<B: Bench>() {
    let bench = B::start().await;
    if let Some(unknown) = bench.unknown() {
        let target = bench.target();
        let lock = lock_of(&*target);
        refused(target.carry_out(&order(lock, unknown)).await);
        assert!(bench.in_effect().is_empty());
    }
}

pub async fn an_answer_lost_after_the_effect<B: Bench>() {
    for action in [Action::Lock, Action::Release] {
        let bench = B::start().await;
        bench.add("bob@x.example");
        let target = bench.target();
        let lock = lock_of(&*target);
        let mut wanted = order(lock, "bob@x.example");
        if action == Action::Release {
            done(target.carry_out(&wanted).await);
            wanted = order(Action::Release, "bob@x.example");
        }
        if !bench.plan(Fault::ReplyLost) {
            return;
        }
        later(target.carry_out(&wanted).await);
        done(target.carry_out(&again(wanted)).await);
        assert_eq!(bench.in_effect().is_empty(), action == Action::Release);
        assert_eq!(bench.effects(), 1);
    }
}

pub async fn a_slow_answer_is_not_waited_for<B: Bench>() {
    let bench = B::start().await;
    bench.add("bob@x.example");
    if !bench.plan(Fault::Slow) {
        return;
    }
    let hasty = bench.hasty();
    let wanted = order(lock_of(&*hasty), "bob@x.example");
    later(hasty.carry_out(&wanted).await);
    done(bench.target().carry_out(&again(wanted)).await);
    assert_eq!(bench.in_effect(), ["bob@x.example"]);
    assert_eq!(bench.effects(), 1);
}

pub async fn what_is_no_answer_is_no_success<B: Bench>() {
    for fault in [Fault::Garbage, Fault::Html, Fault::Error500, Fault::Huge] {
        for first in [Action::Lock, Action::Release] {
            let bench = B::start().await;
            bench.add("bob@x.example");
            let target = bench.target();
            let lock = order(lock_of(&*target), "bob@x.example");
            let wanted = match first {
                Action::Release => {
                    done(target.carry_out(&lock).await);
                    order(Action::Release, "bob@x.example")
                }
                _ => lock,
            };
            if !bench.plan(fault) {
                continue;
            }
            let outcome = target.carry_out(&wanted).await;
            assert!(
                matches!(outcome, Outcome::Later { .. } | Outcome::Busy { .. }),
                "{fault:?}: {outcome:?}"
            );
            assert!(text(&outcome).chars().count() < 400);
            assert!(!text(&outcome).chars().any(char::is_control));
            assert_eq!(
                bench.in_effect().len(),
                usize::from(first == Action::Release)
            );
            done(target.carry_out(&again(wanted)).await);
            assert_eq!(
                bench.in_effect().len(),
                usize::from(first != Action::Release)
            );
        }
    }
}

pub async fn a_wrong_secret_waits_for_a_person<B: Bench>() {
    let bench = B::start().await;
    bench.add("bob@x.example");
    if let Some(impostor) = bench.impostor() {
        let wanted = order(lock_of(&*impostor), "bob@x.example");
        later(impostor.carry_out(&wanted).await);
        assert!(bench.in_effect().is_empty());
        done(bench.target().carry_out(&again(wanted)).await);
    }
}

pub async fn down_then_up<B: Bench>() {
    let mut bench = B::start().await;
    bench.add("bob@x.example");
    bench.add("al@x.example");
    let target = bench.target();
    let lock = lock_of(&*target);
    done(target.carry_out(&order(lock, "bob@x.example")).await);
    bench.down().await;
    let al = order(lock, "al@x.example");
    let release = order(Action::Release, "bob@x.example");
    later(target.carry_out(&al).await);
    later(target.carry_out(&release).await);
    let list = target.list(&[DOMAIN.to_owned()]).await;
    assert!(list.is_err(), "{list:?}");
    bench.up().await;
    done(target.carry_out(&again(al)).await);
    done(target.carry_out(&again(release)).await);
    assert_eq!(bench.in_effect(), ["al@x.example"]);
    listing_agrees(&bench).await;
}

/// Identities that somebody chose with care.
fn nasty() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        " ",
        "*",
        "*@x.example",
        "%",
        "%@x.example",
        ".",
        "..",
        "../../al@x.example",
        "-rf@x.example",
        "--help",
        "bob\n@x.example",
        "bob@x.example\nal@x.example",
        "bob@x.example\r\nX-Y: z",
        "bob\0@x.example",
        "\"bob\"@x.example",
        "'bob'@x.example",
        "bob smith@x.example",
        "bob@x.example al@x.example",
        "bob@x.example\tOK",
        "#bob@x.example",
        "bob:al@x.example",
        "bob@x.example&identity=al@x.example",
        "bob@x.example/username/*",
        "bob@x.example;id",
        "$(id)@x.example",
        "`id`@x.example",
        "'; drop table locks; --@x.example",
        "<b>bob</b>@x.example",
        "{\"identity\":\"al@x.example\"}",
        "bob\\@x.example",
        "grüße@x.example",
        "!al@x.example",
        "/al@x.example/",
        "@x.example",
        "x.example",
        "bob@",
        "\u{202e}bob@x.example",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push(format!("{}@x.example", "a".repeat(310)));
    all
}

pub async fn nothing_reaches_further_than_asked<B: Bench>() {
    let bench = B::start().await;
    bench.add("al@x.example");
    let target = bench.target();
    let lock = lock_of(&*target);
    for identity in nasty() {
        bench.add(&identity);
        let before = sorted(bench.in_effect());
        let outcome = target.carry_out(&order(lock, &identity)).await;
        let new: Vec<String> = sorted(bench.in_effect())
            .difference(&before)
            .cloned()
            .collect();
        match outcome {
            Outcome::Done { .. } => {
                assert_eq!(new, std::slice::from_ref(&identity), "{identity:?}");
            }
            Outcome::Refused { .. } => assert!(new.is_empty(), "{identity:?}: {new:?}"),
            other => assert!(
                new.is_empty() || new == [identity.clone()],
                "{identity:?}: {other:?}, {new:?}"
            ),
        }
        let release = target.carry_out(&order(Action::Release, &identity)).await;
        if let Outcome::Done { .. } = release {
            assert_eq!(sorted(bench.in_effect()), before, "{identity:?}");
        }
    }
    assert!(!bench.in_effect().contains(&"al@x.example".to_owned()));
}

pub async fn an_outgoing_user_that_widens_is_refused<B: Bench>() {
    let bench = B::start().await;
    let target = bench.target();
    let lock = lock_of(&*target);
    for user in ["@x.example", "*@x.example", "relay@*"] {
        let mut widened =
            memory_store::order("target", user, "bob@x.example", Timestamp::UNIX_EPOCH);
        widened.action = lock;
        for attempts in [1, 2] {
            widened.attempts = attempts;
            refused(target.carry_out(&widened).await);
        }
    }
    assert!(bench.in_effect().is_empty());
}

pub async fn secrets_stay_secret<B: Bench>() {
    let bench = B::start().await;
    bench.add("bob@x.example");
    let target = bench.target();
    let lock = lock_of(&*target);
    let mut said = format!("{target:?}");
    for fault in [Fault::Garbage, Fault::Error500, Fault::ReplyLost] {
        bench.plan(fault);
        said += text(&target.carry_out(&order(lock, "bob@x.example")).await);
    }
    said += text(
        &target
            .carry_out(&order(Action::Release, "bob@x.example"))
            .await,
    );
    for secret in bench.secrets() {
        assert!(!said.contains(secret), "{said}");
    }
}

pub async fn many_at_once<B: Bench>() {
    let bench = B::start().await;
    let target = bench.target();
    let lock = lock_of(&*target);
    let names: Vec<String> = (0..12).map(|i| format!("user{i}@x.example")).collect();
    let tries: Vec<_> = names
        .iter()
        .map(|name| {
            bench.add(name);
            let (target, order) = (bench.target(), order(lock, name));
            tokio::spawn(async move { target.carry_out(&order).await })
        })
        .collect();
    for one in tries {
        done(one.await.unwrap());
    }
    assert_eq!(sorted(bench.in_effect()), sorted(names));
    assert_eq!(bench.effects(), 12);
    listing_agrees(&bench).await;
}

/// All tests of the suite for one bench, as a module.
macro_rules! conformance {
    ($module:ident, $bench:ty) => {
        conformance!(@ $module, $bench,
            a_lock_is_confirmed, twice_is_one_effect, a_release_ends_it_and_twice_is_the_same, a_hold_is_a_hold,
            an_unknown_identity_is_refused, an_answer_lost_after_the_effect, a_slow_answer_is_not_waited_for,
            what_is_no_answer_is_no_success, a_wrong_secret_waits_for_a_person, down_then_up,
            nothing_reaches_further_than_asked, an_outgoing_user_that_widens_is_refused, secrets_stay_secret,
            many_at_once);
    };
    (@ $module:ident, $bench:ty, $($test:ident),*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $test() {
                    super::suite::$test::<$bench>().await;
                }
            )*
        }
    };
}
