//! `[[targets]]`: how they are read, what is refused, and where orders go by them.

use super::tests::{refused, with};
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::lock::{Action, Subject};
use std::io::Write;

const TWO: &str = "[lock]\ntarget = \"targets\"\n\
    [[targets]]\nname = \"filter\"\nkind = \"spamexperts\"\nfor = [\"domain:a.example\"]\n\
    spamexperts = { url = \"https://f.example/api\", login = \"u\", password = \"hunter2hunter2\", style = \"path\" }\n\
    [[targets]]\nname = \"hook\"\nkind = \"webhook\"\non = [\"hold\", \"lock\"]\nmax_per_minute = 30\n\
    webhook = { url = \"https://h.example/\", secret = \"hunter2hunter2hunter2\" }\n";

#[test]
fn orders_go_where_the_list_says() {
    let settings = with(TWO, &[]).unwrap();
    let routing = settings.to_policy().targets;
    let identity = |domain: &str| Identity {
        outgoing_user: OutgoingUser::new(domain, "u"),
        value: "bob".into(),
    };
    let to = |action, subject, domain| routing.targets(action, subject, &identity(domain));
    assert_eq!(
        to(Action::Lock, Subject::Identity, "a.example"),
        ["filter", "hook"]
    );
    assert_eq!(to(Action::Lock, Subject::Identity, "b.example"), ["hook"]);
    assert_eq!(to(Action::Hold, Subject::Identity, "a.example"), ["hook"]);
    assert_eq!(
        to(Action::Release, Subject::Identity, "a.example"),
        ["filter"]
    );
    assert_eq!(
        to(Action::Lock, Subject::OutgoingUser, "a.example"),
        ["hook"]
    );
    assert!(!settings.to_toml().unwrap().contains("hunter2"));
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn the_short_form_is_one_target_for_everybody() {
    let text = "[lock]\ntarget = \"spamexperts\"\n[lock.spamexperts]\nurl = \"https://f.example/\"\n\
                login = \"u\"\npassword = \"p\"\n";
    let settings = with(text, &[]).unwrap();
    let routing = settings.to_policy().targets;
    let anybody = Identity {
        outgoing_user: None,
        value: "bob".into(),
    };
    let to = |action| routing.targets(action, Subject::Identity, &anybody);
    assert_eq!(to(Action::Lock), ["spamexperts"]);
    assert_eq!(to(Action::Release), ["spamexperts"]);
    assert!(to(Action::Hold).is_empty());
}

#[test]
fn what_makes_no_sense_is_named() {
    let hook = "[[targets]]\nname = \"h\"\nkind = \"webhook\"\n";
    let url = "webhook = { url = \"https://h.example/\", secret = \"0123456789abcdef\" }\n";
    for (text, wanted) in [
        (
            "[lock]\ntarget = \"targets\"\n".to_owned(),
            "lock.target: is \"targets\"",
        ),
        (hook.to_owned(), "targets[0].webhook: is needed"),
        (
            format!("{hook}{url}spamexperts = {{}}\n"),
            "targets[0].spamexperts: does not belong",
        ),
        (
            format!("{hook}for = [\"a b\"]\n{url}"),
            "targets[0].for[0]: 'a b' is no pattern",
        ),
        (
            format!("{hook}concurrency = 0\n{url}"),
            "targets[0].concurrency: must not be 0",
        ),
        (
            format!("{hook}max_per_minute = 9999\n{url}"),
            "targets[0].max_per_minute: must be at most",
        ),
        (
            format!("{hook}{url}{hook}{url}"),
            "targets[1].name: 'h' is used twice",
        ),
        (
            format!("{hook}webhook = {{ url = \"h.example\" }}\n"),
            "targets[0].webhook.url: must be the URL",
        ),
        (
            format!("{hook}webhook = {{ url = \"https://h.example\" }}\n"),
            "targets[0].webhook.secret: is needed",
        ),
        (
            "[[targets]]\nname = \"f\"\nkind = \"spamexperts\"\non = [\"hold\"]\n\
             spamexperts = { url = \"https://f/\", login = \"u\", password = \"p\" }\n"
                .to_owned(),
            "targets[0].on: names nothing",
        ),
        (
            format!("[lock]\ntarget = \"targets\"\n[outbox]\nlease = \"40s\"\n{hook}{url}"),
            "outbox.lease: must be longer than two calls of targets[0].timeout",
        ),
        (
            format!("[lock]\ntarget = \"spamexperts\"\n{hook}{url}"),
            "so the [[targets]] would not be used",
        ),
        (
            "[lock.spamexperts.texts.unlock]\nsuccess = \"(\"\n".to_owned(),
            "lock.spamexperts.texts.unlock.success: is not a regular expression",
        ),
        (
            "[lock.spamexperts.texts.blacklist]\nparameters = { sender = \"x\" }\n".to_owned(),
            "lock.spamexperts.texts.blacklist.parameters: 'sender' is said by the order",
        ),
        (
            format!("{hook}{url}knid = 1\n"),
            "unknown key `knid`; did you mean `kind`?",
        ),
    ] {
        let said = refused(&text, &[]);
        assert!(said.contains(wanted), "missing {wanted:?} in:\n{said}");
    }
    let said = refused("", &[("ARFD_TARGETS__X", "y")]);
    assert!(said.contains("cannot come from the environment"), "{said}");
}

#[test]
fn secrets_of_the_list_come_from_files() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "0123456789abcdef").unwrap();
    let hook = |more: &str| {
        format!(
            "[[targets]]\nname = \"h\"\nkind = \"webhook\"\n[targets.webhook]\nurl = \"https://h.example/\"\n\
             secret_file = \"{}\"\n{more}",
            file.path().display()
        )
    };
    let settings = with(&hook(""), &[]).unwrap();
    let section = settings.targets[0].webhook.as_ref().unwrap();
    assert_eq!(section.secret.expose(), "0123456789abcdef");
    let said = refused(&hook("secret = \"fedcba9876543210\"\n"), &[]);
    assert!(
        said.contains("targets[0].webhook.secret: give one of them"),
        "{said}"
    );
    assert!(!said.contains("fedcba"), "{said}");
}
