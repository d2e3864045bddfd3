//! Passwords right and wrong, and what is done to those who guess.

use super::*;
use crate::clock::ManualClock;
use jiff::Timestamp;

/// A cheap hash, so that a test takes no time.
fn cheap(password: &str) -> PasswordHash {
    let params = Params::new(64, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = [7; 16];
    let hash = argon2.hash_password_with_salt(password.as_bytes(), &salt);
    PasswordHash::parse(&hash.unwrap().to_string()).unwrap()
}

fn credentials(name: &str, password: &str) -> Credentials {
    Credentials {
        name: name.to_owned(),
        password: password.as_bytes().to_vec().into(),
    }
}

fn users(clock: Arc<ManualClock>) -> Arc<Users> {
    let settings = AuthSettings {
        max_failures_per_client: 3,
        failure_delay: Duration::ZERO,
        patience: Duration::ZERO,
        ..AuthSettings::default()
    };
    let users = [("filter", "one"), ("relay", "two")].map(|(name, password)| User {
        name: name.to_owned(),
        hash: cheap(password),
    });
    let metrics = Arc::new(Metrics::new().unwrap());
    Users::new(users.to_vec(), settings, clock, metrics).unwrap()
}

/// The same with other settings.
fn changed(users: Arc<Users>, change: impl FnOnce(&mut AuthSettings)) -> Arc<Users> {
    let mut users = Arc::into_inner(users).unwrap();
    change(&mut users.settings);
    Arc::new(users)
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH))
}

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn each_user_has_one_password() {
    let users = users(clock());
    for (client, (name, password, right)) in (1..).zip([
        ("filter", "one", true),
        ("filter", "two", false),
        ("relay", "two", true),
        ("Relay", "two", false),
        ("nobody", "one", false),
        ("filter", "one", true),
        ("nobody", "two", false),
        ("relay", "two", true),
        ("", "", false),
    ]) {
        let client = IpAddr::from([192, 0, 2, client]);
        let verdict = users.verify(client, credentials(name, password)).await;
        let want = match right {
            true => Verdict::Granted(name.to_owned()),
            false => Verdict::Denied,
        };
        assert_eq!(verdict, want, "{name} {password}");
    }
}

#[tokio::test]
async fn those_who_guess_wait_and_are_then_sent_away() {
    let clock = clock();
    let users = users(clock.clone());
    for _ in 0..3 {
        let verdict = users.verify(CLIENT, credentials("filter", "x")).await;
        assert_eq!(verdict, Verdict::Denied);
    }
    // Even with the right password: or guessing would only have to go on.
    let verdict = users.verify(CLIENT, credentials("filter", "one")).await;
    assert_eq!(verdict, Verdict::Throttled);
    let other = "192.0.2.1".parse().unwrap();
    let verdict = users.verify(other, credentials("filter", "one")).await;
    assert_eq!(verdict, Verdict::Granted("filter".to_owned()));
    clock.advance(Duration::from_mins(15));
    let verdict = users.verify(CLIENT, credentials("filter", "one")).await;
    assert_eq!(verdict, Verdict::Granted("filter".to_owned()));
    let auth = |outcome| users.metrics.auth.with_label_values(&[outcome]).get();
    assert_eq!(
        (auth("granted"), auth("denied"), auth("throttled")),
        (2, 3, 1)
    );
}

#[tokio::test]
async fn no_more_are_tried_at_a_time_than_memory_is_meant_for() {
    let users = users(clock());
    let all = Arc::clone(&users.turns)
        .acquire_many_owned(2)
        .await
        .unwrap();
    let verdict = users.verify(CLIENT, credentials("filter", "one")).await;
    assert_eq!(verdict, Verdict::Busy);
    drop(all);
    let verdict = users.verify(CLIENT, credentials("filter", "one")).await;
    assert_eq!(verdict, Verdict::Granted("filter".to_owned()));
}

#[tokio::test]
async fn many_at_once_cannot_outrun_the_throttle() {
    let users = changed(users(clock()), |s| s.patience = Duration::from_hours(1));
    let tries = (0..50).map(|_| {
        let users = Arc::clone(&users);
        tokio::spawn(async move { users.verify(CLIENT, credentials("filter", "x")).await })
    });
    let mut denied = 0;
    for tried in tries.collect::<Vec<_>>() {
        denied += usize::from(tried.await.unwrap() == Verdict::Denied);
    }
    assert!((3..=4).contains(&denied), "{denied} of 50 were tried");
}

#[tokio::test]
async fn a_wrong_password_is_answered_late() {
    let users = changed(users(clock()), |s| {
        s.failure_delay = Duration::from_hours(1)
    });
    let late = {
        let users = Arc::clone(&users);
        tokio::spawn(async move { users.verify(CLIENT, credentials("filter", "x")).await })
    };
    while users.metrics.auth.with_label_values(&["denied"]).get() == 0 {
        tokio::task::yield_now().await;
    }
    // A right one is not, and nobody waits for the other.
    let verdict = users.verify(CLIENT, credentials("filter", "one")).await;
    assert_eq!(verdict, Verdict::Granted("filter".to_owned()));
    assert!(!late.is_finished());
    late.abort();
}

#[test]
fn hashes_that_are_taken() {
    let made = hash_password(b"hunter2").unwrap();
    let hash = PasswordHash::parse(&made).unwrap();
    assert!(hash.is_of(b"hunter2") && !hash.is_of(b"hunter3"));
    assert!(!hash.is_weak());
    assert_ne!(made, hash_password(b"hunter2").unwrap());
    assert!(cheap("x").is_weak());
    assert!(!format!("{hash:?}").contains("argon2id"));
    for (text, want) in [
        ("hunter2", HashError::Kind),
        ("$2y$10$abcdefghijklmnopqrstuv", HashError::Kind),
        ("$6$salt$hash", HashError::Kind),
        (
            "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            HashError::Kind,
        ),
        ("$argon2id$v=19$m=19456,t=2,p=1", HashError::Damaged),
        (
            "$argon2id$v=16$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            HashError::Damaged,
        ),
        (
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFz",
            HashError::Damaged,
        ),
        (
            "$argon2id$v=19$m=9999999,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            HashError::TooDear,
        ),
        (
            "$argon2id$v=19$m=19456,t=999,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            HashError::TooDear,
        ),
    ] {
        assert_eq!(PasswordHash::parse(text).unwrap_err(), want, "{text}");
    }
}
