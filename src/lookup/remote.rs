//! A look-up service over HTTP. Each identity is asked for once however many wait for it; so many questions at a time,
//! each within its time; after failures in a row the service is left alone for a while. What was known before is used
//! meanwhile.

use super::answer;
use super::cache::{Bounds, Cache, Found};
use crate::clock::Clock;
use crate::domain::alias::{Alias, Answer};
use crate::domain::attribution::NormalForm;
use crate::domain::identity::Identity;
use crate::domain::ids::IdentityId;
use crate::domain::lock::Breaker;
use crate::metrics::Metrics;
use jiff::SignedDuration;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};

/// How to ask.
#[derive(Clone, Debug)]
pub struct RemoteSettings {
    /// Where; `identity`, `username` and `domain` are added to its query.
    pub url: String,
    /// The bearer token; empty for none.
    pub token: SecretString,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How long a question may take, and as long again to wait for its turn.
    pub timeout: Duration,
    /// How long its connection may take.
    pub connect_timeout: Duration,
    /// Questions at a time.
    pub concurrency: usize,
    /// The normal form of identities.
    pub normal: NormalForm,
    /// The longest answer, in octets.
    pub max_answer: usize,
    /// Answers that are kept.
    pub cache: usize,
    /// How long one is good that knows something.
    pub ttl: Duration,
    /// How long one is good that knows nothing.
    pub negative_ttl: Duration,
    /// How old an answer may be that is used while the service has trouble.
    pub max_stale: Duration,
    /// Failures in a row after which the service is left alone.
    pub breaker_failures: u32,
    /// For how long.
    pub breaker_pause: Duration,
}

/// Why the service cannot be asked as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is not usable. It is not repeated: it may hold a secret.
    #[error("url {0}")]
    Address(&'static str),
    /// The file of certificates cannot be used.
    #[error("ca_file: {}: {cause}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// What one question came to, for all who asked it.
type Outcome = Result<Option<Alias>, String>;
/// One question under way.
type Flight = Arc<OnceCell<Outcome>>;

/// The service, and what it said.
pub struct Remote {
    client: Client,
    url: Url,
    settings: RemoteSettings,
    cache: Cache,
    flights: Mutex<HashMap<IdentityId, Flight>>,
    slots: Semaphore,
    breaker: Mutex<Breaker>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

/// Takes a question off the list once nobody waits for it any more.
struct Waits<'r> {
    remote: &'r Remote,
    id: IdentityId,
    flight: Flight,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut flights = self.remote.flights();
        // The list's and ours.
        if Arc::strong_count(&self.flight) <= 2 || self.flight.initialized() {
            let ours = |listed: &Flight| Arc::ptr_eq(listed, &self.flight);
            if flights.get(&self.id).is_some_and(ours) {
                flights.remove(&self.id);
            }
        }
    }
}

fn long(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

impl Remote {
    /// Sets it up; nothing is asked yet.
    ///
    /// # Errors
    /// When it cannot be asked as configured.
    pub fn new(
        settings: RemoteSettings,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, SetupError> {
        let url = address(&settings.url)?;
        let mut client = Client::builder()
            .user_agent(concat!("arfd/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .timeout(settings.timeout)
            .connect_timeout(settings.connect_timeout);
        let secret = !settings.token.expose_secret().is_empty();
        if is_loopback(&url) {
            client = client.no_proxy();
        } else if url.scheme() == "http" && secret {
            tracing::warn!("aliases.url is plain http: its token can be overheard");
        }
        if let Some(path) = &settings.ca_file {
            let failed = |cause: String| SetupError::Certificates {
                path: path.clone(),
                cause,
            };
            let pem = std::fs::read(path).map_err(|e| failed(e.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem);
            let certificates = certificates.map_err(|e| failed(e.without_url().to_string()))?;
            if certificates.is_empty() {
                return Err(failed("there is none in it".to_owned()));
            }
            client = client.tls_certs_merge(certificates);
        }
        let bounds = Bounds {
            most: settings.cache,
            known: long(settings.ttl),
            unknown: long(settings.negative_ttl),
            stale: long(settings.max_stale),
        };
        let client = client.build();
        Ok(Self {
            client: client.map_err(|e| SetupError::Client(e.without_url().to_string()))?,
            url,
            cache: Cache::new(bounds),
            flights: Mutex::default(),
            slots: Semaphore::new(settings.concurrency),
            breaker: Mutex::new(Breaker::new(
                settings.breaker_failures,
                settings.breaker_pause,
            )),
            settings,
            clock,
            metrics,
        })
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<IdentityId, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who the identity is. Takes at most twice the time of one question.
    pub async fn find(&self, identity: &Identity) -> Answer {
        let id = identity.id();
        let answer = |alias: Option<Alias>| alias.map_or(Answer::Itself, Answer::Known);
        let stale = match self.cache.get(id, self.clock.now()) {
            Found::Fresh(alias) => {
                self.count("cached");
                return answer(alias);
            }
            Found::Stale(alias) => Some(alias),
            Found::Missing => None,
        };
        let flight = Arc::clone(self.flights().entry(id).or_default());
        let waits = Waits {
            remote: self,
            id,
            flight,
        };
        let asked = waits.flight.get_or_init(|| self.ask(id, identity)).await;
        match (asked.clone(), stale) {
            (Ok(alias), _) => answer(alias),
            (Err(_), Some(alias)) => {
                self.count("stale");
                answer(alias)
            }
            (Err(why), None) => {
                self.count("trouble");
                Answer::Trouble(why)
            }
        }
    }

    fn count(&self, outcome: &str) {
        let lookups = &self.metrics.alias_lookups;
        lookups.with_label_values(&[outcome]).inc();
    }

    async fn ask(&self, id: IdentityId, identity: &Identity) -> Outcome {
        let turn = tokio::time::timeout(self.settings.timeout, self.slots.acquire()).await;
        let Ok(Ok(_slot)) = turn else {
            return Err("too many questions wait".to_owned());
        };
        // After the wait: what others found out meanwhile is known.
        if let Some(until) = self.breaker().blocked_until(self.clock.now()) {
            return Err(format!(
                "it kept failing, and is left alone until {until:.0}"
            ));
        }
        let begun = self.clock.elapsed();
        let outcome = self.call(identity).await;
        let took = self.clock.elapsed().saturating_sub(begun);
        self.metrics.alias_seconds.observe(took.as_secs_f64());
        let now = self.clock.now();
        match &outcome {
            Ok(alias) => {
                self.breaker().succeeded();
                self.metrics.alias_breaker_open.set(0);
                self.count(if alias.is_some() { "known" } else { "unknown" });
                self.cache.put(id, alias.clone(), now);
            }
            Err(why) => {
                self.count("failed");
                if self.breaker().failed(now) {
                    self.metrics.alias_breaker_open.set(1);
                    tracing::warn!(
                        why,
                        "the look-up of aliases keeps failing; it is left alone for a while"
                    );
                }
            }
        }
        outcome
    }

    /// One GET: no redirects, a bounded body, a bounded time, and no word of address or token in errors.
    async fn call(&self, identity: &Identity) -> Outcome {
        let failed = |error: reqwest::Error| match error.is_timeout() {
            true => "no answer in time".to_owned(),
            false => "no connection, or it broke before the answer was complete".to_owned(),
        };
        let mut query = vec![("identity", identity.value.as_str())];
        if let Some(user) = &identity.outgoing_user {
            query.push(("username", &user.username));
            query.push(("domain", &user.domain));
        }
        let mut request = self.client.get(self.url.clone()).query(&query);
        let token = self.settings.token.expose_secret();
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.settings.max_answer {
                return Err("the answer is longer than aliases.max_answer".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        answer::read(status, &body, identity, &self.settings.normal)
    }
}

fn address(text: &str) -> Result<Url, SetupError> {
    let url = Url::parse(text).map_err(|_| SetupError::Address("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(SetupError::Address("begins with neither https: nor http:"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SetupError::Address("holds a login; give a token"));
    }
    if url.fragment().is_some() {
        return Err(SetupError::Address("holds a fragment"));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
