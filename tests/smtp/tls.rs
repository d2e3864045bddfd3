//! TLS over real sockets, with certificates made for each test and a client of its own: STARTTLS, TLS from the
//! first octet, clients' certificates, and logging in.

use super::*;
use arfd::clock::SystemClock;
use arfd::smtp::{
    AuthSettings, Door, Keys, PasswordHash, Tls, TlsFiles, TlsMode, User, Users, hash_password,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

/// A certificate and its key, in PEM form.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Pair {
    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    pub fn put(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("certificate.pem"), &self.certificate).unwrap();
        fs::write(folder.join("key.pem"), &self.key).unwrap();
    }
}

pub fn self_signed(name: &str) -> Pair {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    Pair {
        certificate: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
    }
}

/// An authority and a certificate that it vouches for.
pub fn vouched_for(name: &str) -> (String, Pair) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([name.to_owned()]).unwrap();
    let pair = Pair {
        certificate: leaf.signed_by(&key, &issuer).unwrap().pem(),
        key: key.serialize_pem(),
    };
    (root.pem(), pair)
}

/// An edge with a certificate in a folder of its own.
pub struct Secured {
    pub served: Served,
    pub tls: Arc<Tls>,
    pub folder: TempDir,
}

pub fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
        client_ca: None,
        ask_clients: false,
    }
}

impl Secured {
    pub async fn at(mode: TlsMode, ours: &Pair) -> Self {
        Self::with(mode, ours, |_| ()).await
    }

    pub async fn with(mode: TlsMode, ours: &Pair, change: impl FnOnce(&mut TlsFiles)) -> Self {
        let door = Door {
            tls: mode,
            auth: true,
            ..Door::default()
        };
        Self::by(door, ours, change).await
    }

    pub async fn by(door: Door, ours: &Pair, change: impl FnOnce(&mut TlsFiles)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        ours.put(folder.path());
        let mut files = files(folder.path());
        change(&mut files);
        let metrics = Arc::new(Metrics::new().unwrap());
        let clock = Arc::new(SystemClock::default());
        let tls = Tls::load(
            files,
            Duration::from_millis(200),
            clock.clone(),
            metrics.clone(),
        )
        .unwrap();
        let user = User {
            name: "filter".to_owned(),
            hash: PasswordHash::parse(&hash_password(b"se cret").unwrap()).unwrap(),
        };
        let limits = AuthSettings {
            failure_delay: Duration::ZERO,
            ..AuthSettings::default()
        };
        let users = Users::new(vec![user], limits, clock, metrics.clone());
        let keys = Keys {
            tls: Some(tls.clone()),
            users,
        };
        let served = Served::secured(door, keys, metrics).await;
        Self {
            served,
            tls,
            folder,
        }
    }

    /// A connection that is under TLS at once.
    pub async fn connect(
        &self,
        client: ClientConfig,
    ) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect(self.served.address).await.unwrap();
        under_tls(stream, client).await
    }

    pub async fn greeted(&self, client: ClientConfig) -> Client<TlsStream<TcpStream>> {
        let mut client = self.connect(client).await.unwrap();
        assert_eq!(client.line().await, "220 localhost ESMTP");
        client
    }

    fn failures(&self, reason: &str) -> u64 {
        let failures = &self.served.metrics.tls_failures;
        failures.with_label_values(&[reason]).get()
    }
}

pub async fn under_tls(
    stream: TcpStream,
    client: ClientConfig,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let name = ServerName::try_from("mx.test").unwrap();
    let handshake = TlsConnector::from(Arc::new(client)).connect(name, stream);
    let stream = timeout(PATIENCE, handshake).await.unwrap()?;
    Ok(Client(BufReader::new(stream)))
}

/// A client that trusts this certificate.
pub fn trusting(ours: &Pair) -> ClientConfig {
    speaking(ours, &[&version::TLS12, &version::TLS13], None)
}

pub fn speaking(
    ours: &Pair,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<&Pair>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(ours.der()).unwrap();
    let provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![own.der()], key).unwrap()
        }
    }
}

/// Sends one message and gives what the desk was told of the session.
pub async fn secured_message(
    secured: &Secured,
    client: &mut Client<TlsStream<TcpStream>>,
) -> arfd::smtp::Security {
    client.begin("abuse@example.test").await;
    let reply = client.say("x\r\n.").await;
    assert!(reply.starts_with("250 2.0.0 Filed"), "{reply}");
    let taken = secured.served.desk.taken.lock().unwrap();
    taken.last().unwrap().0.security.clone()
}

#[tokio::test]
async fn a_message_after_starttls() {
    let ours = self_signed("mx.test");
    for (version, name) in [(&version::TLS12, "1.2"), (&version::TLS13, "1.3")] {
        let secured = Secured::at(TlsMode::Required, &ours).await;
        let mut plain = secured.served.client().await;
        plain
            .expect(&[
                ("EHLO client.test", "250 "),
                ("MAIL FROM:<>", "530 5.7.0 "),
                ("STARTTLS", "220 2.0.0 "),
            ])
            .await;
        let config = speaking(&ours, &[version], None);
        let mut client = under_tls(plain.0.into_inner(), config).await.unwrap();
        client.expect(&[("MAIL FROM:<>", "503 ")]).await;
        let security = secured_message(&secured, &mut client).await;
        assert!(security.tls && security.certificate.is_none() && security.login.is_none());
        client
            .expect(&[("STARTTLS", "503 "), ("QUIT", "221 "), ("", "")])
            .await;
        let text = secured.served.metrics.render().unwrap();
        let counted = format!("version=\"{name}\"}} 1");
        assert!(text.lines().any(|line| {
            line.starts_with("arfd_tls_sessions_total{cipher=\"TLS") && line.ends_with(&counted)
        }));
    }
}

#[tokio::test]
async fn a_message_under_tls_from_the_first_octet() {
    let ours = self_signed("mx.test");
    let secured = Secured::at(TlsMode::Implicit, &ours).await;
    let mut client = secured.greeted(trusting(&ours)).await;
    assert!(secured_message(&secured, &mut client).await.tls);
}

/// The octets behind STARTTLS come in one piece with it or right after it: neither is obeyed.
/// The header of the PROXY protocol comes in the clear before the handshake, whose first octets may come with it.
#[tokio::test]
async fn a_proxy_before_tls() {
    let ours = self_signed("mx.test");
    for mode in [TlsMode::Implicit, TlsMode::Required] {
        let door = Door {
            tls: mode,
            proxy: vec!["127.0.0.0/8".parse().unwrap()],
            ..Door::default()
        };
        let secured = Secured::by(door, &ours, |_| ()).await;
        let mut stream = TcpStream::connect(secured.served.address).await.unwrap();
        let header = b"PROXY TCP4 198.51.100.7 192.0.2.25 4660 25\r\n";
        stream.write_all(header).await.unwrap();
        let mut client = match mode {
            TlsMode::Implicit => under_tls(stream, trusting(&ours)).await.unwrap(),
            _ => {
                let mut plain = Client::over(stream);
                plain.line().await;
                plain.expect(&[("STARTTLS", "220 ")]).await;
                under_tls(plain.0.into_inner(), trusting(&ours))
                    .await
                    .unwrap()
            }
        };
        if mode == TlsMode::Implicit {
            client.line().await;
        }
        assert!(secured_message(&secured, &mut client).await.tls);
        let taken = secured.served.desk.taken.lock().unwrap();
        assert_eq!(taken[0].0.client.to_string(), "198.51.100.7");
    }
}

#[tokio::test]
async fn plaintext_behind_starttls_is_never_obeyed() {
    let ours = self_signed("mx.test");
    let injected = "MAIL FROM:<evil@c>\r\nRCPT TO:<abuse@example.test>\r\nDATA\r\nx\r\n.\r\n";
    let secured = Secured::at(TlsMode::Offered, &ours).await;
    let mut client = secured.served.client().await;
    client.expect(&[("EHLO c", "250 ")]).await;
    let together = format!("STARTTLS\r\nEHLO evil\r\n{injected}");
    client.send(together.as_bytes()).await;
    let rest = client.rest().await;
    assert_eq!(
        rest,
        "554 5.5.1 Nothing may follow STARTTLS before TLS, closing\r\n"
    );
    assert_eq!(secured.served.refusals("behind_starttls"), 1);

    let mut client = secured.served.client().await;
    client
        .expect(&[("EHLO c", "250 "), ("STARTTLS", "220 ")])
        .await;
    client.send(injected.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, client.0.read_to_end(&mut answer))
        .await
        .unwrap();
    assert!(!answer.starts_with(b"2"), "{}", answer.escape_ascii());
    assert_eq!(secured.failures("not_tls"), 1);
    assert!(secured.served.messages().is_empty());
}

#[tokio::test]
async fn handshakes_that_fail_end_their_session_only() {
    let ours = self_signed("mx.test");
    let secured = Secured::at(TlsMode::Implicit, &ours).await;
    // Says nothing.
    let mut silent = Client::connect(secured.served.address).await;
    assert_eq!(silent.rest().await, "");
    assert_eq!(secured.failures("timeout"), 1);
    // Speaks something else.
    let mut lost = Client::connect(secured.served.address).await;
    lost.send(b"EHLO c\r\n").await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, lost.0.read_to_end(&mut answer))
        .await
        .unwrap();
    assert_eq!(secured.failures("not_tls"), 1);
    // Does not trust us.
    let stranger = trusting(&self_signed("mx.test"));
    assert!(secured.connect(stranger).await.is_err());
    let mut client = secured.greeted(trusting(&ours)).await;
    client.expect(&[("EHLO c", "250 "), ("QUIT", "221 ")]).await;
    assert_eq!(secured.failures("client_alert"), 1);
}

#[tokio::test]
async fn clients_certificates() {
    let ours = self_signed("mx.test");
    let (authority, vouched) = vouched_for("Filter.Example.net");
    let own = self_signed("filter.example.net");
    let versions = [&version::TLS12, &version::TLS13];
    for asked_with_authority in [true, false] {
        let secured = Secured::with(TlsMode::Implicit, &ours, |files| {
            let path = files.key.with_file_name("ca.pem");
            fs::write(&path, &authority).unwrap();
            files.client_ca = asked_with_authority.then_some(path);
            files.ask_clients = true;
        })
        .await;
        for version in versions {
            for (pair, names) in [
                (Some(&vouched), &["filter.example.net"][..]),
                // Nobody vouches for it, so its name is worth nothing; it is let in all the same.
                (Some(&own), &[]),
                (None, &[]),
            ] {
                let mut client = secured.greeted(speaking(&ours, &[version], pair)).await;
                let security = secured_message(&secured, &mut client).await;
                let Some(pair) = pair else {
                    assert!(security.certificate.is_none());
                    continue;
                };
                let certificate = security.certificate.unwrap();
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &pair.der());
                let hex: String = digest.as_ref().iter().map(|o| format!("{o:02x}")).collect();
                assert_eq!(certificate.sha256, hex);
                let names = if asked_with_authority { names } else { &[] };
                assert_eq!(certificate.names, names);
            }
        }
    }
    // Nobody is asked, and nothing is taken unasked.
    let secured = Secured::at(TlsMode::Implicit, &ours).await;
    let mut client = secured
        .greeted(speaking(&ours, &versions, Some(&vouched)))
        .await;
    let security = secured_message(&secured, &mut client).await;
    assert!(security.certificate.is_none());
}

#[tokio::test]
async fn a_login_under_tls() {
    let ours = self_signed("mx.test");
    let secured = Secured::at(TlsMode::Implicit, &ours).await;
    let mut client = secured.greeted(trusting(&ours)).await;
    let [wrong, right] = ["nope", "se cret"].map(|password| {
        format!(
            "AUTH PLAIN {}",
            STANDARD.encode(format!("\0filter\0{password}"))
        )
    });
    client
        .expect(&[
            ("EHLO c", "250 "),
            (&wrong, "535 5.7.8 "),
            (&right, "235 2.7.0 "),
        ])
        .await;
    let security = secured_message(&secured, &mut client).await;
    assert_eq!(security.login.as_deref(), Some("filter"));
    let auth = |outcome: &str| {
        secured
            .served
            .metrics
            .auth
            .with_label_values(&[outcome])
            .get()
    };
    assert_eq!((auth("granted"), auth("denied")), (1, 1));
    let mut guessing = secured.greeted(trusting(&ours)).await;
    guessing
        .expect(&[
            ("EHLO c", "250 "),
            (&wrong, "535 5.7.8 "),
            (&wrong, "535 5.7.8 "),
            (&wrong, "535 5.7.8 "),
            ("", "421 4.7.0 "),
            ("", ""),
        ])
        .await;
}
