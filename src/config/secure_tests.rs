//! TLS and logins in the configuration: what is refused, and in which words.

use super::tests::{refused, with};
use super::*;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";

#[test]
fn what_makes_no_sense_is_refused() {
    let tls = "[smtp.tls]\ncertificate_file = \"/no/such\"\nkey_file = \"/no/such\"\n";
    let user = |name: &str, hash: &str| {
        format!("{tls}[[smtp.users]]\nname = \"{name}\"\npassword_hash = \"{hash}\"\n")
    };
    let twice = format!("{}{}", user("a", HASH), &user("a", HASH)[tls.len()..]);
    for (text, said) in [
        (
            "[smtp.tls]\ncertificate_file = \"/x\"\n".to_owned(),
            ":1: smtp.tls.key_file: is needed beside certificate_file",
        ),
        (
            "[smtp.tls]\nkey_file = \"/x\"\n".to_owned(),
            ":2: smtp.tls.key_file: has no use without",
        ),
        (
            "[smtp.tls]\nask_clients = true\n".to_owned(),
            ":2: smtp.tls.ask_clients: has no use without",
        ),
        (
            "[smtp.tls]\nreload_interval = \"0s\"\n".to_owned(),
            "smtp.tls.reload_interval: must be at least 1s",
        ),
        (
            "[smtp.auth]\nconcurrency = 0\n".to_owned(),
            "smtp.auth.concurrency: must not be 0",
        ),
        (
            "[smtp.auth]\nfailure_delay = \"1h\"\n".to_owned(),
            "smtp.auth.failure_delay: must be less than 30s",
        ),
        (
            "[[feeds]]\nname = \"a\"\nnetworks = [\"192.0.2.0/24\"]\ntls = true\n".to_owned(),
            ":4: feeds[0].tls: cannot be had without smtp.tls.certificate_file",
        ),
        (
            user("a", HASH)[tls.len()..].to_owned(),
            "smtp.users: can log in under TLS only",
        ),
        (
            tls.to_owned(),
            "smtp.tls.certificate_file: /no/such: No such file",
        ),
        (
            user("a", "hush"),
            "smtp.users[0].password_hash: is not an argon2id hash",
        ),
        (
            user("a", "$2b$12$hush"),
            "smtp.users[0].password_hash: is not an argon2id hash",
        ),
        (
            user("a", ""),
            "smtp.users[0].password_hash: is needed (or password_hash_file)",
        ),
        (
            user("", HASH),
            "smtp.users[0].name: must have 1 to 255 octets",
        ),
        (twice, "smtp.users[1].name: 'a' is used twice"),
        (
            format!("{}password_hash_file = \"/no/such\"\n", user("a", HASH)),
            "smtp.users.password_hash_file: /no/such: No such file",
        ),
    ] {
        let got = refused(&text, &[]);
        assert!(got.contains(said), "{text}\n{got}");
        assert!(
            !got.contains("hush") && !got.contains("c2FsdHNhbHQ"),
            "{got}"
        );
    }
    let got = refused("", &[("ARFD_SMTP__USERS", "x")]);
    assert!(
        got.contains("smtp.users cannot come from the environment"),
        "{got}"
    );
}

#[test]
fn hashes_are_masked() {
    let made = rcgen::generate_simple_self_signed(["mx.test".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let text = format!(
        "[smtp.tls]\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n\
         [[smtp.users]]\nname = \"a\"\npassword_hash = \"{HASH}\"\n\
         [[smtp.users]]\nname = \"b\"\npassword_hash_file = \"{}\"\n",
        write("certificate.pem", &made.cert.pem()),
        write("key.pem", &made.signing_key.serialize_pem()),
        write("hash", &format!("{HASH}\n")),
    );
    let settings = with(&text, &[]).unwrap();
    assert_eq!(settings.smtp.users[1].password_hash.expose(), HASH);
    for shown in [settings.to_toml().unwrap(), format!("{settings:?}")] {
        assert!(
            !shown.contains("argon2id") && shown.contains(MASK),
            "{shown}"
        );
    }
}

#[test]
fn a_shared_recipient_does_not_demand_tls() {
    let feed = |name: &str, tls, recipients: &[&str]| Feed {
        name: name.into(),
        recipients: recipients.iter().map(|r| (*r).into()).collect(),
        tls,
        ..Feed::default()
    };
    let settings = Settings {
        feeds: vec![
            feed("a", true, &["Only@x.example", "both@x.example"]),
            feed("b", false, &["BOTH@x.example", "plain@x.example"]),
        ],
        ..Settings::default()
    };
    let demanding: Vec<String> = settings.to_tls_recipients().into_iter().collect();
    assert_eq!(demanding, ["only@x.example"]);
}
