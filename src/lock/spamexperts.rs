//! SpamExperts / Spampanel: locks an identity of an outgoing user by GET with basic auth. What the vendor
//! does not document (texts, the listing's format) is configuration, what is not recognised as success is a
//! failure, and no lock counts before the listing shows it.

use super::answer::{Body, shorten};
use super::call::{Caller, Setup};
use super::{Listed as Entry, LockTarget, NoListing, listing};
use crate::clock::Clock;
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::lock::{Action, LockOrder, Outcome, Subject};
use crate::metrics::Metrics;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

mod settings;

pub use super::call::SetupError;
pub use settings::{ALREADY_LOCKED, REFUSED, SUCCESS, Settings};

/// Parameters that belong to the order.
const RESERVED: [&str; 4] = ["call", "domain", "username", "identity"];

/// The target.
pub struct SpamExperts {
    settings: Settings,
    caller: Caller,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for SpamExperts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpamExperts")
            .field("name", &self.settings.name)
            .finish_non_exhaustive()
    }
}

/// What an answered call came to.
enum Answer {
    /// To be read on; the status was good.
    Body(Body),
    /// Nothing to read.
    Failed(Outcome),
}

/// Whether the listing shows the identity.
enum Listed {
    Yes,
    No,
    /// An answer came, but it is no listing.
    Unreadable(String),
    Failed(Outcome),
}

impl SpamExperts {
    /// Checks the settings and prepares the connection; calls nobody yet.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn new(
        settings: Settings,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let fixed = settings
            .lock_parameters
            .iter()
            .chain(&settings.list_parameters);
        for (key, value) in fixed {
            if key.is_empty() || value.is_empty() || RESERVED.contains(&key.as_str()) {
                return Err(SetupError::Parameter(key.clone()));
            }
        }
        for (key, call) in [
            ("lock_call", &settings.lock_call),
            ("list_call", &settings.list_call),
        ] {
            if call.trim().is_empty() {
                return Err(SetupError::Parameter(key.to_owned()));
            }
        }
        let caller = Caller::new(&Setup {
            url: &settings.url,
            login: &settings.login,
            password: &settings.password,
            timeout: settings.timeout,
            connect_timeout: settings.connect_timeout,
            max_body: settings.max_body,
            ca_file: settings.ca_file.as_ref(),
        })?;
        for (call, outcome) in [("lock", "ok"), ("list", "listed")] {
            metrics
                .lock_calls
                .with_label_values(&[&settings.name, call, outcome]);
        }
        Ok(Self {
            settings,
            caller,
            metrics,
            clock,
        })
    }

    fn count(&self, call: &str, outcome: &str) {
        let labels = [self.settings.name.as_str(), call, outcome];
        self.metrics.lock_calls.with_label_values(&labels).inc();
    }

    /// Safe to log and to store.
    fn clean(&self, text: &str) -> String {
        shorten(&self.caller.without_secret(text))
    }

    async fn call(&self, call: &'static str, query: &[(&str, &str)], identity: &str) -> Answer {
        let start = self.clock.elapsed();
        let got = self.caller.get(query).await;
        let took = self.clock.elapsed().saturating_sub(start).as_secs_f64();
        let labels = [self.settings.name.as_str(), call];
        self.metrics
            .lock_call_seconds
            .with_label_values(&labels)
            .observe(took);
        let (status, body) = match got {
            Ok((status, body)) => (status, Body::read(&body)),
            Err(none) => {
                self.count(call, none.label());
                return Answer::Failed(later(format!("{call}: {}", none.why())));
            }
        };
        if (200..300).contains(&status) {
            return Answer::Body(body);
        }
        let said = self.said(&body);
        let why = format!("{call}: HTTP {status}: {said}");
        let forbidden = matches!(status, 401 | 403);
        let final_text = status < 500 && !forbidden && self.is_refusal(&body, identity);
        if self.settings.refused_statuses.contains(&status) || final_text {
            self.count(call, "refused");
            return Answer::Failed(Outcome::Refused { why });
        }
        self.count(
            call,
            if forbidden {
                "unauthorized"
            } else {
                "http_error"
            },
        );
        Answer::Failed(later(why))
    }

    fn said(&self, body: &Body) -> String {
        match body {
            Body::Empty => "no text".to_owned(),
            Body::Broken => "an error page or a dump".to_owned(),
            Body::Plain(text) => self.clean(text),
            Body::Json(reply) if reply.words().is_empty() => "no words".to_owned(),
            Body::Json(reply) => self.clean(&reply.words()),
        }
    }

    fn is_refusal(&self, body: &Body, identity: &str) -> bool {
        words(body, identity)
            .is_some_and(|words| self.settings.refused.iter().any(|r| r.is_match(&words)))
    }

    async fn listed(&self, user: &OutgoingUser, identity: &str) -> Listed {
        let mut query = vec![
            ("call", self.settings.list_call.as_str()),
            ("domain", user.domain.as_str()),
            ("username", user.username.as_str()),
        ];
        query.extend(pairs(&self.settings.list_parameters));
        let body = match self.call("list", &query, identity).await {
            Answer::Body(body) => body,
            Answer::Failed(outcome) => return Listed::Failed(outcome),
        };
        if listing::holds(&body, identity) {
            self.count("list", "listed");
            return Listed::Yes;
        }
        let failed = match &body {
            Body::Broken => true,
            Body::Json(reply) => !reply.errors.is_empty(),
            Body::Empty | Body::Plain(_) => false,
        };
        if self.is_refusal(&body, identity) {
            self.count("list", "refused");
            let why = format!("list: {}", self.said(&body));
            return Listed::Failed(Outcome::Refused { why });
        }
        if failed {
            self.count("list", "not_understood");
            return Listed::Unreadable(format!("list: not a listing: {}", self.said(&body)));
        }
        self.count("list", "not_listed");
        Listed::No
    }

    /// The lock call; `Ok` holds what it answered, and is still to be confirmed.
    async fn ask(&self, user: &OutgoingUser, identity: &str) -> Result<String, Outcome> {
        let mut query = vec![
            ("call", self.settings.lock_call.as_str()),
            ("domain", user.domain.as_str()),
            ("username", user.username.as_str()),
            ("identity", identity),
        ];
        query.extend(pairs(&self.settings.lock_parameters));
        let body = match self.call("lock", &query, identity).await {
            Answer::Body(body) => body,
            Answer::Failed(outcome) => return Err(outcome),
        };
        let said = self.said(&body);
        let Some(words) = words(&body, identity) else {
            self.count("lock", "not_understood");
            return Err(later(format!("lock: {said}")));
        };
        if self.settings.already_locked.is_match(&words) {
            self.count("lock", "already_locked");
            return Ok(said);
        }
        if self.settings.refused.iter().any(|r| r.is_match(&words)) {
            self.count("lock", "refused");
            return Err(Outcome::Refused {
                why: format!("lock: {said}"),
            });
        }
        let (silent, errors) = match &body {
            Body::Json(reply) => (reply.is_silent(), !reply.errors.is_empty()),
            Body::Empty | Body::Broken | Body::Plain(_) => (words.is_empty(), false),
        };
        if silent || (!errors && self.settings.success.is_match(&words)) {
            self.count("lock", "ok");
            return Ok(said);
        }
        self.count("lock", "not_understood");
        Err(later(format!("lock: not recognised as success: {said}")))
    }
}

#[async_trait]
impl LockTarget for SpamExperts {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn can(&self, action: Action, subject: Subject) -> bool {
        action == Action::Lock && subject == Subject::Identity
    }

    async fn list(&self, _domains: &[String]) -> Result<Vec<Entry>, NoListing> {
        Err(NoListing::Unsupported)
    }

    async fn carry_out(&self, order: &LockOrder) -> Outcome {
        let (user, identity) = match scope(&order.identity) {
            Ok(scope) => scope,
            Err(why) => return Outcome::Refused { why: why.into() },
        };
        // An earlier try may have had its effect, whatever became of its answer.
        if order.attempts > 1 {
            match self.listed(user, identity).await {
                Listed::Yes => {
                    return Outcome::Done {
                        answer: "listed as locked by an earlier try".to_owned(),
                    };
                }
                Listed::Failed(outcome) => return outcome,
                Listed::No | Listed::Unreadable(_) => {}
            }
        }
        let answer = match self.ask(user, identity).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        match self.listed(user, identity).await {
            Listed::Yes => Outcome::Done { answer },
            Listed::No => later(format!(
                "not confirmed: answered {answer:?}, but is not listed"
            )),
            Listed::Unreadable(why) => later(format!("not confirmed: {why}")),
            Listed::Failed(Outcome::Later { why }) => later(format!("not confirmed: {why}")),
            Listed::Failed(outcome) => outcome,
        }
    }
}

fn later(why: String) -> Outcome {
    Outcome::Later { why }
}

fn pairs(map: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    map.iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
}

/// What may go on the wire: an empty argument would widen the lock, and so would the filter's wildcard.
fn scope(identity: &Identity) -> Result<(&OutgoingUser, &str), &'static str> {
    let widens = |text: &str| text.trim().is_empty() || text.contains('*');
    let control = |text: &str| text.chars().any(char::is_control);
    let Some(user) = &identity.outgoing_user else {
        return Err(
            "the report names no outgoing user, and a lock without one would reach too far",
        );
    };
    if widens(&user.domain) || control(&user.domain) {
        return Err("the domain is empty or a wildcard: the lock would reach every domain");
    }
    if widens(&user.username) || control(&user.username) {
        return Err(
            "the username is empty or a wildcard: the lock would reach every outgoing user",
        );
    }
    if widens(&identity.value) || control(&identity.value) {
        return Err("the identity is empty or a wildcard: the lock would reach every sender");
    }
    Ok((user, &identity.value))
}

/// What a body says, without the identity, which the sender chose: it must not be taken for the filter's own
/// words. None for what is no answer at all.
fn words(body: &Body, identity: &str) -> Option<String> {
    match body {
        Body::Broken => None,
        Body::Empty => Some(String::new()),
        Body::Plain(text) => Some(text.replace(identity, "…")),
        Body::Json(reply) => Some(reply.words().replace(identity, "…")),
    }
}
