//! Proof with the help of DNS, from the message to the count: signed reports, forged ones, trouble with DNS and
//! what becomes of it later, with a crash at every step. DNS is a server on a loopback port.

mod world;

use super::{Place, on_both};
use crate::support::filings::policy;
use crate::support::signed::{COVERED, Signer, written_to};
use arfd::clock::Clock;
use arfd::domain::feed::{Feed, Proof};
use arfd::domain::standing::Standing;
use arfd::intake::reprove::{Reprover, Step};

pub(super) use world::{FBL, SIGNS, cut, loop_feed, node};
use world::{World, world};

on_both!(
    a_signed_report_counts,
    what_is_signed_badly_does_not_count,
    trouble_is_not_the_end,
    it_counts_once_whatever_comes_twice,
    a_late_proof_crosses_as_if_in_time,
    what_stays_unproven_is_given_up,
    a_crash_at_any_step_loses_nothing,
    two_nodes_judge_once,
    cfbl_asks_for_a_signature,
    spf_proves_the_client,
);

async fn a_signed_report_counts(place: Place) {
    let w = world(&place, vec![loop_feed()], policy(9, &["f"])).await;
    let message = w.signed(1);
    let filed = w.send(&message).await;
    assert_eq!(filed.standing, Standing::Counted);
    let proof = w.proof(&filed).await;
    assert_eq!(proof["outcome"], "proven");
    let dkim = &proof["checks"]["dkim"][0];
    assert_eq!(
        (&dkim["domain"], &dkim["selector"], &dkim["result"]),
        (&SIGNS.into(), &"s1".into(), &"pass".into())
    );
    assert!(w.send(&message).await.repeated);
    assert_eq!(w.reprover.step().await.unwrap(), Step::Idle(None));
}

async fn what_is_signed_badly_does_not_count(place: Place) {
    let w = world(&place, vec![loop_feed()], policy(9, &["f"])).await;
    let plain = written_to(FBL, 1, 1);
    let other = written_to("somebody@else.example", 1, 1);
    let stranger = Signer::new("stranger.example");
    stranger.publish(&w.dns);
    let text = |message: &[u8]| String::from_utf8(message.to_vec()).unwrap();
    let good = text(&w.signed(1));
    let misuse: [(&str, Vec<u8>); 8] = [
        ("not signed", plain.clone()),
        ("another's", stranger.sign(&plain, &COVERED, false)),
        (
            "From not signed",
            w.signer.sign(&plain, &["To", "Cc", "Date"], false),
        ),
        ("part of the body", w.signer.sign(&plain, &COVERED, true)),
        (
            "To not signed",
            w.signer.sign(&plain, &["From", "Date"], false),
        ),
        ("to somebody else", w.signer.sign(&other, &COVERED, false)),
        (
            "another From",
            good.replacen("From: admin@", "From: x@b.example\r\nFrom: admin@", 1)
                .into(),
        ),
        (
            "many signatures",
            ("DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=From; bh=aGFzaA==; b=c2ln\r\n"
                .repeat(200) + &text(&plain))
                .into(),
        ),
    ];
    for (what, message) in &misuse {
        let filed = w.send(message).await;
        assert_eq!(filed.standing, Standing::Unproven, "{what}");
    }
    assert_eq!(w.dns.asked(), 0, "none of these is worth a look-up");
    let wrong = [
        ("body", good.replace("buy number", "buy member")),
        ("key", good.replacen("s=s1", "s=s2", 1)),
        ("From", good.replacen("From: admin@", "From: root@", 1)),
    ];
    for (what, message) in &wrong {
        let filed = w.send(message.as_bytes()).await;
        assert_eq!(filed.standing, Standing::Unproven, "{what}");
        assert_eq!(
            w.proof(&filed).await["checks"]["dkim"][0]["result"],
            "fail",
            "{what}"
        );
    }
    w.pass(49 * 3600);
    assert_eq!(
        w.send(good.as_bytes()).await.standing,
        Standing::Unproven,
        "replayed"
    );
    assert_eq!(
        w.reprover.step().await.unwrap(),
        Step::Idle(None),
        "nothing waits"
    );
}

async fn trouble_is_not_the_end(place: Place) {
    let w = world(&place, vec![loop_feed()], policy(9, &["f"])).await;
    w.dns.trouble(true);
    let message = w.signed(1);
    let filed = w.send(&message).await;
    assert_eq!((filed.standing, filed.repeated), (Standing::Pending, false));
    assert_eq!(w.proof(&filed).await["outcome"], "pending");
    assert!(w.send(&message).await.repeated);
    assert_eq!(w.store.unproven_due().await.unwrap().1, 1);
    assert_eq!(w.reprover.step().await.unwrap(), Step::Later(filed.id));
    assert!(
        matches!(w.reprover.step().await.unwrap(), Step::Idle(Some(_))),
        "not before its time"
    );
    w.dns.trouble(false);
    w.pass(60);
    assert_eq!(
        w.reprover.step().await.unwrap(),
        Step::Judged(filed.id, Standing::Counted)
    );
    let proof = w.proof(&filed).await;
    assert_eq!(
        (&proof["outcome"], &proof["tries"]),
        (&"proven".into(), &3.into())
    );
    assert_eq!(w.reprover.step().await.unwrap(), Step::Idle(None));
    assert_eq!(w.store.evidence(filed.id).await.unwrap().unwrap(), message);
    // The bad ones come to their end too.
    w.dns.trouble(true);
    let forged = String::from_utf8(w.signed(2))
        .unwrap()
        .replace("s=s1", "s=s9");
    let forged = w.send(forged.as_bytes()).await;
    assert_eq!(forged.standing, Standing::Pending);
    w.dns.trouble(false);
    assert_eq!(
        w.reprover.step().await.unwrap(),
        Step::Judged(forged.id, Standing::Unproven)
    );
}

async fn it_counts_once_whatever_comes_twice(place: Place) {
    let w = world(&place, vec![loop_feed()], policy(2, &["f"])).await;
    let message = w.signed(1);
    w.dns.trouble(true);
    let first = w.send(&message).await;
    let elsewhere = w.send_from("192.0.2.99", &message).await;
    assert_ne!(
        first.id, elsewhere.id,
        "another client's copy stands in nobody's way"
    );
    w.dns.trouble(false);
    let proven = w.send(&message).await;
    assert_eq!(
        (proven.standing, proven.repeated),
        (Standing::Counted, false)
    );
    w.settle(61).await;
    assert_eq!(w.standings("counted").await, 1);
    assert_eq!(w.standings("duplicate").await, 2);
    assert!(w.store.incidents(9).await.unwrap().is_empty());
    let again = w.send(&message).await;
    assert!(again.repeated);
    assert!(w.send(&w.signed(2)).await.opened.is_some());
}

async fn a_late_proof_crosses_as_if_in_time(place: Place) {
    let w = world(&place, vec![loop_feed()], policy(3, &["f"])).await;
    let received = w.clock.now();
    w.dns.trouble(true);
    let late = w.send(&w.signed(1)).await;
    w.dns.trouble(false);
    w.pass(1800);
    w.send(&w.signed(2)).await;
    let last = w.clock.now();
    assert!(
        w.send(&w.signed(3)).await.opened.is_none(),
        "two count so far"
    );
    // A day later, and with more that belongs to no common window.
    w.pass(86_400);
    w.send(&w.signed(4)).await;
    w.send(&w.signed(5)).await;
    assert_eq!(
        w.reprover.step().await.unwrap(),
        Step::Judged(late.id, Standing::Counted)
    );
    let incident = w.store.incidents(9).await.unwrap().remove(0);
    assert_eq!(
        incident.opened_at.as_second(),
        w.clock.now().as_second(),
        "decided now"
    );
    let why = &incident.explanation;
    assert_eq!(why["trigger"], late.id.to_string());
    assert_eq!(why["crossing"]["tally"]["weight"], 3);
    let until: jiff::Timestamp = why["crossing"]["until"].as_str().unwrap().parse().unwrap();
    assert_eq!(until.as_second(), last.as_second());
    assert!(until > received);
    let orders = w.store.orders(9).await.unwrap();
    assert_eq!(orders.len(), 1);
    assert_eq!(
        orders[0].order.ordered_at.as_second(),
        w.clock.now().as_second()
    );
}

async fn what_stays_unproven_is_given_up(place: Place) {
    let w = world(&place, vec![loop_feed()], policy(1, &["f"])).await;
    w.dns.trouble(true);
    let filed = w.send(&w.signed(1)).await;
    w.settle(3600).await;
    assert_eq!(w.standings("unproven").await, 1);
    assert_eq!(w.proof(&filed).await["outcome"], "not_proven");
    assert!(w.store.incidents(9).await.unwrap().is_empty());
    let given_up = w
        .reprover
        .metrics
        .unproven_tries
        .with_label_values(&["given_up"]);
    assert_eq!(given_up.get(), 1);
}

async fn a_crash_at_any_step_loses_nothing(place: Place) {
    let w = world(&place, vec![loop_feed()], policy(1_000, &["f"])).await;
    let mut cuts = 0;
    let mut sent = 0;
    for polls in 1.. {
        w.dns.trouble(true);
        let filed = w.send(&w.signed(sent)).await;
        assert_eq!(filed.standing, Standing::Pending);
        sent += 1;
        w.dns.trouble(false);
        let whole = cut(w.reprover.step(), polls).await;
        cuts += usize::from(whole.is_none());
        // Whoever held it is gone; its lease runs out.
        w.settle(61).await;
        assert_eq!(w.standings("counted").await, sent, "after {polls} polls");
        if whole.is_some() {
            break;
        }
    }
    // How many polls one step takes depends on how busy the machine is.
    assert!(cuts > 1, "{cuts}");
    let rows = w.store.unproven_due().await.unwrap();
    assert_eq!(rows, (None, 0));
    // Each counts once: the sum is as many as there are.
    let mut exact = policy(sent as u64 + 1, &["f"]);
    exact.rules[0].window_seconds = 30 * 86_400;
    let (intake, _) = node(&w.dns, &w.clock, &w.store, vec![loop_feed()], exact);
    let w = World { intake, ..w };
    assert!(w.send(&w.signed(sent)).await.opened.is_some());
    let incident = w.store.incidents(9).await.unwrap().remove(0);
    assert_eq!(
        incident.explanation["crossing"]["tally"]["weight"],
        sent + 1
    );
}

async fn two_nodes_judge_once(place: Place) {
    let w = world(&place, vec![loop_feed()], policy(10, &["f"])).await;
    let store = place.open().await;
    let (_, other) = node(
        &w.dns,
        &w.clock,
        &store,
        vec![loop_feed()],
        policy(10, &["f"]),
    );
    w.dns.trouble(true);
    for n in 0..10 {
        assert_eq!(w.send(&w.signed(n)).await.standing, Standing::Pending);
    }
    w.dns.trouble(false);
    let work = |node: Reprover| async move {
        let mut judged = 0;
        loop {
            match node.step().await.unwrap() {
                Step::Judged(_, Standing::Counted) => judged += 1,
                Step::Idle(None) => return judged,
                Step::Idle(Some(_)) => tokio::task::yield_now().await,
                step => panic!("{step:?}"),
            }
        }
    };
    let judged = tokio::join!(work(w.reprover), work(other));
    assert_eq!(judged.0 + judged.1, 10);
    assert_eq!(w.store.incidents(9).await.unwrap().len(), 1);
    assert_eq!(w.store.orders(9).await.unwrap().len(), 1);
}

async fn cfbl_asks_for_a_signature(place: Place) {
    let alias = Feed {
        name: "cfbl".into(),
        proof: Proof::Recipient(vec![FBL.into()]),
        ..Feed::default()
    };
    let w = world(&place, vec![alias.clone()], policy(9, &["f"])).await;
    let report = |n: usize| {
        let text = String::from_utf8(written_to(FBL, n, 1)).unwrap();
        let header = format!("CFBL-Address: {FBL}; report=arf\r\nX-AuthUser:");
        text.replacen("X-AuthUser:", &header, 1).into_bytes()
    };
    let unsigned = w.send(&report(1)).await;
    assert_eq!(unsigned.standing, Standing::Unproven);
    let proof = w.proof(&unsigned).await;
    assert!(
        proof["reason"].as_str().unwrap().contains("RFC 9477"),
        "{proof}"
    );
    assert_eq!(w.dns.asked(), 0);
    let forged = Signer::new(SIGNS).sign(&report(2), &COVERED, false);
    assert_eq!(w.send(&forged).await.standing, Standing::Unproven);
    let signed = w.signer.sign(&report(3), &COVERED, false);
    assert_eq!(w.send(&signed).await.standing, Standing::Counted);
    w.dns.trouble(true);
    let signed = w.signer.sign(&report(4), &COVERED, false);
    let filed = w.send(&signed).await;
    assert_eq!(filed.standing, Standing::Pending);
    w.dns.trouble(false);
    assert_eq!(
        w.reprover.step().await.unwrap(),
        Step::Judged(filed.id, Standing::Counted)
    );
    let lax = Feed {
        cfbl_unsigned: true,
        ..alias
    };
    let (intake, _) = node(&w.dns, &w.clock, &w.store, vec![lax], policy(9, &["f"]));
    let w = World { intake, ..w };
    assert_eq!(w.send(&report(5)).await.standing, Standing::Counted);
}

async fn spf_proves_the_client(place: Place) {
    let feed = Feed {
        name: "spf".into(),
        proof: Proof::Spf(vec![SIGNS.into()]),
        ..Feed::default()
    };
    let w = world(&place, vec![feed], policy(9, &["f"])).await;
    w.dns.text(SIGNS, "v=spf1 ip4:192.0.2.0/28 -all");
    let message = written_to(FBL, 1, 1);
    let good = w.send(&message).await;
    assert_eq!(good.standing, Standing::Counted);
    let spf = &w.proof(&good).await["checks"]["spf"][0];
    assert_eq!(
        (&spf["domain"], &spf["result"]),
        (&SIGNS.into(), &"pass".into())
    );
    let bad = w.send_from("198.51.100.1", &written_to(FBL, 2, 1)).await;
    assert_eq!(bad.standing, Standing::Unproven);
    w.dns.trouble(true);
    let pending = w.send(&written_to(FBL, 3, 1)).await;
    assert_eq!(pending.standing, Standing::Pending);
    w.dns.trouble(false);
    assert_eq!(
        w.reprover.step().await.unwrap(),
        Step::Judged(pending.id, Standing::Counted)
    );
}
