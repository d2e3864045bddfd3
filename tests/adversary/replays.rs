//! Real reports, sent again: the same bytes, in another envelope, with what is not signed changed, days later, after
//! the incident was closed.

use super::world::*;
use crate::support::letters::Letter;
use crate::support::signed::COVERED;
use arfd::clock::Clock;
use arfd::domain::standing::Standing;

#[tokio::test]
async fn the_same_report_a_thousand_times() {
    let w = World::new().await;
    let report = Letter::new(1, VICTIM, VICTIM_USER).by_filter(FILTER);
    let filed = w
        .send_all(&from_filter(), &vec![report.clone(); 1_000])
        .await;
    assert_eq!(filed[0].standing, Standing::Counted);
    assert!(!filed[0].repeated);
    assert!(filed[1..].iter().all(|one| one.repeated));
    // In other envelopes.
    for envelope in [
        arrival("198.51.100.3", "else.example", "x@y.example", &[FILTER]),
        arrival(FILTER_IP, "out1.filter.example", "", &[ABUSE, FILTER]),
    ] {
        assert!(w.send(envelope, &report).await.repeated);
    }
    // A stranger's copy is one of his own, and does not stand in the real one's way.
    let copy = w
        .send(arrival(ANYBODY_IP, "x", "", &[FILTER]), &report)
        .await;
    assert_eq!((copy.standing, copy.repeated), (Standing::Unproven, false));
    assert!(w.send(from_filter(), &report).await.repeated);
    w.nobody("replayed").await;
}

/// Outer headers, boundaries and envelope ids that differ make no new complaint of an old one.
#[tokio::test]
async fn the_same_complaint_in_other_bytes() {
    let w = World::new().await;
    let mut standings = Vec::new();
    for n in 0..1_000 {
        let mut letter = Letter::new(n, VICTIM, VICTIM_USER);
        letter.message_id = "M1@customer2.example".into();
        letter.to = "kim@elsewhere.example".into();
        standings.push(w.judged(from_filter(), &letter.by_filter(FILTER)).await);
    }
    let filed = w.file(&standings).await;
    assert_eq!(count(&filed, Standing::Counted), 1);
    assert_eq!(count(&filed, Standing::Duplicate), 999);
    w.nobody("duplicates").await;
}

#[tokio::test]
async fn a_signed_report_again_and_late() {
    let w = World::new().await;
    let signed: Vec<_> = letters(0, 20, VICTIM, VICTIM_USER)
        .iter()
        .map(|l| w.signed(l))
        .collect();
    // Nine are real: one less than any rule needs.
    let real = w.send_all(&from_yahoo(), &signed[..9]).await;
    assert_eq!(count(&real, Standing::Counted), 9);
    let marked = |message: &[u8], mark: &str| [mark.as_bytes(), message].concat();
    for (n, message) in signed[..9].iter().enumerate() {
        // What is not signed may be changed; it stays the same complaint.
        let again = marked(
            message,
            &format!("X-Note: {n}\r\nReceived: from evil.example\r\n"),
        );
        let filed = w
            .send(
                arrival(ANYBODY_IP, "evil.example", "e@evil.example", &[YAHOO]),
                &again,
            )
            .await;
        assert_eq!(filed.standing, Standing::Duplicate);
    }
    // The others were held back for six days.
    w.pass(6 * 86_400);
    let late = w.send_all(&from_yahoo(), &signed[9..]).await;
    assert_eq!(
        count(&late, Standing::Unproven),
        late.len(),
        "signatures of six days ago"
    );
    for (n, message) in signed[..9].iter().enumerate() {
        let again = marked(message, &format!("X-Late: {n}\r\n"));
        assert_eq!(
            w.send(from_yahoo(), &again).await.standing,
            Standing::Unproven
        );
    }
    w.nobody("late").await;
}

/// Another Content-Type makes another message of a body that is signed; the real Yahoo does not sign it. Whatever is
/// then read, the enclosed message is the same complaint.
#[tokio::test]
async fn a_signed_body_under_another_content_type() {
    let w = World::new().await;
    for n in 0..60 {
        let mut letter = Letter::new(n, SPAMMER, SPAMMER_USER);
        // The spammer's text is a report about the victim, for a reader that takes his boundary.
        letter.body =
            String::from_utf8(Letter::new(n, VICTIM, VICTIM_USER).by_filter(YAHOO)).unwrap();
        let report = w.yahoo.sign(&letter.by_yahoo(YAHOO), &COVERED, false);
        let boundary = format!("===============44112233{n:011}==");
        let other = format!(
            "Content-Type: multipart/report; report-type=feedback-report; boundary=\"{boundary}\"\r\n"
        );
        let put_before = [other.as_bytes(), &report].concat();
        let filed = w.send(from_yahoo(), &put_before).await;
        let row = w.row(&filed).await;
        assert!(
            row.standing == "unproven" || row.attribution["identity"]["value"] == SPAMMER,
            "{row:?}"
        );
    }
    assert!(!w.crossed().await.contains(&VICTIM.to_owned()));
}

#[tokio::test]
async fn old_reports_after_the_incident_was_closed() {
    let w = World::new().await;
    let spam = letters(0, 50, SPAMMER, SPAMMER_USER);
    let reports: Vec<_> = spam.iter().map(|l| l.by_filter(FILTER)).collect();
    w.send_all(&from_filter(), &reports).await;
    w.only(SPAMMER).await;
    let incident = w.store.incidents(1).await.unwrap().remove(0);
    let closed = w
        .store
        .close_incident(incident.id, "desk", "cleaned", w.clock.now())
        .await;
    assert!(closed.unwrap());
    w.pass(60);
    let again = spam.iter().map(|l| {
        let text = String::from_utf8(l.by_filter(FILTER)).unwrap();
        format!("X-Again: yes\r\n{text}").into_bytes()
    });
    let again: Vec<_> = again.collect();
    for messages in [&reports, &again] {
        let filed = w.send_all(&from_filter(), messages).await;
        assert!(filed.iter().all(|one| one.opened.is_none()));
        assert!(
            filed
                .iter()
                .all(|one| one.repeated || one.standing == Standing::Duplicate)
        );
    }
    assert_eq!(w.crossed().await.len(), 1);
}
