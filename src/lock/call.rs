//! One call over HTTP: no redirects, no proxy but a configured one, a bounded body, a bounded time, and errors
//! that name neither the address nor a secret.

use jiff::Timestamp;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, Proxy, RequestBuilder, Url, header};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::time::Duration;

/// The longest that a server's `Retry-After` is heeded.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Why a target cannot be asked as configured.
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
    /// The secret cannot be used. It is not repeated.
    #[error("the secret {0}")]
    Secret(&'static str),
    /// The proxy's address is not usable. It may hold a password.
    #[error("the proxy is not the URL of one")]
    Proxy,
    /// A file cannot be where it is wanted.
    #[error("{} {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
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

/// How far and how long to reach for a target's API.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The longest time for one call.
    pub timeout: Duration,
    /// The longest time for its connection.
    pub connect_timeout: Duration,
    /// The longest body that is read, in octets.
    pub max_body: usize,
    /// Certificates to trust besides the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// The proxy to go through. The environment is not asked.
    pub proxy: Option<SecretString>,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            max_body: 1 << 20,
            ca_file: None,
            proxy: None,
        }
    }
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

/// What came back.
pub(super) struct Answered {
    pub(super) status: u16,
    /// `Retry-After`, as it was sent.
    retry_after: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Answered {
    /// How long the server asks to be left alone, where it says so (RFC 9110 section 10.2.3).
    pub(super) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        self.retry_after.as_deref().and_then(|t| wait(t, now))
    }
}

/// Seconds, or a date.
fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::DateTimeParser::new();
            let at = at.parse_timestamp(text.replace("GMT", "+0000")).ok()?;
            Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// How to call.
pub(super) struct Caller {
    client: Client,
    most: usize,
    /// What no text that is kept may hold.
    secrets: Vec<SecretString>,
}

impl Caller {
    /// `url` is the address that will be called, of which a plain one is warned about.
    pub(super) fn new(
        url: &Url,
        reach: &Reach,
        secrets: Vec<SecretString>,
    ) -> Result<Self, SetupError> {
        let mut client = Client::builder()
            .user_agent(concat!("arfd/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(reach.timeout)
            .connect_timeout(reach.connect_timeout);
        if let Some(proxy) = &reach.proxy {
            let proxy = Proxy::all(proxy.expose_secret()).map_err(|_| SetupError::Proxy)?;
            client = client.proxy(proxy);
        }
        if url.scheme() == "http" && !is_loopback(url) {
            tracing::warn!("a lock API is called by plain http: its password can be overheard");
        }
        if let Some(path) = &reach.ca_file {
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
            most: reach.max_body,
            secrets,
        })
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// The status and the whole body.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Answered, NoAnswer> {
        let failed = |error: reqwest::Error| match error.is_timeout() {
            true => NoAnswer::Timeout,
            false => NoAnswer::Connection,
        };
        let mut response = request.send().await.map_err(failed)?;
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let mut answered = Answered {
            status: response.status().as_u16(),
            retry_after: retry_after.and_then(|v| v.to_str().ok().map(str::to_owned)),
            body: Vec::new(),
        };
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if answered.body.len() + chunk.len() > self.most {
                return Err(NoAnswer::TooLong);
            }
            answered.body.extend_from_slice(&chunk);
        }
        Ok(answered)
    }

    /// The text without secrets, should a server repeat them.
    pub(super) fn without_secret(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            match secret.expose_secret() {
                "" => {}
                secret => text = text.replace(secret, "[password]"),
            }
        }
        text
    }
}

/// An address as it is configured: no login and no query in it.
pub(super) fn address(text: &str) -> Result<Url, SetupError> {
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

/// Further segments of a path, each escaped as a whole. `.` and `..` cannot be escaped, so nobody may ask for
/// them.
pub(super) fn below<'s>(url: &Url, segments: impl IntoIterator<Item = &'s str>) -> Url {
    let mut url = url.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_seconds_or_as_a_date() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let seconds = |text| wait(text, now).map(|w| w.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Sun, 01 Mar 2026 10:01:30 GMT"), Some(90));
        assert_eq!(seconds("Sun, 01 Mar 2026 09:00:00 GMT"), Some(0));
        assert_eq!(seconds("99999999"), Some(86_400));
        assert_eq!(seconds("soon"), None);
    }

    #[test]
    fn segments_stay_segments() {
        let url = address("https://f.example/api/").unwrap();
        let url = below(&url, ["a/b", "c d", "%2e", "e?f#g"]);
        assert_eq!(
            url.as_str(),
            "https://f.example/api/a%2Fb/c%20d/%252e/e%3Ff%23g"
        );
    }
}
