//! Clients' certificates. One that no authority vouches for does not end the handshake: many mail servers show
//! whatever they have to whoever asks, and refusing them would lose mail that needs no certificate. It is
//! proven all the same that the client holds the key, so its fingerprint may be believed, but not its names.

use super::super::Certificate;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::fmt::Write;
use std::sync::Arc;
use tokio_rustls::rustls;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Names taken from one certificate.
const MOST_NAMES: usize = 100;

/// Asks clients for a certificate and looks at it.
#[derive(Debug)]
pub struct Clients {
    authorities: Option<Arc<dyn ClientCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Clients {
    /// Certificates are vouched for by `authorities`, or by nobody.
    pub fn new(
        authorities: Option<Arc<dyn ClientCertVerifier>>,
        provider: &CryptoProvider,
    ) -> Self {
        Self {
            authorities,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// What a client proved by its chain, in a handshake that is done. It has names only if an authority
    /// vouches for it at this time.
    pub fn look_at(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Option<Certificate> {
        let (leaf, rest) = chain.split_first()?;
        let vouched = match &self.authorities {
            None => false,
            Some(authorities) => match authorities.verify_client_cert(leaf, rest, now) {
                Ok(_) => true,
                Err(error) => {
                    tracing::debug!(%error, "no authority vouches for the client's certificate");
                    false
                }
            },
        };
        Some(Certificate {
            sha256: fingerprint(leaf),
            names: if vouched { names(leaf) } else { Vec::new() },
        })
    }
}

/// SHA-256 in lower-case hexadecimal digits, as `openssl x509 -fingerprint -sha256` has it without colons.
fn fingerprint(certificate: &[u8]) -> String {
    let mut digits = String::with_capacity(64);
    for octet in digest(&SHA256, certificate).as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

/// The DNS names among the subject's alternative names (RFC 5280 section 4.2.1.6).
fn names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    let names = alternative.value.general_names.iter().filter_map(dns);
    names.take(MOST_NAMES).collect()
}

/// That the client holds the certificate's key is always demanded; who vouches for it is asked later, in
/// [`Clients::look_at`].
impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: clients that go by them would keep a self-signed certificate back.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
