//! `arfd token` as a mail server's script runs it: what is made is good, what is altered or late is told, and the secret
//! shows nowhere.

use crate::support::daemon::{Place, arfd, said};
use serde_json::Value;
use std::process::Output;

const SECRET: &str = "f00dfeed-0123456789abcdef";

fn out(run: &Output) -> String {
    String::from_utf8(run.stdout.clone()).unwrap()
}

#[test]
fn made_and_checked() {
    let place = Place::sqlite();
    let secret = place.write("secret", format!("{SECRET}\n"));
    let file = place.write(
        "token.toml",
        format!("[identification.token]\nid = 7\nsecret_file = '{secret}'\n"),
    );
    let token = |arguments: &[&str], input: &str| {
        let all = [&["token"], arguments, &["-c", &file]].concat();
        let run = arfd(&all, input.as_bytes());
        assert!(!said(&run).contains(SECRET) && !out(&run).contains(SECRET));
        run
    };
    let made = token(&["make", "--identity", "Bob@Example.com"], "");
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let made = out(&made).trim().to_owned();

    let checked = token(&["check", &made.to_uppercase()], "");
    assert_eq!(checked.status.code(), Some(0));
    assert!(
        out(&checked).contains("good: identity bob@example.com; key 7; until 20"),
        "{}",
        out(&checked)
    );
    let header = format!("Return-Path: <b-{made}=x@example.net>\n");
    let checked = token(&["check", "--json"], &header);
    let said_of: Value = serde_json::from_str(&out(&checked)).unwrap();
    assert_eq!(said_of["claim"]["bearer"]["identity"][0], "bob@example.com");

    for (arguments, code, wanted) in [
        (
            vec!["check", "--at", "2099-01-01T00:00:00Z", made.as_str()],
            1,
            "bad (expired)",
        ),
        (vec!["check", &made[..20]], 1, "bad (malformed)"),
        (vec!["check", "no token here"], 1, "there is no token in it"),
        (
            vec!["make", "--identity", "a b"],
            1,
            "cannot be an identity",
        ),
        (
            vec!["make", "--identity", "a@b", "--days", "0"],
            1,
            "--days must be from 1",
        ),
        (
            vec!["make", "--identity", "a@b", "--key", "9"],
            1,
            "there is no such key",
        ),
        (vec!["make"], 2, "--identity"),
        (
            vec![
                "make",
                "--identity",
                "somebody-with-a-long-name@customer.example",
                "--address",
                "fbl@example.net",
            ],
            1,
            "take --reference",
        ),
    ] {
        let run = token(&arguments, "");
        let all = said(&run) + &out(&run);
        assert_eq!(run.status.code(), Some(code), "{arguments:?}: {all}");
        assert!(all.contains(wanted), "{arguments:?}: {all}");
    }
    let alias = token(
        &[
            "make",
            "--reference",
            "4711",
            "--address",
            "fbl@example.net",
        ],
        "",
    );
    let alias = out(&alias);
    assert!(
        alias.starts_with("fbl+arf1") && alias.ends_with("@example.net\n"),
        "{alias}"
    );
    assert!(out(&token(&["check", alias.trim()], "")).contains("good: reference 4711"));
}

#[test]
fn without_a_key_it_says_what_to_set() {
    let place = Place::sqlite();
    let file = place.write("none.toml", "");
    let run = arfd(&["token", "make", "--identity", "a@b", "-c", &file], b"");
    assert_eq!(run.status.code(), Some(1));
    assert!(
        said(&run).contains("identification.token.secret_file"),
        "{}",
        said(&run)
    );
    let file = place.write("short.toml", "[identification.token]\nsecret = \"short\"\n");
    let run = arfd(&["token", "make", "--identity", "a@b", "-c", &file], b"");
    assert_eq!(run.status.code(), Some(78));
    assert!(
        said(&run).contains("short.toml:2: identification.token.secret: must have 16 octets"),
        "{}",
        said(&run)
    );
}
