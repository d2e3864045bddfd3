//! Certificate, key and client authorities: from PEM files to what rustls serves with. All that can be wrong
//! with them is found here, before a client meets it, and said with the key and the file.

use super::client::Clients;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Octets read of a file; a chain has some thousands.
const MOST: u64 = 1024 * 1024;
/// Sessions that clients may resume.
const RESUMABLE: usize = 256;

/// Where certificate and key are, in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that vouch for clients' certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether clients are asked for a certificate even without such authorities.
    pub ask_clients: bool,
}

/// Why the files cannot be used. The setting is named by [`TlsError::key`], not in the message.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is not PEM, or there is nothing of the kind in it.
    #[error("{}: {cause}; {kind} in PEM form is wanted", path.display())]
    Pem {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What should stand there.
        kind: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// The key is another certificate's.
    #[error(
        "{}: is not the key of the first certificate in {}",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// TLS cannot be done with it.
    #[error("{}: cannot be used: {cause}", path.display())]
    Unusable {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

impl TlsError {
    /// The setting, without its section.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Unreadable { key, .. } | Self::Pem { key, .. } | Self::Unusable { key, .. } => {
                key
            }
            Self::Mismatch { .. } => "key_file",
        }
    }
}

/// The files' octets.
pub struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    /// Tells one state of the files from another.
    pub fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for part in [
            &self.certificate,
            &self.key,
            self.client_ca.as_ref().unwrap_or(&Vec::new()),
        ] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize()
    }
}

/// What sessions are secured with.
pub struct Loaded {
    /// For rustls.
    pub config: Arc<ServerConfig>,
    /// How clients' certificates are looked at; None when they are not asked for.
    pub clients: Option<Arc<Clients>>,
    /// The end of our certificate's validity, in seconds since 1970.
    pub expires: i64,
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            certificate: read("certificate_file", &self.certificate)?,
            key: read("key_file", &self.key)?,
            client_ca: match &self.client_ca {
                Some(path) => Some(read("client_ca_file", path)?),
                None => None,
            },
        })
    }

    /// Makes of the octets what TLS is done with.
    ///
    /// # Errors
    /// When they are not what they should be, or do not belong together.
    pub fn load(&self, contents: &Contents) -> Result<Loaded, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let unusable = |key, path: &Path, cause: &dyn ToString| TlsError::Unusable {
            key,
            path: path.to_owned(),
            cause: cause.to_string(),
        };
        let chain = certificates("certificate_file", &self.certificate, &contents.certificate)?;
        let expires = match X509Certificate::from_der(&chain[0]) {
            Ok((_, leaf)) => leaf.validity().not_after.timestamp(),
            Err(error) => return Err(unusable("certificate_file", &self.certificate, &error)),
        };
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|cause| TlsError::Pem {
            key: "key_file",
            path: self.key.clone(),
            kind: "a private key without password",
            cause: explain(&cause),
        })?;
        let certified =
            CertifiedKey::from_der(chain, key, &provider).map_err(|cause| match cause {
                rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
                    key: self.key.clone(),
                    certificate: self.certificate.clone(),
                },
                cause => unusable("key_file", &self.key, &cause),
            })?;
        let clients = self.clients(contents, &provider)?;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|cause| unusable("certificate_file", &self.certificate, &cause))?;
        let builder = match &clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients) as Arc<_>),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        // Of its own, so that nothing is resumed that began under other certificates or authorities.
        config.session_storage = ServerSessionMemoryCache::new(RESUMABLE);
        config.send_tls13_tickets = 1;
        Ok(Loaded {
            config: Arc::new(config),
            clients,
            expires,
        })
    }

    fn clients(
        &self,
        contents: &Contents,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<Clients>>, TlsError> {
        let (Some(path), Some(octets)) = (&self.client_ca, &contents.client_ca) else {
            let asked = || Arc::new(Clients::new(None, provider));
            return Ok(self.ask_clients.then(asked));
        };
        let unusable = |cause: &dyn ToString| TlsError::Unusable {
            key: "client_ca_file",
            path: path.clone(),
            cause: cause.to_string(),
        };
        let mut roots = RootCertStore::empty();
        for authority in certificates("client_ca_file", path, octets)? {
            roots.add(authority).map_err(|cause| unusable(&cause))?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .allow_unauthenticated()
                .build()
                .map_err(|cause| unusable(&cause))?;
        Ok(Some(Arc::new(Clients::new(Some(verifier), provider))))
    }

    /// A warning when everybody on this machine may read the key.
    pub fn exposed_key(&self) -> Option<String> {
        let mode = std::fs::metadata(&self.key).ok()?.mode();
        (mode & 0o007 != 0).then(|| {
            format!(
                "{}: everybody on this machine may open the key (mode {:04o}); 0640 root:arfd is enough",
                self.key.display(),
                mode & 0o7777
            )
        })
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let octets = || {
        let mut octets = Vec::new();
        File::open(path)?.take(MOST + 1).read_to_end(&mut octets)?;
        if octets.len() as u64 > MOST {
            return Err(io::Error::other("is larger than 1 MiB"));
        }
        Ok(octets)
    };
    octets().map_err(|cause| TlsError::Unreadable {
        key,
        path: path.to_owned(),
        cause,
    })
}

/// At least one.
fn certificates(
    key: &'static str,
    path: &Path,
    octets: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(octets).collect();
    let found = found.and_then(|found| match found.is_empty() {
        true => Err(pem::Error::NoItemsFound),
        false => Ok(found),
    });
    found.map_err(|cause| TlsError::Pem {
        key,
        path: path.to_owned(),
        kind: "a certificate",
        cause: explain(&cause),
    })
}

/// The library's own words may repeat what stands in the file, which may be a key.
fn explain(cause: &pem::Error) -> String {
    match cause {
        pem::Error::NoItemsFound => "there is none in it",
        pem::Error::MissingSectionEnd { .. } => "the end of it is missing",
        pem::Error::Base64Decode(_) => "it is damaged (Base64)",
        _ => "it is damaged",
    }
    .to_owned()
}
