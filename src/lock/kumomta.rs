//! KumoMTA: suspends a tenant's scheduled queues by its HTTP API. A suspension keeps mail back; it refuses none.
//! The identifier that ends one is not stored but found in KumoMTA's own list, so it survives our restarts, and
//! a suspension that somebody else made for the same tenant is seen too. Nothing is ever sent without a tenant:
//! KumoMTA takes that as all of them.

use super::answer::{Body, shorten};
use super::call::{Answered, Caller, Reach, SetupError, address};
use super::meter::Meter;
use super::scope::Scope;
use super::{Listed, LockTarget, NoListing};
use crate::clock::Clock;
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::lock::{Action, LockOrder, Outcome, Subject};
use crate::metrics::Metrics;
use async_trait::async_trait;
use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;

/// The path of the API below the server's address.
const PATH: &str = "/api/admin/suspend/v1";
/// What the reason of a suspension begins with that we made, and for what.
const HOLD: &str = "arfd hold: ";
const LOCK: &str = "arfd lock: ";
/// The longest reason that is sent, in characters.
const LONGEST_REASON: usize = 300;

/// What of an order is the tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tenant {
    /// The identity.
    #[default]
    Identity,
    /// The outgoing user's name.
    Username,
    /// The outgoing user's domain.
    Domain,
}

/// How one server is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The target's name.
    pub name: String,
    /// The server, as in `http://127.0.0.1:8000`.
    pub url: String,
    /// Login and password, where it asks for them.
    pub login: Option<(String, SecretString)>,
    /// What of an order is the tenant.
    pub tenant: Tenant,
    /// How long a suspension lasts, as KumoMTA reads it: `7 days`.
    pub duration: String,
    /// The further bounds.
    pub reach: Reach,
}

/// The target.
pub struct KumoMta {
    settings: Settings,
    url: Url,
    caller: Caller,
    meter: Meter,
}

impl fmt::Debug for KumoMta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KumoMta")
            .field("name", &self.settings.name)
            .finish_non_exhaustive()
    }
}

/// One suspension, as KumoMTA lists it.
#[derive(Debug, Deserialize)]
struct Suspension {
    id: uuid::Uuid,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    campaign: Option<String>,
    #[serde(default)]
    domain: Option<String>,
    #[serde(default)]
    reason: String,
}

impl Suspension {
    /// Whether it is of all mail of that tenant, whoever made it.
    fn is_of(&self, tenant: &str) -> bool {
        self.tenant.as_deref() == Some(tenant) && self.campaign.is_none() && self.domain.is_none()
    }

    fn action(&self) -> Action {
        match self.reason.starts_with(LOCK) {
            true => Action::Lock,
            false => Action::Hold,
        }
    }
}

impl KumoMta {
    /// Checks the settings and prepares the connection; calls nobody yet.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn new(
        settings: Settings,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let mut url = address(&settings.url)?;
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{PATH}"));
        if let Some((login, _)) = &settings.login
            && (login.is_empty() || login.contains(':'))
        {
            return Err(SetupError::Login);
        }
        let secrets = settings.login.iter().map(|(_, password)| password.clone());
        let good = [("suspend", "ok"), ("list", "listed"), ("cancel", "ok")];
        Ok(Self {
            caller: Caller::new(&url, &settings.reach, secrets.collect())?,
            meter: Meter::new(&settings.name, metrics, clock, &good),
            settings,
            url,
        })
    }

    fn request(&self, method: Method) -> RequestBuilder {
        let request = self.caller.request(method, self.url.clone());
        match &self.settings.login {
            Some((login, password)) => request.basic_auth(login, Some(password.expose_secret())),
            None => request,
        }
    }

    fn said(&self, answered: &Answered) -> String {
        match Body::read(&answered.body) {
            Body::Empty => "no text".to_owned(),
            Body::Broken => "an error page or a dump".to_owned(),
            Body::Plain(text) => shorten(&self.caller.without_secret(&text)),
            Body::Json(reply) => shorten(&self.caller.without_secret(&reply.words())),
        }
    }

    /// One call that was answered with a good status.
    async fn call(&self, label: &str, request: RequestBuilder) -> Result<Answered, Outcome> {
        let answered = match self.meter.timed(label, self.caller.send(request)).await {
            Ok(answered) => answered,
            Err(none) => {
                self.meter.count(label, none.label());
                return Err(later(format!("{label}: {}", none.why())));
            }
        };
        let status = answered.status;
        if (200..300).contains(&status) {
            return Ok(answered);
        }
        let why = format!("{label}: HTTP {status}: {}", self.said(&answered));
        match status {
            400 | 422 => {
                self.meter.count(label, "refused");
                Err(Outcome::Refused { why })
            }
            _ => {
                let unauthorized = matches!(status, 401 | 403);
                let outcome = if unauthorized {
                    "unauthorized"
                } else {
                    "http_error"
                };
                self.meter.count(label, outcome);
                Err(later(why))
            }
        }
    }

    async fn suspensions(&self) -> Result<Vec<Suspension>, Outcome> {
        let answered = self.call("list", self.request(Method::GET)).await?;
        match serde_json::from_slice(&answered.body) {
            Ok(found) => {
                self.meter.count("list", "listed");
                Ok(found)
            }
            Err(_) => {
                self.meter.count("list", "not_understood");
                let said = self.said(&answered);
                Err(later(format!("list: not a listing: {said}")))
            }
        }
    }

    /// Whose mail it is about: never nothing.
    fn tenant<'o>(&self, scope: &Scope<'o>) -> Result<&'o str, &'static str> {
        match (self.settings.tenant, scope.subject) {
            (_, Subject::Sender) => Err("a sender address is no tenant"),
            (Tenant::Identity, Subject::Identity) => Ok(scope.value),
            (Tenant::Identity, Subject::OutgoingUser) => {
                Err("tenants are identities here, not outgoing users")
            }
            (Tenant::Username | Tenant::Domain, Subject::Identity) => {
                Err("tenants are outgoing users here: the lock would reach every identity of one")
            }
            (Tenant::Username, Subject::OutgoingUser) => Ok(&scope.user()?.username),
            (Tenant::Domain, Subject::OutgoingUser) => Ok(&scope.user()?.domain),
        }
    }

    async fn suspend(&self, order: &LockOrder, tenant: &str) -> Result<String, Outcome> {
        let found = self.suspensions().await?;
        let so = |s: &&Suspension| s.is_of(tenant) && s.action() >= order.action;
        if let Some(known) = found.iter().find(so) {
            return Ok(format!("suspended before: {}", known.id));
        }
        let mark = match order.action {
            Action::Lock => LOCK,
            Action::Hold | Action::Release => HOLD,
        };
        let reason: String = order.reason.chars().take(LONGEST_REASON).collect();
        let body = serde_json::json!({
            "tenant": tenant,
            "reason": format!("{mark}{reason}"),
            "duration": self.settings.duration,
        });
        let request = self
            .request(Method::POST)
            .header("content-type", "application/json")
            .body(body.to_string());
        let answered = self.call("suspend", request).await?;
        #[derive(Deserialize)]
        struct Made {
            id: uuid::Uuid,
        }
        let Ok(made) = serde_json::from_slice::<Made>(&answered.body) else {
            self.meter.count("suspend", "not_understood");
            let said = self.said(&answered);
            return Err(later(format!("suspend: no identifier: {said}")));
        };
        self.meter.count("suspend", "ok");
        let found = self.suspensions().await?;
        match found.iter().any(|s| so(&s)) {
            true => Ok(format!("suspended: {}", made.id)),
            false => Err(later("not confirmed: it is not listed".to_owned())),
        }
    }

    async fn cancel(&self, tenant: &str) -> Result<String, Outcome> {
        let mut ended = 0;
        for suspension in self.suspensions().await? {
            if !suspension.is_of(tenant) {
                continue;
            }
            let body = serde_json::json!({ "id": suspension.id });
            let request = self
                .request(Method::DELETE)
                .header("content-type", "application/json")
                .body(body.to_string());
            match self.call("cancel", request).await {
                Ok(_) => self.meter.count("cancel", "ok"),
                // It may have ended meanwhile; the listing says.
                Err(outcome) if !matches!(outcome, Outcome::Refused { .. }) => return Err(outcome),
                Err(_) => {}
            }
            ended += 1;
        }
        if ended == 0 {
            return Ok("nothing was suspended".to_owned());
        }
        match self.suspensions().await?.iter().any(|s| s.is_of(tenant)) {
            true => Err(later("not confirmed: it is still listed".to_owned())),
            false => Ok(format!("suspensions ended: {ended}")),
        }
    }
}

#[async_trait]
impl LockTarget for KumoMta {
    fn name(&self) -> &str {
        self.meter.name()
    }

    fn can(&self, _: Action, subject: Subject) -> bool {
        match self.settings.tenant {
            Tenant::Identity => subject == Subject::Identity,
            Tenant::Username | Tenant::Domain => subject == Subject::OutgoingUser,
        }
    }

    async fn carry_out(&self, order: &LockOrder) -> Outcome {
        let tenant = Scope::of(order).and_then(|scope| self.tenant(&scope));
        let tenant = match tenant {
            Ok(tenant) if !tenant.trim().is_empty() => tenant,
            Ok(_) => {
                let why = "no tenant: KumoMTA would suspend all of them".to_owned();
                return Outcome::Refused { why };
            }
            Err(why) => return Outcome::Refused { why: why.into() },
        };
        let done = match order.action {
            Action::Release => self.cancel(tenant).await,
            Action::Hold | Action::Lock => self.suspend(order, tenant).await,
        };
        done.map_or_else(|outcome| outcome, |answer| Outcome::Done { answer })
    }

    async fn list(&self, _: &[String]) -> Result<Vec<Listed>, NoListing> {
        let found = self.suspensions().await.map_err(|outcome| match outcome {
            Outcome::Later { why } | Outcome::Refused { why } | Outcome::Busy { why, .. } => {
                NoListing::Failed(why)
            }
            Outcome::Done { answer } => NoListing::Failed(answer),
        })?;
        let mut listed: Vec<Listed> = Vec::new();
        for suspension in found {
            let Some(tenant) = suspension.tenant.clone() else {
                continue;
            };
            if !suspension.is_of(&tenant) {
                continue;
            }
            let user = match self.settings.tenant {
                Tenant::Domain => OutgoingUser::new(&tenant, ""),
                Tenant::Identity | Tenant::Username => None,
            };
            let entry = Listed {
                action: suspension.action(),
                subject: match self.settings.tenant {
                    Tenant::Identity => Subject::Identity,
                    Tenant::Username | Tenant::Domain => Subject::OutgoingUser,
                },
                identity: Identity {
                    outgoing_user: user,
                    value: tenant,
                },
            };
            if !listed.contains(&entry) {
                listed.push(entry);
            }
        }
        Ok(listed)
    }
}

fn later(why: String) -> Outcome {
    Outcome::Later { why }
}
