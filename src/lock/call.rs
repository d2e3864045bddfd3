//! One GET to a lock API: basic auth in the header, no redirects, a bounded body, a bounded time, and errors
//! that name neither the address nor a secret.

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::time::Duration;

/// Why an API cannot be called as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is not usable. It is not repeated here: it may hold a secret.
    #[error("the API's address {0}")]
    Address(&'static str),
    /// The login is empty or would run into the password.
    #[error("the API's login is empty or holds a colon")]
    Login,
    /// A fixed parameter would take the place of one that belongs to the order, or is empty.
    #[error("the fixed parameter {0:?} is reserved or empty")]
    Parameter(String),
    /// The file of certificates cannot be read.
    #[error("cannot read certificates from {}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// A call that brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    Timeout,
    Connection,
    TooLong,
}

impl NoAnswer {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::TooLong => "too_long",
        }
    }

    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Timeout => "no answer in time",
            Self::Connection => "no connection, or it broke before the answer was complete",
            Self::TooLong => "the answer is longer than allowed",
        }
    }
}

/// How to call.
pub(super) struct Caller {
    client: Client,
    url: Url,
    login: String,
    password: SecretString,
    most: usize,
}

/// What a caller is made of.
pub(super) struct Setup<'a> {
    pub(super) url: &'a str,
    pub(super) login: &'a str,
    pub(super) password: &'a SecretString,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) max_body: usize,
    pub(super) ca_file: Option<&'a PathBuf>,
}

impl Caller {
    pub(super) fn new(setup: &Setup<'_>) -> Result<Self, SetupError> {
        let url = address(setup.url)?;
        if setup.login.is_empty() || setup.login.contains(':') {
            return Err(SetupError::Login);
        }
        let mut client = Client::builder()
            .user_agent(concat!("arfd/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .timeout(setup.timeout)
            .connect_timeout(setup.connect_timeout);
        if is_loopback(&url) {
            client = client.no_proxy();
        } else if url.scheme() == "http" {
            tracing::warn!("a lock API is called by plain http: its password can be overheard");
        }
        if let Some(path) = setup.ca_file {
            let failed = |source| SetupError::Certificates {
                path: path.clone(),
                source,
            };
            let pem = std::fs::read(path).map_err(|e| failed(e.into()))?;
            let certificates =
                Certificate::from_pem_bundle(&pem).map_err(|e| failed(e.without_url().into()))?;
            if certificates.is_empty() {
                return Err(failed("there is none in it".into()));
            }
            client = client.tls_certs_merge(certificates);
        }
        Ok(Self {
            client: client.build().map_err(SetupError::Client)?,
            url,
            login: setup.login.to_owned(),
            password: setup.password.clone(),
            most: setup.max_body,
        })
    }

    /// The status and the whole body.
    pub(super) async fn get(&self, query: &[(&str, &str)]) -> Result<(u16, Vec<u8>), NoAnswer> {
        let failed = |error: reqwest::Error| match error.is_timeout() {
            true => NoAnswer::Timeout,
            false => NoAnswer::Connection,
        };
        let mut response = self
            .client
            .get(self.url.clone())
            .query(query)
            .basic_auth(&self.login, Some(self.password.expose_secret()))
            .send()
            .await
            .map_err(failed)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.most {
                return Err(NoAnswer::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, body))
    }

    /// The text without the password, should a server repeat it.
    pub(super) fn without_secret(&self, text: &str) -> String {
        match self.password.expose_secret() {
            "" => text.to_owned(),
            password => text.replace(password, "[password]"),
        }
    }
}

fn address(text: &str) -> Result<Url, SetupError> {
    let url = Url::parse(text).map_err(|_| SetupError::Address("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(SetupError::Address("begins with neither https: nor http:"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SetupError::Address(
            "holds a login; give login and password apart",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SetupError::Address("holds a query; give parameters apart"));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}
