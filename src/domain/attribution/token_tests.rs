//! Tokens: what is made is read, what was altered, cut, outdated or made with another key is told apart.

use super::*;
use proptest::prelude::*;

const DAY: u16 = 20_000;

fn keys() -> Keys {
    Keys::new([(1, &[1u8; 32][..]), (7, &[7u8; 32])], Some(7))
}

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(day * 86_400 + 86_399).unwrap()
}

fn bob() -> Bearer {
    Bearer::Identity("bob@example.com".into(), None)
}

#[test]
fn made_and_read_in_any_case() {
    let user = OutgoingUser::parse("relay@example.com");
    for bearer in [
        bob(),
        Bearer::Identity("bob@example.com".into(), user),
        Bearer::Reference("customer 4711".into()),
    ] {
        let token = keys().make(&bearer, DAY, None).unwrap();
        for token in [token.clone(), token.to_uppercase()] {
            let claim = keys().check(&token, at(DAY.into())).unwrap();
            assert_eq!(
                (&claim.bearer, claim.key, claim.last_day),
                (&bearer, 7, DAY)
            );
        }
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
    let token = keys().make(&bob(), DAY, None).unwrap();
    assert_eq!(token.len(), 51, "{token}");
    assert!("fbl+".len() + token.len() <= LONGEST_LOCAL_PART);
}

#[test]
fn failures_are_told_apart() {
    let token = keys().make(&bob(), DAY, None).unwrap();
    let now = at(DAY.into());
    assert_eq!(
        keys().check(&token, at(i64::from(DAY) + 1)),
        Err(Failure::Expired)
    );
    let others = Keys::new([(1, &[1u8; 32][..])], Some(1));
    assert_eq!(others.check(&token, now), Err(Failure::UnknownKey));
    let stolen = Keys::new([(7, &[8u8; 32][..])], Some(7));
    assert_eq!(stolen.check(&token, now), Err(Failure::BadMac));
    for bad in [
        "",
        "arf1",
        "arf1aaaa",
        "xrf1aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "arf1!!!!",
        "é",
        &token[..10],
    ] {
        assert_eq!(keys().check(bad, now), Err(Failure::Malformed), "{bad}");
    }
    assert_eq!(
        keys().check(&format!("arf1{}", "a".repeat(5000)), now),
        Err(Failure::Malformed)
    );
    assert_eq!(keys().make(&bob(), DAY, Some(3)), Err(NotMade::NoKey));
    assert_eq!(Keys::default().make(&bob(), DAY, None), Err(NotMade::NoKey));
    for name in ["", "a\0b", &"x".repeat(LONGEST_NAME + 1)] {
        let bearer = Bearer::Identity(name.into(), None);
        assert_eq!(keys().make(&bearer, DAY, None), Err(NotMade::Name));
    }
}

#[test]
fn an_old_key_checks_while_it_is_kept() {
    let old = keys().make(&bob(), DAY, Some(1)).unwrap();
    assert_eq!(keys().check(&old, at(0)).unwrap().key, 1);
}

#[test]
fn found_where_they_stand() {
    let token = keys().make(&bob(), DAY, None).unwrap();
    for text in [
        format!("fbl+{token}@example.net"),
        format!("bounce-{token}=x.example@example.net"),
        format!("<{token}.12@host.example>"),
        format!("<20240101.{token}@host.example>"),
        token.to_uppercase(),
    ] {
        assert_eq!(
            candidates(&text).next().unwrap().to_lowercase(),
            token,
            "{text}"
        );
    }
    assert_eq!(candidates("<xarf1aaaa@h> no token").count(), 0);
    assert_eq!(candidates(&"arf1a ".repeat(100)).count(), MOST);
}

#[test]
fn secrets_do_not_show() {
    assert_eq!(
        format!("{:?}", keys()),
        "Keys { numbers: [1, 7], current: Some(7) }"
    );
}

proptest! {
    #[test]
    fn no_altered_token_is_good(name in "[a-z]{1,30}", place in 0usize..200, to in "[a-z2-7]") {
        let token = keys().make(&Bearer::Identity(name, None), DAY, None).unwrap();
        let place = MARK.len() + place % (token.len() - MARK.len());
        let mut altered = token.clone();
        altered.replace_range(place..=place, &to);
        let good = keys().check(&altered, at(0)).is_ok();
        prop_assert_eq!(good, altered == token);
    }

    #[test]
    fn nothing_makes_it_panic(text in "\\PC{0,80}", tail in "[a-zA-Z2-7]{0,80}") {
        let _ = keys().check(&text, at(0));
        let _ = keys().check(&format!("arf1{tail}"), at(0));
        let _ = candidates(&text).count();
    }
}
