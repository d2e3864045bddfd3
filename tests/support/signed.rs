//! Reports that are really signed: a signer with a key of its own, whose public half goes into a test's DNS.

use super::dns::Dns;
use super::mail;
use base64::Engine;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;

/// The fields that a good signature covers.
pub const COVERED: [&str; 4] = ["From", "To", "Cc", "Date"];

/// Signs for one domain, as selector `s1`.
#[derive(Debug)]
pub struct Signer {
    domain: &'static str,
    pkcs8: Vec<u8>,
}

impl Signer {
    /// A new key for a domain.
    pub fn new(domain: &'static str) -> Self {
        Self {
            domain,
            pkcs8: Ed25519Key::generate_pkcs8().unwrap(),
        }
    }

    fn key(&self) -> Ed25519Key {
        Ed25519Key::from_pkcs8_maybe_unchecked_der(&self.pkcs8).unwrap()
    }

    /// Tells the world its public key.
    pub fn publish(&self, dns: &Dns) {
        dns.text(&format!("s1._domainkey.{}", self.domain), &self.record());
    }

    /// Its public key as DNS would tell it.
    pub fn record(&self) -> String {
        let public = base64::engine::general_purpose::STANDARD.encode(self.key().public_key());
        format!("v=DKIM1; k=ed25519; p={public}")
    }

    /// The message with a signature over these fields.
    pub fn sign(&self, message: &[u8], covered: &[&str], part_of_body: bool) -> Vec<u8> {
        self.sign_for(message, covered, part_of_body, None)
    }

    /// The same, with a signature that ends so many seconds from now.
    pub fn sign_for(
        &self,
        message: &[u8],
        covered: &[&str],
        part_of_body: bool,
        seconds: Option<u64>,
    ) -> Vec<u8> {
        let mut signer = DkimSigner::from_key(self.key())
            .domain(self.domain)
            .selector("s1")
            .headers(covered.iter().copied())
            .body_length(part_of_body);
        if let Some(seconds) = seconds {
            signer = signer.expiration(seconds);
        }
        let signature = signer.sign(message).unwrap();
        [signature.to_header().as_bytes(), message].concat()
    }
}

/// A report of message `n` about identity `who`, written to this address, not signed.
pub fn written_to(address: &str, n: usize, who: usize) -> Vec<u8> {
    let report = mail::report(n, who);
    [format!("To: {address}\r\n").as_bytes(), &report].concat()
}
