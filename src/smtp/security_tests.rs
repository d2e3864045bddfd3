//! STARTTLS and AUTH as dialogues on the pure session: the handshake is taken to be done, and a password to be
//! tried, as soon as the session asks for it.

use super::*;
use crate::clock::ManualClock;
use crate::smtp::auth::{Credentials, Verdict};
use crate::smtp::door::TlsMode;
use crate::smtp::{AuthSettings, Door, Keys, PasswordHash, Tls, TlsFiles, User, Users};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use std::time::Duration;

/// What the client proved when the script's handshake is done.
pub fn under_tls() -> Security {
    Security {
        tls: true,
        ..Security::default()
    }
}

/// The script's verdict: by the password alone.
pub fn word_on(credentials: Credentials) -> Verdict {
    match credentials.password.expose_secret() {
        b"right" => Verdict::Granted(credentials.name),
        b"busy" => Verdict::Busy,
        b"throttled" => Verdict::Throttled,
        _ => Verdict::Denied,
    }
}

/// An edge with a certificate and a user.
fn secure_edge() -> Arc<Edge> {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["mx.test".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.path().join("certificate.pem"),
        key: folder.path().join("key.pem"),
        client_ca: None,
        ask_clients: false,
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let metrics = Arc::new(Metrics::new().unwrap());
    let tls = Tls::load(
        files,
        Duration::from_secs(1),
        clock.clone(),
        metrics.clone(),
    );
    let hash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
    let user = User {
        name: "filter".to_owned(),
        hash: PasswordHash::parse(hash).unwrap(),
    };
    let keys = Keys {
        tls: Some(tls.unwrap()),
        users: Users::new(vec![user], AuthSettings::default(), clock, metrics.clone()),
    };
    let settings = Settings {
        max_errors: 20,
        max_command_line: 200,
        ..small()
    };
    Edge::with_keys(Arc::new(Nowhere), settings, metrics, keys)
}

/// Plays at a door of this kind. `PLAIN(name password)` in a line stands for its Base64.
fn play_at(tls: TlsMode, auth: bool, script: &str) -> Played {
    let door = Door {
        tls,
        auth,
        ..Door::default()
    };
    let mut peer = peer("192.0.2.1");
    peer.door = Arc::new(door);
    peer.security.tls = tls == TlsMode::Implicit;
    let mut script = script.to_owned();
    while let Some((before, rest)) = script.split_once("PLAIN(") {
        let (message, after) = rest.split_once(')').unwrap();
        let message = STANDARD.encode(format!("\0{}", message.replace(' ', "\0")));
        script = format!("{before}{message}{after}");
    }
    play_on(Played::of(&secure_edge(), peer), &script)
}

const EHLO: &str = "> EHLO c
                    < 250-mx.test
                    < 250-SIZE 100
                    < 250-PIPELINING
                    < 250-8BITMIME
                    < 250-SMTPUTF8
                    < 250-CHUNKING";

/// Up to a greeted session under TLS with AUTH.
fn greeted(script: &str) -> String {
    format!(
        "< 220 mx.test ESMTP
         {EHLO}
         < 250-AUTH PLAIN LOGIN
         < 250 ENHANCEDSTATUSCODES
         {script}"
    )
}

#[test]
fn starttls_begins_anew() {
    let played = play_at(
        TlsMode::Offered,
        true,
        &format!(
            "< 220 mx.test ESMTP
             {EHLO}
             < 250-STARTTLS
             < 250 ENHANCEDSTATUSCODES
             > MAIL FROM:<plain@c>
             < 250 2.1.0 Sender OK
             > RCPT TO:<plain@example.test>
             < 250 2.1.5 Recipient OK
             > STARTTLS now
             < 501 5.5.4 Syntax error in arguments
             > STARTTLS
             < 220 2.0.0 Ready to start TLS
             > RCPT TO:<x@example.test>
             < 503 5.5.1 Bad sequence of commands
             > MAIL FROM:<a@b>
             < 503 5.5.1 Bad sequence of commands
             {EHLO}
             < 250-AUTH PLAIN LOGIN
             < 250 ENHANCEDSTATUSCODES
             > STARTTLS
             < 503 5.5.1 Bad sequence of commands
             > MAIL FROM:<a@b>
             < 250 2.1.0 Sender OK
             > RCPT TO:<x@example.test>
             < 250 2.1.5 Recipient OK
             > DATA
             < 354 End data with <CR><LF>.<CR><LF>
             > .
             < 250 2.0.0 Filed 1"
        ),
    );
    let envelope = &played.taken[0].0;
    assert_eq!(envelope.mail_from, "a@b");
    assert_eq!(envelope.rcpt_to, ["x@example.test"]);
    assert_eq!(envelope.security, under_tls());
}

/// What an attacker puts behind STARTTLS in the clear is never taken for the client's word under TLS.
#[test]
fn nothing_is_injected_behind_starttls() {
    for behind in ["RSET", "EHLO evil\\r\\nMAIL FROM:<evil@c>", ""] {
        let played = play_at(
            TlsMode::Offered,
            false,
            &format!(
                "< 220 mx.test ESMTP
                 > STARTTLS\\r\\n{behind}
                 < 554 5.5.1 Nothing may follow STARTTLS before TLS, closing
                 closed"
            ),
        );
        assert!(!played.session.peer().security.tls);
    }
}

#[test]
fn starttls_where_there_is_none() {
    let plain = format!("< 220 mx.test ESMTP\n{EHLO}\n< 250 ENHANCEDSTATUSCODES");
    let script = format!("{plain}\n> STARTTLS\n< 502 5.5.1 Command not implemented");
    play_at(TlsMode::Off, true, &script);
    // An edge without a certificate.
    play(small(), &script);
    let script = format!("{plain}\n> STARTTLS\n< 503 5.5.1 Bad sequence of commands");
    play_at(TlsMode::Implicit, false, &script);
}

#[test]
fn a_door_that_requires_tls_takes_no_mail_before_it() {
    play_at(
        TlsMode::Required,
        true,
        &format!(
            "< 220 mx.test ESMTP
             > HELO c
             < 250 mx.test
             > MAIL FROM:<a@b>
             < 530 5.7.0 Must issue a STARTTLS command first
             > RCPT TO:<x@example.test>
             < 530 5.7.0 Must issue a STARTTLS command first
             > VRFY x
             < 530 5.7.0 Must issue a STARTTLS command first
             > DATA
             < 530 5.7.0 Must issue a STARTTLS command first
             > RSET
             < 530 5.7.0 Must issue a STARTTLS command first
             > BDAT 6\\r\\nQUIT
             < 530 5.7.0 Must issue a STARTTLS command first
             > HELP
             < 214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT
             > AUTH PLAIN PLAIN(filter right)
             < 538 5.7.11 Encryption required for authentication
             > NOOP
             < 250 2.0.0 OK
             > STARTTLS
             < 220 2.0.0 Ready to start TLS
             {EHLO}
             < 250-AUTH PLAIN LOGIN
             < 250 ENHANCEDSTATUSCODES
             > MAIL FROM:<a@b>
             < 250 2.1.0 Sender OK"
        ),
    );
}

#[test]
fn a_recipient_may_require_tls() {
    play_at(
        TlsMode::Offered,
        false,
        "< 220 mx.test ESMTP
         > HELO c
         < 250 mx.test
         > MAIL FROM:<a@b>
         < 250 2.1.0 Sender OK
         > RCPT TO:<tls@example.test>
         < 530 5.7.0 Must issue a STARTTLS command first
         > DATA
         < 554 5.5.1 No valid recipients
         > RCPT TO:<x@example.test>
         < 250 2.1.5 Recipient OK
         > STARTTLS
         < 220 2.0.0 Ready to start TLS
         > HELO c
         < 250 mx.test
         > MAIL FROM:<a@b>
         < 250 2.1.0 Sender OK
         > RCPT TO:<tls@example.test>
         < 250 2.1.5 Recipient OK",
    );
}

#[test]
fn a_login_goes_into_the_envelope() {
    let login = [
        "> auth plain PLAIN(filter right)",
        "> AUTH PLAIN
         < 334\u{20}
         > PLAIN(filter right)",
        "> AUTH LOGIN
         < 334 VXNlcm5hbWU6
         > ZmlsdGVy
         < 334 UGFzc3dvcmQ6
         > cmlnaHQ=",
        "> AUTH LOGIN ZmlsdGVy
         < 334 UGFzc3dvcmQ6
         > cmlnaHQ=",
    ];
    for login in login {
        let script = greeted(&format!(
            "{login}
             < 235 2.7.0 Authentication succeeded
             > AUTH PLAIN PLAIN(other right)
             < 503 5.5.1 Bad sequence of commands
             > MAIL FROM:<a@b> AUTH=a+2Bb@c
             < 250 2.1.0 Sender OK
             > RCPT TO:<x@example.test>
             < 250 2.1.5 Recipient OK
             > DATA
             < 354 End data with <CR><LF>.<CR><LF>
             > .
             < 250 2.0.0 Filed 1"
        ));
        let played = play_at(TlsMode::Implicit, true, &script);
        let security = &played.taken[0].0.security;
        assert_eq!(security.login.as_deref(), Some("filter"));
    }
}

#[test]
fn logins_that_fail() {
    play_at(
        TlsMode::Implicit,
        true,
        &greeted(
            "> AUTH
             < 501 5.5.4 Syntax error in arguments
             > AUTH PLAIN a b
             < 501 5.5.4 Syntax error in arguments
             > AUTH CRAM-MD5
             < 504 5.5.4 Authentication mechanism not offered
             > AUTH PLAIN =
             < 501 5.5.2 Malformed authentication message
             > AUTH PLAIN %
             < 501 5.5.2 Cannot decode Base64
             > AUTH LOGIN
             < 334 VXNlcm5hbWU6
             > *
             < 501 5.7.0 Authentication cancelled
             > AUTH PLAIN PLAIN(filter busy)
             < 454 4.7.0 Temporary authentication failure, try again
             > AUTH LOGIN =
             < 334 UGFzc3dvcmQ6
             > 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789
             < 500 5.5.6 Authentication exchange line too long
             > NOOP
             < 250 2.0.0 OK
             > MAIL FROM:<a@b>
             < 250 2.1.0 Sender OK
             > AUTH PLAIN PLAIN(filter right)
             < 503 5.5.1 Bad sequence of commands
             > RSET
             < 250 2.0.0 OK
             > AUTH PLAIN PLAIN(filter wrong)
             < 535 5.7.8 Authentication credentials invalid
             > AUTH PLAIN PLAIN(filter wrong)
             < 535 5.7.8 Authentication credentials invalid
             > AUTH PLAIN PLAIN(filter wrong)
             < 535 5.7.8 Authentication credentials invalid
             < 421 4.7.0 Too many failed logins, try again later
             closed",
        ),
    );
    play_at(
        TlsMode::Implicit,
        true,
        &greeted(
            "> AUTH PLAIN PLAIN(filter throttled)
             < 421 4.7.0 Too many failed logins, try again later
             closed",
        ),
    );
}

#[test]
fn auth_where_there_is_none() {
    play_at(
        TlsMode::Implicit,
        false,
        &format!(
            "< 220 mx.test ESMTP
             {EHLO}
             < 250 ENHANCEDSTATUSCODES
             > AUTH PLAIN PLAIN(filter right)
             < 502 5.5.1 Command not implemented"
        ),
    );
    play_at(
        TlsMode::Implicit,
        true,
        "< 220 mx.test ESMTP
         > AUTH PLAIN PLAIN(filter right)
         < 503 5.5.1 Bad sequence of commands",
    );
}
