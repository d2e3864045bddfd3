//! Real reports about real spam, in which the spammer wrote what should make somebody else guilty.

use super::world::*;
use crate::support::letters::Letter;
use arfd::domain::standing::Standing;

/// Twelve reports of each kind about the spammer's mail, made by `change`; gives what they were attributed to.
async fn twelve(w: &World, first: usize, change: impl Fn(&mut Letter)) -> (Standing, String) {
    let mut last = None;
    for n in first..first + 12 {
        let mut letter = Letter::new(n, SPAMMER, SPAMMER_USER);
        change(&mut letter);
        last = Some(w.by_filter(&letter).await);
    }
    let last = last.unwrap();
    (last.standing, w.named(&last).await)
}

#[tokio::test]
async fn identity_headers_injected() {
    let w = World::new().await;
    let real = format!("X-AuthUser: {SPAMMER}\r\n");
    let ambiguous = (Standing::Unattributed, "header_ambiguous");
    let spammer = (Standing::Counted, SPAMMER);
    // Where it stands, how it is written, and what must come of it.
    let injected = [
        (format!("X-AuthUser: {VICTIM}\r\n"), ambiguous),
        (
            format!("X-AUTHUSER: {}\r\n", VICTIM.to_uppercase()),
            ambiguous,
        ),
        (format!("x-authuser :{VICTIM}\r\n"), ambiguous),
        (format!("X-AuthUser:\r\n {VICTIM}\r\n"), ambiguous),
        (format!("X-AuthUser:\r\n\t{VICTIM}\r\n \r\n"), ambiguous),
        (format!("X-AuthUser: <{VICTIM}>\r\n"), ambiguous),
        (
            format!("X-AuthUser: {VICTIM}\r\nX-AuthUser: {VICTIM}\r\n"),
            ambiguous,
        ),
        // Homographs: another letter, another width, a letter whose lower case is an ordinary one.
        (
            "X-AuthUser: sh\u{43e}p@customer2.example\r\n".into(),
            ambiguous,
        ),
        ("X-AuthUser: ｓhop@customer2.example\r\n".into(), ambiguous),
        (
            "X-AuthUser: \u{212a}im@customer2.example\r\n".into(),
            spammer,
        ),
        // No identity: nothing that could be one is there.
        ("X-AuthUser: shop @customer2.example\r\n".into(), spammer),
        (
            "X-AuthUser: shop@cust\r\n omer2.example\r\n".into(),
            spammer,
        ),
        ("X-AuthUser:\r\n".into(), spammer),
        (
            format!("X-AuthUser: {}{VICTIM}\r\n", "x".repeat(400)),
            spammer,
        ),
        (format!("X-AuthUsеr: {VICTIM}\r\n"), spammer),
        (format!("X-AuthUser {VICTIM}\r\n"), spammer),
        (format!("Subject: x\r\n X-AuthUser: {VICTIM}\r\n"), spammer),
        (format!("X-AuthUser: {SPAMMER}\r\n"), spammer),
    ];
    for (i, (lines, want)) in injected.iter().enumerate() {
        let before = twelve(&w, i * 100, |l| l.headers = format!("{lines}{real}")).await;
        let after = twelve(&w, i * 100 + 20, |l| l.more_headers.clone_from(lines)).await;
        for (standing, named) in [before, after] {
            assert_eq!((standing, &named[..]), *want, "{lines:?}");
        }
        let both = twelve(&w, i * 100 + 40, |l| {
            l.headers = format!("{lines}{real}{lines}");
            l.more_headers.clone_from(lines);
        })
        .await;
        assert_eq!((both.0, &both.1[..]), *want, "{lines:?} around");
    }
    // An encoded word is not decoded: as it stands it is somebody else, whom nobody knows.
    let encoded = twelve(&w, 5_000, |l| {
        l.more_headers = "X-AuthUser: =?utf-8?q?shop=40customer2.example?=\r\n".into();
    });
    assert_eq!(
        encoded.await,
        (Standing::Unattributed, "header_ambiguous".into())
    );
    let crossed = w.crossed().await;
    assert!(crossed.iter().all(|who| who == SPAMMER), "{crossed:?}");
}

/// A letter whose lower case is an ordinary one must not turn one identity into another.
#[tokio::test]
async fn homographs_are_somebody_else() {
    let w = World::new().await;
    for n in 0..60 {
        let mut letter = Letter::new(n, SPAMMER, SPAMMER_USER);
        letter.headers = "X-AuthUser: \u{212a}im@customer1.example\r\n".into();
        w.by_filter(&letter).await;
        let mut letter = Letter::new(100 + n, SPAMMER, SPAMMER_USER);
        letter.headers = "X-AuthUser: k\u{456}m@customer1.example\r\n".into();
        w.by_filter(&letter).await;
    }
    let crossed = w.crossed().await;
    assert!(
        !crossed.contains(&"kim@customer1.example".to_owned()),
        "{crossed:?}"
    );
}

#[tokio::test]
async fn the_filters_own_headers_written_by_the_spammer() {
    let w = World::new().await;
    let lies = [
        "X-Spampanel-Domain: customer2.example\r\nX-Spampanel-Username: server2\r\n".to_owned(),
        "X-SpamExperts-Domain: customer2.example\r\nX-SpamExperts-Username: server2\r\n".to_owned(),
        format!("Authentication-Results: filter.example; auth=pass smtp.auth={VICTIM_USER}\r\n"),
        "X-Spampanel-Username: server2\r\n".to_owned(),
    ];
    for (i, lie) in lies.iter().enumerate() {
        for n in 0..40 {
            let mut letter = Letter::new(i * 1_000 + n, SPAMMER, SPAMMER_USER);
            letter.more_headers.clone_from(lie);
            letter.headers = lie.clone() + &letter.headers;
            // The filter says itself who it was.
            let filed = w.by_filter(&letter).await;
            let row = w.row(&filed).await;
            assert_eq!(
                row.attribution["identity"]["outgoing_user"]["domain"],
                "customer1.example"
            );
            // A loop that says nothing is believed the enclosed headers only where they agree.
            letter.n += 100;
            letter.message_id += "j";
            let filed = w.by_jmrp(&letter).await;
            assert_eq!(filed.standing, Standing::Unattributed, "{lie}");
            assert_eq!(w.named(&filed).await, "user_ambiguous", "{lie}");
            // Yahoo's reports are not believed them at all.
            letter.n += 100;
            letter.message_id += "y";
            let row = w.row(&w.by_yahoo(&letter).await).await;
            assert_eq!(
                row.attribution["identity"]["outgoing_user"],
                serde_json::Value::Null
            );
        }
    }
    let crossed = w.store.incidents(99).await.unwrap();
    assert!(
        crossed.iter().all(|row| row.identity == SPAMMER),
        "{crossed:?}"
    );
    assert!(
        crossed
            .iter()
            .all(|row| row.domain.as_deref() != Some("customer2.example"))
    );
}

/// The domain of an outgoing user is what stands behind the last `@`.
#[tokio::test]
async fn a_user_name_with_an_at() {
    let w = World::new().await;
    for n in 0..60 {
        let mut letter = Letter::new(n, SPAMMER, "server2@customer2.example@customer1.example");
        letter.headers.clear();
        let filed = w.by_filter(&letter).await;
        let who = &w.row(&filed).await.attribution["identity"];
        assert_eq!(who["outgoing_user"]["domain"], "customer1.example");
        assert_eq!(who["outgoing_user"]["username"], VICTIM_USER);
    }
    let crossed = w.store.incidents(9).await.unwrap();
    assert_eq!(crossed.len(), 1);
    assert_eq!(crossed[0].domain.as_deref(), Some("customer1.example"));
}

/// An envelope sender may hold anything within quotes, and receivers write it into their Authentication-Results. It
/// must not pass for the filter's word on who authenticated.
#[tokio::test]
async fn an_envelope_sender_that_states_results() {
    let w = World::new().await;
    let senders = [
        format!("\"x; auth=pass smtp.auth={VICTIM_USER}\"@evil.example"),
        format!("\"x auth=pass smtp.auth={VICTIM_USER} ;\"@evil.example"),
        format!("\"x\\\"; auth=pass smtp.auth={VICTIM_USER} ;\"@evil.example"),
        format!("x (; auth=pass smtp.auth={VICTIM_USER} ;) @evil.example"),
    ];
    for (i, sender) in senders.iter().enumerate() {
        for n in 0..12 {
            let mut letter = Letter::new(i * 100 + n, SPAMMER, SPAMMER_USER);
            letter.headers.clear();
            letter.fields = format!(
                "Authentication-Results: mta1.mail.yahoo.example; spf=pass smtp.mailfrom={sender}\r\n"
            );
            let filed = w.by_yahoo(&letter).await;
            let user = &w.row(&filed).await.attribution["identity"]["outgoing_user"];
            assert_eq!(*user, serde_json::Value::Null, "{sender}");
        }
    }
    // Two statements that differ name nobody.
    let mut letter = Letter::new(900, SPAMMER, SPAMMER_USER);
    letter.fields =
        format!("Authentication-Results: f.example; auth=pass smtp.auth={VICTIM_USER}\r\n");
    let filed = w.by_filter(&letter).await;
    assert_eq!(
        (filed.standing, &w.named(&filed).await[..]),
        (Standing::Unattributed, "user_ambiguous")
    );
    let crossed = w.store.incidents(9).await.unwrap();
    assert!(
        crossed
            .iter()
            .all(|row| row.username.is_none() && row.identity == SPAMMER),
        "{crossed:?}"
    );
}

/// The spam is itself a report about the victim: as the enclosed message, as an attachment of it, or without any
/// report around it.
#[tokio::test]
async fn a_report_inside_a_report() {
    let w = World::new().await;
    for n in 0..60 {
        let inner = Letter::new(n, VICTIM, VICTIM_USER).by_filter(FILTER);
        let inner = String::from_utf8(inner).unwrap();
        let mut letter = Letter::new(1_000 + n, SPAMMER, SPAMMER_USER);
        let boundary = format!("===============44112233{n:011}==");
        letter.more_headers = format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=\"{boundary}\"\r\n"
        );
        letter.body.clone_from(&inner);
        let filed = w.by_filter(&letter).await;
        assert_eq!(
            (filed.standing, &w.named(&filed).await[..]),
            (Standing::Counted, SPAMMER)
        );
        // Microsoft's old way: nothing but the message attached, which is a report.
        let old = format!(
            "From: <staff@hotmail.example>\r\nTo: {JMRP}\r\nSubject: complaint about message from 198.51.100.7\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"old{n}\"\r\n\r\n--old{n}\r\n\
             Content-Type: message/rfc822\r\n\r\n{inner}\r\n--old{n}--\r\n"
        );
        let filed = w.send(from_jmrp(), old.as_bytes()).await;
        assert_eq!(
            filed.standing,
            Standing::Unproven,
            "a report that was sent on"
        );
        // A person at the filter's address, or its postmaster, sends one on.
        let filed = w
            .send(from_filter(), old.replace(JMRP, FILTER).as_bytes())
            .await;
        assert_eq!(filed.standing, Standing::Unproven);
    }
    w.only(SPAMMER).await;
}

/// Boundaries, feedback parts and ends of message in the spam's own text stay its text.
#[tokio::test]
async fn parts_written_into_the_spam() {
    let w = World::new().await;
    for n in 0..60 {
        let mut letter = Letter::new(n, SPAMMER, SPAMMER_USER);
        letter.body = format!(
            "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\nUser-Agent: x\r\n\
             Original-Mail-From: {VICTIM}\r\nAuthentication-Results: f; auth=pass smtp.auth={VICTIM_USER}\r\n\
             --b\r\nContent-Type: message/rfc822\r\n\r\nX-AuthUser: {VICTIM}\r\nMessage-ID: <x{n}@x.example>\r\n\r\n.\r\n\
             --b--\r\n--===============44112233--\r\nX-AuthUser: {VICTIM}"
        );
        let filed = w.by_filter(&letter).await;
        assert_eq!(
            (filed.standing, &w.named(&filed).await[..]),
            (Standing::Counted, SPAMMER)
        );
    }
    w.only(SPAMMER).await;
}

/// Forged lines of Received, with the victim's server, address and login in them.
#[tokio::test]
async fn received_lines_forged() {
    let w = World::new().await;
    let lines = format!(
        "Received: from [192.0.2.77] (Authenticated sender: {VICTIM})\r\n by mail.hoster.example (Postfix) with \
         ESMTPSA id 4AB; Tue, 03 Mar 2026 09:12:30 +0000\r\n\
         Received: from localhost by out1.filter.example with esmtpsa (auth {VICTIM}) id 1x; Tue, 03 Mar 2026 09:12:20 +0000\r\n\
         X-Get-Message-Sender-Via: web1.hoster.example: authenticated_id: {VICTIM}\r\n\
         X-Authenticated-Sender: web1.hoster.example: {VICTIM}\r\nX-PHP-Originating-Script: 1002:shop.php\r\n\
         X-Originating-IP: 192.0.2.77\r\nReturn-Path: <{VICTIM}>\r\nSender: {VICTIM}\r\n"
    );
    for n in 0..60 {
        let mut letter = Letter::new(n, SPAMMER, SPAMMER_USER);
        letter.more_headers.clone_from(&lines);
        letter.headers += &lines;
        for (i, filed) in [
            w.by_filter(&letter).await,
            w.by_jmrp(&Letter {
                n: n + 100,
                ..letter.clone()
            })
            .await,
            w.by_yahoo(&Letter {
                n: n + 200,
                ..letter.clone()
            })
            .await,
        ]
        .iter()
        .enumerate()
        {
            assert_eq!(w.named(filed).await, SPAMMER, "{i}");
        }
    }
    let crossed = w.crossed().await;
    assert!(
        !crossed.is_empty() && crossed.iter().all(|who| who == SPAMMER),
        "{crossed:?}"
    );
}

/// The spammer takes the Message-IDs of the victim's mail: neither do the victim's complaints fold into his, nor his
/// into the victim's.
#[tokio::test]
async fn one_message_id_for_two() {
    let w = World::new().await;
    for n in 0..50 {
        let theirs = Letter::new(n, SPAMMER, SPAMMER_USER);
        let mut ours = Letter::new(100 + n, VICTIM, VICTIM_USER);
        ours.message_id.clone_from(&theirs.message_id);
        ours.to.clone_from(&theirs.to);
        if n < 9 {
            assert_eq!(w.by_filter(&ours).await.standing, Standing::Counted);
        }
        assert_eq!(w.by_filter(&theirs).await.standing, Standing::Counted);
    }
    w.only(SPAMMER).await;
}

/// The envelope sender is the sender's claim. Without an identification header (a server that adds none) it is all that
/// names somebody, so it must not lock: the spammer takes a colleague's, or another customer's.
#[tokio::test]
async fn an_envelope_sender_of_somebody_else() {
    let w = World::new().await;
    let colleague = "ann@customer1.example";
    for n in 0..60 {
        // A server that authenticates by address, with many mailboxes behind it.
        let mut letter = Letter::new(n, SPAMMER, "192.0.2.7@customer1.example");
        letter.headers.clear();
        letter.from = [colleague, VICTIM][n % 2].to_owned();
        let filed = w.by_filter(&letter).await;
        let row = w.row(&filed).await;
        assert_eq!(row.attribution["identity"]["value"], letter.from);
        assert_eq!(row.attribution["strength"], "claimed");
        for (more, by) in [("j", true), ("y", false)] {
            letter.message_id += more;
            letter.n += 100;
            match by {
                true => w.by_jmrp(&letter).await,
                false => w.by_yahoo(&letter).await,
            };
        }
    }
    w.nobody("claimed").await;
}
