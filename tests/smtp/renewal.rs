//! Certificate files that change under a running edge, and files that cannot be used.

use super::tls::{Secured, files, secured_message, self_signed, speaking, trusting, vouched_for};
use super::*;
use arfd::smtp::{Renewal, Tls, TlsFiles, TlsMode};
use std::fs;
use std::os::unix::fs::symlink;
use tokio_rustls::rustls::{HandshakeKind, version};

#[tokio::test]
async fn a_renewed_certificate_is_for_new_sessions() {
    let (old, new) = (self_signed("mx.test"), self_signed("mx.test"));
    let secured = Secured::at(TlsMode::Implicit, &old).await;
    let mut before = secured.greeted(trusting(&old)).await;
    assert_eq!(secured.tls.renew(false), Renewal::Unchanged);
    new.put(secured.folder.path());
    assert_eq!(secured.tls.renew(false), Renewal::Loaded);
    assert_eq!(secured.tls.renew(false), Renewal::Unchanged);
    assert!(secured.connect(trusting(&old)).await.is_err());
    let mut after = secured.greeted(trusting(&new)).await;
    for client in [&mut before, &mut after] {
        assert!(secured_message(&secured, client).await.tls);
    }
}

#[tokio::test]
async fn what_cannot_be_used_leaves_the_old_certificate() {
    let (old, new) = (self_signed("mx.test"), self_signed("mx.test"));
    let secured = Secured::at(TlsMode::Implicit, &old).await;
    let reloads = |outcome: &str| {
        let reloads = &secured.served.metrics.tls_reloads;
        reloads.with_label_values(&[outcome]).get()
    };
    let certificate = secured.folder.path().join("certificate.pem");
    // Half written, not there, and another's.
    let half = &new.certificate[..new.certificate.len() / 2];
    for text in [Some(half), None, Some(new.certificate.as_str())] {
        match text {
            Some(text) => fs::write(&certificate, text).unwrap(),
            None => fs::remove_file(&certificate).unwrap(),
        }
        assert_eq!(secured.tls.renew(false), Renewal::Failed);
        // The same trouble is told once.
        assert_eq!(secured.tls.renew(false), Renewal::Unchanged);
        secured.greeted(trusting(&old)).await;
    }
    assert_eq!((reloads("loaded"), reloads("failed")), (0, 3));
    new.put(secured.folder.path());
    assert_eq!(secured.tls.renew(false), Renewal::Loaded);
    secured.greeted(trusting(&new)).await;
    assert_eq!((reloads("loaded"), reloads("failed")), (1, 3));
}

/// A client comes back with less work, but never under what was before a renewal.
#[tokio::test]
async fn sessions_are_resumed_until_a_renewal() {
    let ours = self_signed("mx.test");
    let (authority, own) = vouched_for("filter.example.net");
    let secured = Secured::with(TlsMode::Implicit, &ours, |files| {
        let path = files.key.with_file_name("ca.pem");
        fs::write(&path, &authority).unwrap();
        files.client_ca = Some(path);
    })
    .await;
    for version in [&version::TLS12, &version::TLS13] {
        let client = speaking(&ours, &[version], Some(&own));
        for (renew, want) in [
            (false, HandshakeKind::Full),
            (false, HandshakeKind::Resumed),
            (true, HandshakeKind::Full),
        ] {
            if renew {
                assert_eq!(secured.tls.renew(true), Renewal::Loaded);
            }
            let mut client = secured.greeted(client.clone()).await;
            let security = secured_message(&secured, &mut client).await;
            assert_eq!(security.certificate.unwrap().names, ["filter.example.net"]);
            let kind = client.0.get_ref().get_ref().1.handshake_kind();
            assert_eq!(kind, Some(want), "{version:?}");
        }
    }
}

/// As certbot and Kubernetes renew: the paths stay, what they lead to is switched.
#[tokio::test]
async fn a_switched_link_is_noticed_unasked() {
    let (old, new) = (self_signed("mx.test"), self_signed("mx.test"));
    let secured = Secured::with(TlsMode::Implicit, &old, |files| {
        let folder = files.key.parent().unwrap().to_owned();
        old.put(&folder.join("1"));
        symlink("1", folder.join("live")).unwrap();
        files.certificate = folder.join("live/certificate.pem");
        files.key = folder.join("live/key.pem");
    })
    .await;
    let stop = CancellationToken::new();
    let watch =
        tokio::spawn(Arc::clone(&secured.tls).watch(Duration::from_millis(5), stop.clone()));
    secured.greeted(trusting(&old)).await;
    new.put(&secured.folder.path().join("2"));
    symlink("2", secured.folder.path().join("next")).unwrap();
    fs::rename(
        secured.folder.path().join("next"),
        secured.folder.path().join("live"),
    )
    .unwrap();
    let noticed = async { while secured.connect(trusting(&new)).await.is_err() {} };
    timeout(PATIENCE, noticed).await.unwrap();
    stop.cancel();
    timeout(PATIENCE, watch).await.unwrap().unwrap();
}

#[test]
fn files_that_cannot_be_used() {
    let ours = self_signed("mx.test");
    let folder = tempfile::tempdir().unwrap();
    let files = TlsFiles {
        client_ca: Some(folder.path().join("ca.pem")),
        ..files(folder.path())
    };
    let other = self_signed("mx.test");
    let broken = ours.key.replace("-----END", "-----FIN");
    for (name, text, key, said) in [
        ("certificate.pem", None, "certificate_file", "No such file"),
        (
            "certificate.pem",
            Some(""),
            "certificate_file",
            "there is none in it",
        ),
        (
            "certificate.pem",
            Some(ours.key.as_str()),
            "certificate_file",
            "a certificate in PEM",
        ),
        (
            "certificate.pem",
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "certificate_file",
            "cannot be used",
        ),
        (
            "key.pem",
            Some(ours.certificate.as_str()),
            "key_file",
            "a private key without password",
        ),
        (
            "key.pem",
            Some(broken.as_str()),
            "key_file",
            "the end of it is missing",
        ),
        (
            "key.pem",
            Some(other.key.as_str()),
            "key_file",
            "is not the key of",
        ),
        ("ca.pem", None, "client_ca_file", "No such file"),
        ("ca.pem", Some("x"), "client_ca_file", "there is none in it"),
    ] {
        ours.put(folder.path());
        fs::write(folder.path().join("ca.pem"), &ours.certificate).unwrap();
        Tls::check(&files).unwrap();
        match text {
            Some(text) => fs::write(folder.path().join(name), text).unwrap(),
            None => fs::remove_file(folder.path().join(name)).unwrap(),
        }
        let error = Tls::check(&files).unwrap_err();
        let message = error.to_string();
        assert_eq!(error.key(), key, "{message}");
        assert!(
            message.contains(said) && message.contains(name),
            "{message}"
        );
        // Not a word of the key.
        for line in ours.key.lines().filter(|line| line.len() > 20) {
            assert!(!message.contains(line), "{message}");
        }
    }
}
