//! The whole daemon under TLS: a feed that demands it, a login, a renewed certificate on SIGHUP, and that
//! neither password nor hash is ever written down.

use super::tls::{Pair, self_signed, trusting, under_tls};
use super::*;
use crate::support::daemon::{ABUSE, Daemon, Place, arfd, said};
use crate::support::mail::report;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::process::Output;

const PASSWORD: &str = "hush-41d8c0";

fn hash_of(password: &str) -> String {
    let run = arfd(&["hash-password"], format!("{password}\n").as_bytes());
    assert!(run.status.success(), "{}", said(&run));
    String::from_utf8(run.stdout).unwrap().trim().to_owned()
}

/// A place whose abuse address belongs to a feed that demands TLS.
fn place(ours: &Pair) -> Place {
    let mut place = Place::sqlite();
    let certificate = place.write("certificate.pem", &ours.certificate);
    let key = place.write("key.pem", &ours.key);
    let hash = place.write("hash", hash_of(PASSWORD));
    place.more = format!(
        "[smtp.tls]\ncertificate_file = \"{certificate}\"\nkey_file = \"{key}\"\nreload_interval = \"1h\"\n\
         [[smtp.users]]\nname = \"webmail\"\npassword_hash_file = \"{hash}\"\n\
         [[feeds]]\nname = \"secure\"\ntls = true\nrecipients = [\"{ABUSE}\"]\n"
    );
    place
}

async fn plain(daemon: &Daemon) -> Client {
    let mut client = Client::connect(daemon.smtp).await;
    assert!(client.line().await.starts_with("220 "));
    client
}

async fn secure(
    daemon: &Daemon,
    ours: &Pair,
) -> std::io::Result<Client<tokio_rustls::client::TlsStream<TcpStream>>> {
    let mut client = plain(daemon).await;
    client
        .expect(&[("EHLO c", "250 "), ("STARTTLS", "220 ")])
        .await;
    under_tls(client.0.into_inner(), trusting(ours)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_demands_tls() {
    let ours = self_signed("mx.test");
    let place = place(&ours);
    let daemon = place.start();
    let mut client = plain(&daemon).await;
    client
        .expect(&[
            ("EHLO c", "250 "),
            ("MAIL FROM:<>", "250 "),
            (&format!("RCPT TO:<{ABUSE}>"), "530 5.7.0 "),
        ])
        .await;
    let mut client = secure(&daemon, &ours).await.unwrap();
    let login = STANDARD.encode(format!("\0webmail\0{PASSWORD}"));
    client
        .expect(&[
            ("EHLO c", "250 "),
            (&format!("AUTH PLAIN {login}"), "235 "),
            ("MAIL FROM:<>", "250 "),
            (&format!("RCPT TO:<{ABUSE}>"), "250 "),
            ("DATA", "354 "),
        ])
        .await;
    client.send(&report(0, 1)).await;
    let reply = client.say("\r\n.").await;
    assert!(reply.starts_with("250 2.0.0 filed as "), "{reply}");
    let reports = place.list("reports");
    assert_eq!(reports[0]["feed"], "secure", "{reports:?}");
    let log = daemon.log_text();
    assert!(log.contains("\"login\":\"webmail\""), "{log}");
    for secret in [PASSWORD, login.as_str(), "argon2id"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hang_up_takes_up_a_renewed_certificate() {
    let (old, new) = (self_signed("mx.test"), self_signed("mx.test"));
    let place = place(&old);
    let daemon = place.start();
    let mut before = secure(&daemon, &old).await.unwrap();
    let key = place.write("key.pem", &new.key);
    daemon.hang_up();
    daemon.shows("arfd_tls_reloads_total{outcome=\"failed\"}", 1.0);
    let said = daemon.log_text();
    let want = format!("smtp.tls.key_file: {key}: is not the key of the first certificate in ");
    assert!(said.contains(&want), "{said}");
    secure(&daemon, &old).await.unwrap();
    place.write("certificate.pem", &new.certificate);
    daemon.hang_up();
    daemon.shows("arfd_tls_reloads_total{outcome=\"loaded\"}", 1.0);
    secure(&daemon, &new).await.unwrap();
    assert!(secure(&daemon, &old).await.is_err());
    before.expect(&[("EHLO c", "250 "), ("QUIT", "221 ")]).await;
    let expires = daemon.metric("arfd_tls_certificate_expires_seconds");
    assert!(expires.unwrap() > 1e9, "{expires:?}");
}

fn check(place: &Place) -> Output {
    place.arfd(&["config", "check"])
}

#[test]
fn config_check_looks_into_the_files_and_warns() {
    let ours = self_signed("mx.test");
    let place = place(&ours);
    let run = check(&place);
    assert!(run.status.success(), "{}", said(&run));
    // Written by a test, everybody may read it.
    let said_all = said(&run);
    assert!(
        said_all.contains("arfd: warning: smtp.tls.key_file: ") && said_all.contains("mode 0644"),
        "{said_all}"
    );
    assert!(!said_all.contains("argon2id"), "{said_all}");
    let weak = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
    place.write("hash", weak);
    let said_all = said(&check(&place));
    assert!(
        said_all.contains("arfd: warning: smtp.users[0].password_hash: is cheaper to guess"),
        "{said_all}"
    );
    place.write("key.pem", self_signed("mx.test").key);
    let run = check(&place);
    assert_eq!(run.status.code(), Some(78), "{}", said(&run));
    assert!(said(&run).contains("smtp.tls.key_file: "), "{}", said(&run));
    assert!(said(&run).contains("is not the key of"), "{}", said(&run));
    // Those who only look need no certificate.
    assert!(place.arfd(&["list", "orders"]).status.success() || !place.path("arfd.db").exists());
}

#[test]
fn a_password_is_hashed_from_standard_input() {
    let hash = hash_of("hunter2");
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    arfd::smtp::PasswordHash::parse(&hash).unwrap();
    for (input, wanted) in [
        (&b"\n"[..], "the password is empty"),
        (&[b'x'; 2000], "longer than 1000"),
    ] {
        let run = arfd(&["hash-password"], input);
        assert_eq!(run.status.code(), Some(1));
        assert!(said(&run).contains(wanted), "{}", said(&run));
    }
    assert_eq!(
        arfd(&["hash-password", "hunter2"], b"").status.code(),
        Some(2)
    );
}
