//! What an attacker would try, against the shipped rules and a realistic configuration: forged reports, replays, floods,
//! headers that frame somebody. None of it locks anybody who did not send spam, and each report says why it did not
//! count. The same world locks a real spammer, or none of this would prove anything.

mod floods;
mod forged;
mod framing;
mod replays;
mod smtp;
mod world;

use arfd::config::Settings;
use arfd::domain::standing::Standing;
use world::{FILTER, SPAMMER, SPAMMER_USER, World, count, from_filter, letters};

#[tokio::test]
async fn a_real_spammer_is_locked() {
    let w = World::new().await;
    let spam = letters(0, 50, SPAMMER, SPAMMER_USER);
    let reports: Vec<_> = spam.iter().map(|l| l.by_filter(FILTER)).collect();
    let filed = w.send_all(&from_filter(), &reports).await;
    assert_eq!(count(&filed, Standing::Counted), 50);
    assert!(filed[48].opened.is_none());
    let opened = filed[49].opened.as_ref().unwrap();
    assert_eq!((&opened.rule[..], opened.ordered), ("burst", true));
    w.only(SPAMMER).await;
}

#[tokio::test]
async fn two_feeds_lock_with_few_complaints() {
    let w = World::new().await;
    let spam = letters(0, 9, SPAMMER, SPAMMER_USER);
    assert!(w.by_filter(&spam[0]).await.opened.is_none());
    for letter in &spam[1..8] {
        assert!(w.by_jmrp(letter).await.opened.is_none(), "at most 71 of 80");
    }
    let opened = w.by_jmrp(&spam[8]).await.opened.unwrap();
    assert_eq!((&opened.rule[..], opened.ordered), ("complaints", true));
}

#[tokio::test]
async fn who_sends_little_for_long_is_locked() {
    let w = World::new().await;
    let spam = letters(0, 60, SPAMMER, SPAMMER_USER);
    for letter in &spam[..59] {
        assert!(w.by_filter(letter).await.opened.is_none());
        w.pass(2 * 3_600);
    }
    let opened = w.by_filter(&spam[59]).await.opened.unwrap();
    assert_eq!((&opened.rule[..], opened.ordered), ("steady", true));
}

/// Every shipped rule needs two feeds, or so many distinct messages of so many complainants that neither one message
/// nor one person can cross it, whatever a feed weighs. That feeds are proven holds for all: nothing else counts.
#[test]
fn no_shipped_rule_rests_on_one_message_or_one_person() {
    let mut rules = Settings::default().rules;
    // A notice locks nobody.
    rules.retain(|rule| rule.action.orders());
    assert!(!rules.is_empty());
    for rule in rules {
        assert!(
            rule.min_feeds >= 2 || rule.min_messages >= 10,
            "{}: two feeds, or ten distinct messages",
            rule.name
        );
        assert!(
            rule.min_messages >= 3 && rule.min_complainants >= 3,
            "{}: neither one message nor one person",
            rule.name
        );
    }
}
