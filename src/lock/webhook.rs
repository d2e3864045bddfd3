//! Webhook: each order is one signed POST of JSON with an idempotency key. A plain success is an empty body or
//! a JSON object without an error, so that a login page with status 200 is none; where a listing is configured,
//! it has the last word.

use super::answer::{Body, shorten};
use super::call::{Answered, Caller, Reach, SetupError, address};
use super::meter::Meter;
use super::scope::Scope;
use super::{Listed, LockTarget, NoListing, wire};
use crate::clock::Clock;
use crate::domain::lock::{Action, LockOrder, Outcome, Subject};
use crate::metrics::Metrics;
use async_trait::async_trait;
use reqwest::{Method, RequestBuilder, Url, header};
use secrecy::SecretString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

mod sign;

pub use sign::{ID, SIGNATURE, TIMESTAMP};

/// The header that says which tries are one (draft-ietf-httpapi-idempotency-key-header).
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// What a request for the listing is signed as, which has no order.
const LISTING: &str = "list";

/// How one receiver is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The target's name.
    pub name: String,
    /// Where orders are posted.
    pub url: String,
    /// Where the listing is fetched, if there is one.
    pub list_url: Option<String>,
    /// What requests are signed with.
    pub secret: SecretString,
    /// What may be asked, besides locks.
    pub hold: bool,
    /// The further bounds.
    pub reach: Reach,
}

/// The target.
pub struct Webhook {
    settings: Settings,
    url: Url,
    list_url: Option<Url>,
    key: sign::Key,
    caller: Caller,
    meter: Meter,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.settings.name)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// Checks the settings and prepares the connection; calls nobody yet.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn new(
        settings: Settings,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let url = address(&settings.url)?;
        let list_url = settings.list_url.as_deref().map(address).transpose()?;
        let key = sign::Key::new(&settings.secret).map_err(SetupError::Secret)?;
        let secrets = vec![settings.secret.clone()];
        Ok(Self {
            caller: Caller::new(&url, &settings.reach, secrets)?,
            meter: Meter::new(&settings.name, metrics, clock, &[("order", "ok")]),
            settings,
            url,
            list_url,
            key,
        })
    }

    fn signed(&self, request: RequestBuilder, id: &str, body: &[u8]) -> RequestBuilder {
        let at = self.meter.clock().now().as_second();
        request
            .header(ID, id)
            .header(TIMESTAMP, at)
            .header(SIGNATURE, self.key.sign(id, at, body))
            .header(header::ACCEPT, "application/json")
    }

    fn said(&self, answered: &Answered) -> String {
        let text = match Body::read(&answered.body) {
            Body::Empty => return "no text".to_owned(),
            Body::Broken => return "an error page or a dump".to_owned(),
            Body::Plain(text) => text,
            Body::Json(reply) => {
                let mut words = reply.words();
                for key in ["message", "detail", "title"] {
                    if let (true, Some(text)) = (words.is_empty(), reply.result[key].as_str()) {
                        words = text.to_owned();
                    }
                }
                words
            }
        };
        shorten(&self.caller.without_secret(&text))
    }

    /// What an answer to an order comes to; `Ok` is still to be confirmed where there is a listing.
    fn judge(&self, answered: &Answered) -> Result<String, Outcome> {
        let (status, said) = (answered.status, self.said(answered));
        let count = |outcome| self.meter.count("order", outcome);
        let why = format!("HTTP {status}: {said}");
        match status {
            409 => {
                count("already_done");
                Ok(format!("done before: {said}"))
            }
            // Taken, but not done: the same key asks again until it is.
            202 => {
                count("accepted");
                Err(self.wait(answered, format!("accepted, not done yet: {said}")))
            }
            200..=299 => match Body::read(&answered.body) {
                Body::Empty => {
                    count("ok");
                    Ok(said)
                }
                Body::Json(reply) if reply.result.is_object() && reply.errors.is_empty() => {
                    count("ok");
                    Ok(said)
                }
                _ => {
                    count("not_understood");
                    Err(later(format!("neither empty nor a JSON object: {said}")))
                }
            },
            401 | 403 => {
                count("unauthorized");
                Err(later(why))
            }
            408 | 425 | 429 => {
                count("http_error");
                Err(self.wait(answered, why))
            }
            400..=499 => {
                count("refused");
                Err(Outcome::Refused { why })
            }
            300..=399 => {
                count("http_error");
                Err(later(format!("{why} (redirects are not followed)")))
            }
            _ => {
                count("http_error");
                Err(self.wait(answered, why))
            }
        }
    }

    fn wait(&self, answered: &Answered, why: String) -> Outcome {
        match answered.retry_after(self.meter.clock().now()) {
            Some(after) if after > Duration::ZERO => Outcome::Busy { why, after },
            _ => later(why),
        }
    }

    async fn fetch(&self, url: &Url, domains: &[String]) -> Result<Vec<Listed>, String> {
        let pairs: Vec<(&str, &String)> = domains.iter().map(|d| ("domain", d)).collect();
        let request = self.caller.request(Method::GET, url.clone()).query(&pairs);
        let request = self.signed(request, LISTING, b"");
        let got = self.meter.timed("list", self.caller.send(request)).await;
        let failed = |outcome: &str, why: String| {
            self.meter.count("list", outcome);
            Err(format!("list: {why}"))
        };
        let answered = match got {
            Ok(answered) => answered,
            Err(none) => return failed(none.label(), none.why().to_owned()),
        };
        if answered.status != 200 {
            let said = self.said(&answered);
            return failed("http_error", format!("HTTP {}: {said}", answered.status));
        }
        match wire::listing(&answered.body) {
            Some(found) => {
                self.meter.count("list", "listed");
                Ok(found)
            }
            None => failed("not_understood", "not a listing".to_owned()),
        }
    }
}

#[async_trait]
impl LockTarget for Webhook {
    fn name(&self) -> &str {
        self.meter.name()
    }

    fn can(&self, action: Action, _: Subject) -> bool {
        action != Action::Hold || self.settings.hold
    }

    async fn carry_out(&self, order: &LockOrder) -> Outcome {
        if let Err(why) = Scope::of(order) {
            return Outcome::Refused { why: why.into() };
        }
        let body = match wire::order(order) {
            Ok(body) => body,
            Err(error) => {
                return Outcome::Refused {
                    why: format!("cannot be written as JSON: {error}"),
                };
            }
        };
        let id = order.id.to_string();
        let request = self
            .caller
            .request(Method::POST, self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, &id);
        let request = self.signed(request, &id, &body).body(body);
        let got = self.meter.timed("order", self.caller.send(request)).await;
        let answered = match got {
            Ok(answered) => answered,
            Err(none) => {
                self.meter.count("order", none.label());
                return later(none.why().to_owned());
            }
        };
        let answer = match self.judge(&answered) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let Some(url) = &self.list_url else {
            return Outcome::Done { answer };
        };
        let domain = order.identity.outgoing_user.as_ref();
        let domains: Vec<String> = domain.map(|user| user.domain.clone()).into_iter().collect();
        match self.fetch(url, &domains).await {
            Err(why) => later(format!("not confirmed: {why}")),
            Ok(found) => {
                let mut of = found.iter().filter(|listed| listed.is_of(order));
                let as_ordered = match order.action {
                    Action::Release => of.next().is_none(),
                    action => of.any(|listed| listed.action == action),
                };
                match as_ordered {
                    true => Outcome::Done { answer },
                    false => later(format!(
                        "not confirmed: answered {answer:?}, but the listing says otherwise"
                    )),
                }
            }
        }
    }

    async fn list(&self, domains: &[String]) -> Result<Vec<Listed>, NoListing> {
        let url = self.list_url.as_ref().ok_or(NoListing::Unsupported)?;
        self.fetch(url, domains).await.map_err(NoListing::Failed)
    }
}

fn later(why: String) -> Outcome {
    Outcome::Later { why }
}
