//! SpamExperts / Spampanel: locks and unlocks by GET with basic auth. What the vendor does not document (texts,
//! the listing's format, some calls' names) is configuration, what is not recognised as success is a failure,
//! and no lock or unlock of an identity counts before the listing shows it.

use super::answer::{Body, shorten};
use super::call::{Caller, address, below};
use super::meter::Meter;
use super::rows::{self, Row};
use super::scope::Scope;
use super::{Listed, LockTarget, NoListing, listing};
use crate::clock::Clock;
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::lock::{Action, LockOrder, Outcome, Subject};
use crate::metrics::Metrics;
use async_trait::async_trait;
use reqwest::{Method, Url};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

mod operation;
mod settings;

pub use super::call::SetupError;
use operation::{Arguments, Operation};
pub use settings::{
    ALREADY_LISTED, ALREADY_LOCKED, ALREADY_RELEASED, Call, LISTED, NOTHING, REFUSED, RELEASED,
    SUCCESS, Settings, Style,
};

/// Parameters that belong to the order.
const RESERVED: [&str; 5] = ["call", "domain", "username", "identity", "sender"];
/// What stands for every outgoing user, in listings only.
const EVERY_USER: &str = "*";

/// The target.
pub struct SpamExperts {
    settings: Settings,
    url: Url,
    caller: Caller,
    meter: Meter,
    lock: Call,
    list: Call,
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

/// What a listing shows of an order's subject.
enum Shown {
    Listed,
    /// A listing that does not hold it.
    Absent,
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
        let s = &settings;
        let flat = |call: &String, parameters: &BTreeMap<String, String>| Call {
            call: call.clone(),
            parameters: parameters.clone(),
            success: s.success.clone(),
            already: s.already_locked.clone(),
            refused: Vec::new(),
        };
        let lock = flat(&s.lock_call, &s.lock_parameters);
        let list = flat(&s.list_call, &s.list_parameters);
        for call in [
            &lock,
            &list,
            &s.unlock,
            &s.lock_user,
            &s.unlock_user,
            &s.list_users,
            &s.blacklist,
            &s.unblacklist,
            &s.list_senders,
        ] {
            for (key, value) in &call.parameters {
                if key.is_empty() || value.is_empty() || RESERVED.contains(&key.as_str()) {
                    return Err(SetupError::Parameter(key.clone()));
                }
            }
        }
        for (key, call) in [("lock_call", &lock), ("list_call", &list)] {
            if call.call.trim().is_empty() {
                return Err(SetupError::Parameter(key.to_owned()));
            }
        }
        let url = address(&s.url)?;
        if s.login.is_empty() || s.login.contains(':') {
            return Err(SetupError::Login);
        }
        let good = [("lock", "ok"), ("unlock", "ok"), ("list", "listed")];
        Ok(Self {
            caller: Caller::new(&url, &s.reach(), vec![s.password.clone()])?,
            meter: Meter::new(&s.name, metrics, clock, &good),
            settings,
            url,
            lock,
            list,
        })
    }

    /// Safe to log and to store.
    fn clean(&self, text: &str) -> String {
        shorten(&self.caller.without_secret(text))
    }

    /// One GET. The arguments are those of the order; fixed ones follow.
    async fn get(&self, label: &'static str, call: &Call, arguments: &Arguments<'_>) -> Answer {
        let pairs: Vec<(&str, &str)> = arguments.pairs().chain(pairs(&call.parameters)).collect();
        let mut request = match self.settings.style {
            Style::Query => {
                let query = std::iter::once(("call", call.call.as_str())).chain(pairs);
                let query: Vec<(&str, &str)> = query.collect();
                self.caller
                    .request(Method::GET, self.url.clone())
                    .query(&query)
            }
            Style::Path => {
                let segments = pairs.iter().flat_map(|(key, value)| [*key, *value]);
                let segments = std::iter::once(call.call.as_str()).chain(segments);
                let url = below(&self.url, segments);
                self.caller.request(Method::GET, url)
            }
        };
        let password = self.settings.password.expose_secret();
        request = request.basic_auth(&self.settings.login, Some(password));
        let got = self.meter.timed(label, self.caller.send(request)).await;
        let answered = match got {
            Ok(answered) => answered,
            Err(none) => {
                self.meter.count(label, none.label());
                return Answer::Failed(later(format!("{label}: {}", none.why())));
            }
        };
        let (status, body) = (answered.status, Body::read(&answered.body));
        if (200..300).contains(&status) {
            return Answer::Body(body);
        }
        let why = format!("{label}: HTTP {status}: {}", self.said(&body));
        let forbidden = matches!(status, 401 | 403);
        let final_text =
            status < 500 && !forbidden && self.is_refusal(call, &body, arguments.value);
        if self.settings.refused_statuses.contains(&status) || final_text {
            self.meter.count(label, "refused");
            return Answer::Failed(Outcome::Refused { why });
        }
        let outcome = match forbidden {
            true => "unauthorized",
            false => "http_error",
        };
        self.meter.count(label, outcome);
        match answered.retry_after(self.meter.clock().now()) {
            Some(after) if matches!(status, 429 | 503) => {
                Answer::Failed(Outcome::Busy { why, after })
            }
            _ => Answer::Failed(later(why)),
        }
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

    fn is_refusal(&self, call: &Call, body: &Body, value: &str) -> bool {
        let texts = self.settings.refused.iter().chain(&call.refused);
        words(body, value).is_some_and(|words| texts.into_iter().any(|r| r.is_match(&words)))
    }

    async fn shown(&self, list: &Call, operation: &Operation<'_>) -> Shown {
        let value = operation.arguments.value;
        let body = match self.get("list", list, &operation.listing).await {
            Answer::Body(body) => body,
            Answer::Failed(outcome) => return Shown::Failed(outcome),
        };
        if listing::holds(&body, value) {
            self.meter.count("list", "listed");
            return Shown::Listed;
        }
        if self.is_refusal(list, &body, value) {
            self.meter.count("list", "refused");
            let why = format!("list: {}", self.said(&body));
            return Shown::Failed(Outcome::Refused { why });
        }
        if rows::rows(&body, &self.settings.nothing).is_none() {
            self.meter.count("list", "not_understood");
            return Shown::Unreadable(format!("list: not a listing: {}", self.said(&body)));
        }
        self.meter.count("list", "not_listed");
        Shown::Absent
    }

    /// The call itself; `Ok` holds what it answered, and is still to be confirmed.
    async fn ask(&self, operation: &Operation<'_>) -> Result<String, Outcome> {
        let (label, call) = (operation.label, operation.call);
        let value = operation.arguments.value;
        let body = match self.get(label, call, &operation.arguments).await {
            Answer::Body(body) => body,
            Answer::Failed(outcome) => return Err(outcome),
        };
        let said = self.said(&body);
        let Some(words) = words(&body, value) else {
            self.meter.count(label, "not_understood");
            return Err(later(format!("{label}: {said}")));
        };
        if call.already.is_match(&words) {
            let outcome = match operation.wanted {
                true => "already_locked",
                false => "already_released",
            };
            self.meter.count(label, outcome);
            return Ok(said);
        }
        if self.is_refusal(call, &body, value) {
            self.meter.count(label, "refused");
            return Err(Outcome::Refused {
                why: format!("{label}: {said}"),
            });
        }
        let (silent, errors) = match &body {
            Body::Json(reply) => (reply.is_silent(), !reply.errors.is_empty()),
            Body::Empty | Body::Broken | Body::Plain(_) => (words.is_empty(), false),
        };
        if silent || (!errors && call.success.is_match(&words)) {
            self.meter.count(label, "ok");
            return Ok(said);
        }
        self.meter.count(label, "not_understood");
        Err(later(format!("{label}: not recognised as success: {said}")))
    }

    /// One listing of a domain.
    async fn entries(
        &self,
        call: &Call,
        subject: Subject,
        domain: &str,
    ) -> Result<Vec<Listed>, NoListing> {
        let mut arguments = vec![("domain", domain)];
        if subject == Subject::Identity {
            arguments.push(("username", EVERY_USER));
        }
        let arguments = Arguments {
            arguments,
            value: "",
        };
        let failed = |why: String| Err(NoListing::Failed(why));
        let body = match self.get("list", call, &arguments).await {
            Answer::Body(body) => body,
            Answer::Failed(
                Outcome::Later { why } | Outcome::Refused { why } | Outcome::Busy { why, .. },
            ) => return failed(why),
            Answer::Failed(Outcome::Done { answer }) => return failed(answer),
        };
        let Some(rows) = rows::rows(&body, &self.settings.nothing) else {
            self.meter.count("list", "not_understood");
            return failed(format!("list: not a listing: {}", self.said(&body)));
        };
        self.meter.count("list", "listed");
        Ok(rows
            .into_iter()
            .filter_map(|row| entry(row, subject, domain))
            .collect())
    }
}

/// A row as what it is a listing of.
fn entry(row: Row, subject: Subject, domain: &str) -> Option<Listed> {
    let domain = row.domain.as_deref().unwrap_or(domain);
    let user = match subject {
        Subject::OutgoingUser => {
            // A listing of users names them as `username` or, for want of a better word, as the entry.
            let name = row.username.as_deref().unwrap_or(&row.identity);
            Some(OutgoingUser::new(domain, name)?)
        }
        _ => row
            .username
            .as_deref()
            .and_then(|name| OutgoingUser::new(domain, name)),
    };
    Some(Listed {
        action: Action::Lock,
        subject,
        identity: Identity {
            outgoing_user: user,
            value: row.identity.to_lowercase(),
        },
    })
}

#[async_trait]
impl LockTarget for SpamExperts {
    fn name(&self) -> &str {
        self.meter.name()
    }

    fn can(&self, action: Action, subject: Subject) -> bool {
        self.call_for(action, subject).is_some()
    }

    async fn list(&self, domains: &[String]) -> Result<Vec<Listed>, NoListing> {
        let s = &self.settings;
        if !s.list_all_users || domains.is_empty() {
            return Err(NoListing::Unsupported);
        }
        let mut found = Vec::new();
        for domain in domains {
            if domain.trim().is_empty() || domain.contains(['*', '/']) {
                continue;
            }
            for (call, subject) in [
                (&self.list, Subject::Identity),
                (&s.list_users, Subject::OutgoingUser),
                (&s.list_senders, Subject::Sender),
            ] {
                if !call.call.is_empty() {
                    found.extend(self.entries(call, subject, domain).await?);
                }
            }
        }
        Ok(found)
    }

    async fn carry_out(&self, order: &LockOrder) -> Outcome {
        let operation = Scope::of(order).and_then(|scope| self.operation(order.action, scope));
        let operation = match operation {
            Ok(operation) => operation,
            Err(why) => return Outcome::Refused { why: why.into() },
        };
        // An earlier try may have had its effect, whatever became of its answer.
        if let (Some(list), true) = (operation.list, order.attempts > 1) {
            let done = |answer: &str| Outcome::Done {
                answer: answer.to_owned(),
            };
            match (self.shown(list, &operation).await, operation.wanted) {
                (Shown::Listed, true) => return done("listed as locked by an earlier try"),
                (Shown::Absent, false) => return done("not listed as locked any more"),
                (Shown::Failed(outcome), _) => return outcome,
                (Shown::Listed | Shown::Absent | Shown::Unreadable(_), _) => {}
            }
        }
        let answer = match self.ask(&operation).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let Some(list) = operation.list else {
            return Outcome::Done {
                answer: format!("{answer} (nothing lists it, so this is the filter's word only)"),
            };
        };
        match (self.shown(list, &operation).await, operation.wanted) {
            (Shown::Listed, true) | (Shown::Absent, false) => Outcome::Done { answer },
            (Shown::Absent, true) => later(format!(
                "not confirmed: answered {answer:?}, but is not listed"
            )),
            (Shown::Listed, false) => later(format!(
                "not confirmed: answered {answer:?}, but is still listed"
            )),
            (Shown::Unreadable(why), _) => later(format!("not confirmed: {why}")),
            (Shown::Failed(Outcome::Later { why }), _) => later(format!("not confirmed: {why}")),
            (Shown::Failed(outcome), _) => outcome,
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

/// What a body says, without the identity, which the sender chose: it must not be taken for the filter's own
/// words. None for what is no answer at all.
fn words(body: &Body, value: &str) -> Option<String> {
    let without = |text: &str| match value {
        "" => text.to_owned(),
        value => text.replace(value, "…"),
    };
    match body {
        Body::Broken => None,
        Body::Empty => Some(String::new()),
        Body::Plain(text) => Some(without(text)),
        Body::Json(reply) => Some(without(&reply.words())),
    }
}
