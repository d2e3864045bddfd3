//! Configuration: what the environment may say, and that it arrives as it was said.

use super::tests::{refused, with};
use super::*;
use std::os::unix::ffi::OsStringExt;

#[test]
fn strings_arrive_byte_for_byte() {
    for word in [
        "007", "1e5", "TRUE", "0x10", " a,b ", "[x", "#\"'\\", "1_000",
    ] {
        let settings = with("", &[("ARFD_LOCK__SPAMEXPERTS__PASSWORD", word)]).unwrap();
        assert_eq!(settings.lock.spamexperts.password.expose(), word);
        let settings = with("", &[("ARFD_LOCK__SPAMEXPERTS__LOGIN", word)]).unwrap();
        assert_eq!(settings.lock.spamexperts.login, word);
    }
    let settings = with(
        "",
        &[
            ("ARFD_SMTP__MAX_ERRORS", "7"),
            ("ARFD_SMTP__MAX_MESSAGE_SIZE", "1048576"),
            ("ARFD_LOCK__SPAMEXPERTS__LOCK_PARAMETERS__REASON", "007"),
        ],
    )
    .unwrap();
    assert_eq!(settings.smtp.max_errors, 7);
    assert_eq!(settings.smtp.max_message_size, Size(1 << 20));
    assert_eq!(settings.lock.spamexperts.lock_parameters["reason"], "007");
}

#[test]
fn lists_of_words_take_commas_and_patterns_do_not() {
    let settings = with(
        "",
        &[
            (
                "ARFD_IDENTIFICATION__METHODS",
                "envelope_sender, authenticating_user",
            ),
            (
                "ARFD_SMTP__RECIPIENTS",
                "[\"a@a.example\", \"b@a.example\"]",
            ),
            ("ARFD_LOCK__SPAMEXPERTS__REFUSALS", r"x{1,3}"),
            ("ARFD_LOCK__SPAMEXPERTS__REFUSED_STATUSES", "404,410"),
        ],
    )
    .unwrap();
    assert_eq!(settings.identification.methods.len(), 2);
    assert_eq!(settings.smtp.recipients, ["a@a.example", "b@a.example"]);
    assert_eq!(settings.lock.spamexperts.refusals, ["x{1,3}"]);
    assert_eq!(settings.lock.spamexperts.refused_statuses, [404, 410]);
    let settings = with(
        "",
        &[("ARFD_LOCK__SPAMEXPERTS__REFUSALS", "['a,b', \"c\"]")],
    )
    .unwrap();
    assert_eq!(settings.lock.spamexperts.refusals, ["a,b", "c"]);
    let said = refused("", &[("ARFD_LOCK__SPAMEXPERTS__REFUSALS", "[a-z]+")]);
    assert!(
        said.starts_with("ARFD_LOCK__SPAMEXPERTS__REFUSALS"),
        "{said}"
    );
}

#[test]
fn what_only_a_file_can_hold_is_said_with_the_variable() {
    for (name, list) in [
        ("ARFD_FEEDS__0__NAME", "feeds"),
        ("ARFD_RULES", "rules"),
        ("ARFD_IDENTIFICATION__HEADERS", "identification.headers"),
    ] {
        let wanted = format!("{name} (environment): {list} cannot come from the environment");
        let said = refused("", &[(name, "hunter2")]);
        assert!(
            said.starts_with(&wanted) && !said.contains("hunter2"),
            "{said}"
        );
    }
    for name in ["ARFD_SMTP____LISTEN", "ARFD_SMTP[0]", "ARFD_"] {
        let said = refused("", &[(name, "x")]);
        assert!(
            said.contains(name) && said.contains("not the name"),
            "{said}"
        );
    }
}

#[test]
fn errors_name_the_variable_and_no_value() {
    for (name, value, part) in [
        ("ARFD_SMTP__MAX_ERRORS", "hunter2", "expected"),
        (
            "ARFD_SMTP",
            "hunter2",
            "expected a section, which this string is not",
        ),
        (
            "ARFD_SMTP__LISTEN",
            "hunter2",
            "expected an address and port such as",
        ),
        ("ARFD_LOCK__SPAMEXPERTS__PASSWORD__X", "hunter2", "expected"),
        ("ARFD_SMTP__LISTN", "hunter2", "did you mean `listen`?"),
        (
            "ARFD_LOCK__TARGET",
            "spamexpert",
            "did you mean `spamexperts`?",
        ),
        (
            "ARFD_IDENTIFICATION__METHODS",
            "envelope_sendr",
            "did you mean `envelope_sender`?",
        ),
    ] {
        let said = refused("", &[(name, value), ("ARFD_HTTP__LISTEN", "127.0.0.1:1")]);
        assert!(
            said.starts_with(&format!("{name} (environment): ")),
            "{said}"
        );
        assert!(!said.contains("for key"), "{said}");
        assert!(said.contains(part) && !said.contains("hunter2"), "{said}");
    }
    // Senseless values, too.
    let said = refused("[smtp]\n", &[("ARFD_SMTP__HOSTNAME", "a b")]);
    assert!(
        said.starts_with("ARFD_SMTP__HOSTNAME (environment): smtp.hostname: "),
        "{said}"
    );
}

#[test]
fn what_is_not_utf8_is_refused_if_it_is_ours() {
    let wild = || OsString::from_vec(b"hunter2\xff".to_vec());
    let load = |name: OsString| load_with(None, [(name, wild())], Need::Everything);
    assert!(load("LS_COLORS".into()).is_ok());
    assert!(load(wild()).is_ok());
    let said = load("ARFD_SMTP__HOSTNAME".into()).unwrap_err().to_string();
    assert_eq!(said, "ARFD_SMTP__HOSTNAME (environment): is not UTF-8");
    let name = OsString::from_vec(b"ARFD_\xff".to_vec());
    assert!(load(name).unwrap_err().to_string().starts_with("ARFD_"));
}
