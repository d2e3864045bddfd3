//! Reports in somebody else's name: from outside, with a secret guessed wrong, with another's signature, with words that
//! only sound like proof.

use super::world::*;
use crate::support::letters::Letter;
use crate::support::signed::{COVERED, Signer};
use arfd::domain::feed::Arrival;
use arfd::domain::standing::Standing;

/// Sixty reports about the victim, none of which counts.
async fn sixty(
    w: &World,
    first: usize,
    arrival: &Arrival,
    by: fn(&Letter, &str) -> Vec<u8>,
    to: &str,
) {
    let reports = letters(first, 60, VICTIM, VICTIM_USER);
    let reports: Vec<_> = reports.iter().map(|l| by(l, to)).collect();
    let filed = w.send_all(arrival, &reports).await;
    assert_eq!(count(&filed, Standing::Unproven), 60, "{arrival:?}");
    let row = w.row(&filed[0]).await;
    assert_eq!(
        (row.feed, &row.standing[..]),
        (None, "unproven"),
        "{arrival:?}"
    );
}

#[tokio::test]
async fn from_outside() {
    let w = World::new().await;
    let lies = [
        "out1.filter.example",
        "198.51.100.9",
        "[198.51.100.9]",
        "localhost",
    ];
    for (i, helo) in lies.into_iter().enumerate() {
        for (j, rcpt) in [ABUSE, FILTER].into_iter().enumerate() {
            let arrival = arrival(ANYBODY_IP, helo, "", &[rcpt]);
            sixty(&w, (i * 2 + j) * 100, &arrival, Letter::by_filter, rcpt).await;
        }
    }
    // Nor do many recipients at once, one of them the secret one.
    let all = arrival(
        ANYBODY_IP,
        "x.example",
        "",
        &[ABUSE, FILTER, YAHOO, JMRP, PARTNER],
    );
    sixty(&w, 900, &all, Letter::by_filter, FILTER).await;
    w.nobody("forged from outside").await;
}

#[tokio::test]
async fn the_secret_guessed_wrong() {
    let w = World::new().await;
    let guesses = [
        ABUSE,
        "filter@hoster.example",
        "filter-q7d2mx9k4wv8ht3@hoster.example",
        "filter-q7d2mx9k4wv8ht3c+x@hoster.example",
        "abuse+filter-q7d2mx9k4wv8ht3c@hoster.example",
        "filter-q7d2mx9k4wv8ht3c@hoster.example.evil.example",
        "filter-q7d2mx9k4wv8ht3c@sub.hoster.example",
        "\"filter-q7d2mx9k4wv8ht3c@hoster.example\"@evil.example",
        "filter-q7d2mx9k4wv8ht3с@hoster.example",
    ];
    for (i, guess) in guesses.into_iter().enumerate() {
        // Even from the filter's own network.
        let arrival = arrival(FILTER_IP, "out1.filter.example", "", &[guess]);
        sixty(&w, i * 100, &arrival, Letter::by_filter, FILTER).await;
    }
    w.nobody("guessed").await;
}

#[tokio::test]
async fn signed_by_whom_it_should_not() {
    let w = World::new().await;
    let stranger = Signer::new("evil.example");
    stranger.publish(&w.dns);
    // Below the real one, and with the real name in it.
    let near = Signer::new("arf.mail.yahoo.example.evil.example");
    near.publish(&w.dns);
    // The right name, and a key that DNS does not have.
    let thief = Signer::new("arf.mail.yahoo.example");
    let mut n = 0;
    let mut plain = || {
        n += 1;
        Letter::new(n, VICTIM, VICTIM_USER).by_yahoo(YAHOO)
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let from = "From: Yahoo! Mail AntiSpam Feedback <feedback@arf.mail.yahoo.example>";
    for round in 0..12 {
        let foreign_from = text(plain()).replacen(from, "From: boss@bank.example", 1);
        let elsewhere = text(plain()).replacen(YAHOO, "fbl@somebody-else.example", 1);
        let forged = [
            ("not signed", plain()),
            ("another domain", stranger.sign(&plain(), &COVERED, false)),
            (
                "a domain with its name in it",
                near.sign(&plain(), &COVERED, false),
            ),
            ("a key of his own", thief.sign(&plain(), &COVERED, false)),
            (
                "another From",
                w.yahoo.sign(foreign_from.as_bytes(), &COVERED, false),
            ),
            ("part of the body", w.yahoo.sign(&plain(), &COVERED, true)),
            (
                "From not signed",
                w.yahoo.sign(&plain(), &["To", "Cc", "Date"], false),
            ),
            (
                "To not signed",
                w.yahoo.sign(&plain(), &["From", "Date"], false),
            ),
            (
                "to somebody else",
                w.yahoo.sign(elsewhere.as_bytes(), &COVERED, false),
            ),
            (
                "two From",
                format!(
                    "From: boss@bank.example\r\n{}",
                    text(w.yahoo.sign(&plain(), &COVERED, false))
                )
                .into(),
            ),
            (
                "another body",
                text(w.yahoo.sign(&plain(), &COVERED, false))
                    .replace(VICTIM, "ceo@customer2.example")
                    .into(),
            ),
            (
                "a To put before",
                format!(
                    "To: {YAHOO}\r\n{}",
                    text(w.yahoo.sign(elsewhere.as_bytes(), &COVERED, false))
                )
                .into(),
            ),
        ];
        for (what, message) in &forged {
            let filed = w.send(from_yahoo(), message).await;
            assert_eq!(filed.standing, Standing::Unproven, "{what}");
            if round == 0 {
                let row = w.row(&filed).await;
                let outcome = row.proof.map(|proof| proof["outcome"].clone());
                assert!(outcome.is_none_or(|o| o == "not_proven"), "{what}");
            }
        }
        let expired = w.yahoo.sign_for(&plain(), &COVERED, false, Some(60));
        w.pass(120);
        let filed = w.send(from_yahoo(), &expired).await;
        assert_eq!(filed.standing, Standing::Unproven, "expired");
    }
    w.nobody("signed badly").await;
    // The control: the same signer, as it should be.
    let good = w.yahoo.sign(&plain(), &COVERED, false);
    assert_eq!(
        w.send(from_yahoo(), &good).await.standing,
        Standing::Counted
    );
}

#[tokio::test]
async fn a_sender_that_spf_does_not_know() {
    let w = World::new().await;
    for (i, (helo, sender)) in [
        ("mx.hotmail.example", "staff@hotmail.example"),
        ("hotmail.example", ""),
        ("hotmail.example", "staff@hotmail.example"),
    ]
    .into_iter()
    .enumerate()
    {
        let arrival = arrival(ANYBODY_IP, helo, sender, &[JMRP]);
        sixty(&w, i * 100, &arrival, Letter::by_jmrp, JMRP).await;
    }
    // A policy of the attacker's own says yes, to his own domain.
    w.dns.text("hotmail.example.evil.example", "v=spf1 +all");
    let arrival = arrival(
        ANYBODY_IP,
        "x",
        "staff@hotmail.example.evil.example",
        &[JMRP],
    );
    sixty(&w, 900, &arrival, Letter::by_jmrp, JMRP).await;
    w.nobody("SPF").await;
}

#[tokio::test]
async fn dns_in_trouble_proves_nothing() {
    let w = World::new().await;
    let thief = Signer::new("arf.mail.yahoo.example");
    w.dns.trouble(true);
    let forged: Vec<_> = letters(0, 20, VICTIM, VICTIM_USER)
        .iter()
        .map(|l| thief.sign(&l.by_yahoo(YAHOO), &COVERED, false))
        .collect();
    let filed = w.send_all(&from_yahoo(), &forged).await;
    assert_eq!(count(&filed, Standing::Pending), 20);
    let row = w.row(&filed[0]).await;
    assert_eq!(row.proof.unwrap()["outcome"], "pending");
    w.nobody("pending").await;
}

/// RFC 9477: anybody who got a mail with a CFBL-Address can write such a report. Even from a network that is trusted
/// it does not count unsigned.
#[tokio::test]
async fn cfbl_unsigned() {
    let w = World::new().await;
    let from = arrival("192.0.2.161", "mbp.example", "fbl@mbp.example", &[CFBL]);
    for n in 0..40 {
        let mut letter = Letter::new(n, VICTIM, VICTIM_USER);
        letter.headers +=
            &format!("CFBL-Address: {CFBL}; report=arf\r\nCFBL-Feedback-ID: 1:2:{n}\r\n");
        let filed = w.send(from.clone(), &letter.by_yahoo(CFBL)).await;
        assert_eq!(filed.standing, Standing::Unproven);
        if n == 0 {
            assert_eq!(
                w.row(&filed).await.proof.unwrap()["reason"],
                "a CFBL report without a signature (RFC 9477)"
            );
        }
    }
    w.nobody("CFBL").await;
}
