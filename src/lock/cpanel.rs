//! cPanel and WHM: holds or suspends the outgoing mail of a mailbox (UAPI `Email`, called through WHM for the
//! account that owns its domain) or of a whole account (WHM). Success stands in the body, not in the status:
//! `metadata.result`, and within it UAPI's own `status`, must be 1. The mailbox's or account's own flags confirm.

use super::answer::{Body, shorten};
use super::call::{Caller, Reach, SetupError, address, below};
use super::meter::Meter;
use super::scope::Scope;
use super::{Listed, LockTarget, NoListing};
use crate::clock::Clock;
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::lock::{Action, LockOrder, Outcome, Subject};
use crate::metrics::Metrics;
use async_trait::async_trait;
use reqwest::{Method, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// Texts after which no further try is made: the mailbox or the account is not there.
const NOT_THERE: [&str; 4] = [
    "does not exist",
    "do not have an email account named",
    "you do not have access to the account",
    "no such user",
];

/// How one server is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The target's name.
    pub name: String,
    /// The server, as in `https://host.example.net:2087`.
    pub url: String,
    /// The WHM user that the token belongs to.
    pub login: String,
    /// The API token.
    pub token: SecretString,
    /// The further bounds.
    pub reach: Reach,
}

/// The target.
pub struct Cpanel {
    settings: Settings,
    url: Url,
    caller: Caller,
    meter: Meter,
}

impl fmt::Debug for Cpanel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cpanel")
            .field("name", &self.settings.name)
            .finish_non_exhaustive()
    }
}

/// What the server says of a mailbox or an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flags {
    held: bool,
    suspended: bool,
}

impl Flags {
    fn of(value: &Value, held: &str, suspended: &str) -> Self {
        Self {
            held: is_one(&value[held]),
            suspended: is_one(&value[suspended]),
        }
    }

    fn are(self, action: Action) -> bool {
        match action {
            Action::Hold => self.held,
            Action::Lock => self.suspended,
            Action::Release => !self.held && !self.suspended,
        }
    }

    fn actions(self) -> impl Iterator<Item = Action> {
        let held = self.held.then_some(Action::Hold);
        held.into_iter()
            .chain(self.suspended.then_some(Action::Lock))
    }
}

/// 1, "1" or true.
fn is_one(value: &Value) -> bool {
    value.as_u64() == Some(1) || value.as_str() == Some("1") || value.as_bool() == Some(true)
}

/// What an order is about, at this server.
enum Whom<'o> {
    Mailbox {
        email: &'o str,
        account: String,
        domain: &'o str,
    },
    Account(&'o str),
}

impl Cpanel {
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
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if settings.login.is_empty() || !settings.login.chars().all(fits) {
            return Err(SetupError::Login);
        }
        let token = settings.token.expose_secret();
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(SetupError::Secret("is no token"));
        }
        let good = [("order", "ok"), ("list", "listed"), ("owner", "ok")];
        Ok(Self {
            caller: Caller::new(&url, &settings.reach, vec![settings.token.clone()])?,
            meter: Meter::new(&settings.name, metrics, clock, &good),
            settings,
            url,
        })
    }

    fn clean(&self, text: &str) -> String {
        shorten(&self.caller.without_secret(text))
    }

    /// One function of WHM API 1; what it answers under `data`.
    async fn whm(
        &self,
        label: &str,
        function: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Value, Outcome> {
        let url = below(&self.url, ["json-api", function]);
        let token = format!(
            "whm {}:{}",
            self.settings.login,
            self.settings.token.expose_secret()
        );
        let request = self
            .caller
            .request(Method::GET, url)
            .query(&[("api.version", "1")])
            .query(parameters)
            .header(header::AUTHORIZATION, token);
        let failed = |outcome: &str, why: String| {
            self.meter.count(label, outcome);
            Err(later(format!("{function}: {why}")))
        };
        let answered = match self.meter.timed(label, self.caller.send(request)).await {
            Ok(answered) => answered,
            Err(none) => return failed(none.label(), none.why().to_owned()),
        };
        let status = answered.status;
        let Ok(mut body) = serde_json::from_slice::<Value>(&answered.body) else {
            let said = match Body::read(&answered.body) {
                Body::Plain(text) => self.clean(&text),
                _ => "no JSON".to_owned(),
            };
            let outcome = match status {
                401 | 403 => "unauthorized",
                200..=299 => "not_understood",
                _ => "http_error",
            };
            return failed(outcome, format!("HTTP {status}: {said}"));
        };
        let reason = self.clean(body["metadata"]["reason"].as_str().unwrap_or("no reason"));
        if !(200..300).contains(&status) {
            let forbidden = matches!(status, 401 | 403);
            let outcome = if forbidden {
                "unauthorized"
            } else {
                "http_error"
            };
            return failed(outcome, format!("HTTP {status}: {reason}"));
        }
        if !is_one(&body["metadata"]["result"]) {
            return Err(self.judge(label, function, &reason));
        }
        Ok(body["data"].take())
    }

    /// One function of UAPI's module `Email`, as the account; what it answers under its own `data`.
    async fn uapi(
        &self,
        label: &str,
        account: &str,
        function: &str,
        parameter: (&str, &str),
    ) -> Result<Value, Outcome> {
        let parameters = [
            ("cpanel.user", account),
            ("cpanel.module", "Email"),
            ("cpanel.function", function),
            parameter,
        ];
        let mut data = self.whm(label, "uapi_cpanel", &parameters).await?;
        let mut inner = data["uapi"].take();
        if is_one(&inner["status"]) {
            return Ok(inner["data"].take());
        }
        let errors = inner["errors"].as_array().into_iter().flatten();
        let errors: Vec<&str> = errors.filter_map(Value::as_str).collect();
        let said = match errors.is_empty() {
            true => "it does not say that it worked".to_owned(),
            false => self.clean(&errors.join("; ")),
        };
        Err(self.judge(label, function, &said))
    }

    /// What an answer without success comes to.
    fn judge(&self, label: &str, function: &str, said: &str) -> Outcome {
        let lower = said.to_lowercase();
        let why = format!("{function}: {said}");
        match NOT_THERE.iter().any(|text| lower.contains(text)) {
            true => {
                self.meter.count(label, "refused");
                Outcome::Refused { why }
            }
            false => {
                self.meter.count(label, "not_understood");
                later(why)
            }
        }
    }

    /// The account that owns a domain.
    async fn owner(&self, domain: &str) -> Result<String, Outcome> {
        let data = self
            .whm("owner", "getdomainowner", &[("domain", domain)])
            .await?;
        match data["user"].as_str() {
            Some(user) if is_account(user) => {
                self.meter.count("owner", "ok");
                Ok(user.to_owned())
            }
            _ => {
                self.meter.count("owner", "refused");
                let why = "no account of this server owns the domain".to_owned();
                Err(Outcome::Refused { why })
            }
        }
    }

    async fn whom<'o>(&self, scope: Scope<'o>) -> Result<Whom<'o>, Outcome> {
        let refused = |why: &str| Outcome::Refused {
            why: why.to_owned(),
        };
        match scope.subject {
            Subject::Identity => {
                let (_, domain) = scope.address().map_err(refused)?;
                Ok(Whom::Mailbox {
                    email: scope.value,
                    account: self.owner(domain).await?,
                    domain,
                })
            }
            Subject::OutgoingUser => {
                let user = scope.user().map_err(refused)?;
                match is_account(&user.username) {
                    true => Ok(Whom::Account(&user.username)),
                    false => Err(refused(
                        "the outgoing user's name is not that of an account",
                    )),
                }
            }
            Subject::Sender => Err(refused("a sender address is nobody's mailbox")),
        }
    }

    /// All mailboxes of a domain with their flags.
    async fn mailboxes(
        &self,
        account: &str,
        domain: &str,
    ) -> Result<Vec<(String, Flags)>, Outcome> {
        let parameter = ("domain", domain);
        let data = self
            .uapi("list", account, "list_pops_with_disk", parameter)
            .await?;
        let Some(rows) = data.as_array() else {
            self.meter.count("list", "not_understood");
            return Err(later("list_pops_with_disk: not a list".to_owned()));
        };
        self.meter.count("list", "listed");
        let row = |row: &Value| {
            let email = row["email"].as_str()?.to_lowercase();
            Some((email, Flags::of(row, "hold_outgoing", "suspended_outgoing")))
        };
        Ok(rows.iter().filter_map(row).collect())
    }

    async fn flags(&self, whom: &Whom<'_>) -> Result<Flags, Outcome> {
        match whom {
            Whom::Mailbox {
                email,
                account,
                domain,
            } => {
                let found = self.mailboxes(account, domain).await?;
                let wanted = email.to_lowercase();
                let found = found.into_iter().find(|(email, _)| *email == wanted);
                found
                    .map(|(_, flags)| flags)
                    .ok_or_else(|| Outcome::Refused {
                        why: "there is no such mailbox".to_owned(),
                    })
            }
            Whom::Account(user) => {
                let parameters = [
                    ("search", *user),
                    ("searchtype", "user"),
                    ("searchmethod", "exact"),
                ];
                let data = self.whm("list", "listaccts", &parameters).await?;
                let rows = data["acct"].as_array().into_iter().flatten();
                let mut rows = rows.filter(|row| row["user"].as_str() == Some(user));
                self.meter.count("list", "listed");
                let found = rows.next().ok_or_else(|| Outcome::Refused {
                    why: "there is no such account".to_owned(),
                })?;
                Ok(Flags::of(
                    found,
                    "outgoing_mail_hold",
                    "outgoing_mail_suspended",
                ))
            }
        }
    }

    async fn act(&self, whom: &Whom<'_>, function: &str) -> Result<(), Outcome> {
        let done = match whom {
            Whom::Mailbox { email, account, .. } => {
                self.uapi("order", account, function, ("email", email))
                    .await
            }
            Whom::Account(user) => {
                let function = format!("{function}_email");
                self.whm("order", &function, &[("user", user)]).await
            }
        };
        done.map(|_| self.meter.count("order", "ok"))
    }

    async fn try_order(&self, action: Action, scope: Scope<'_>) -> Result<String, Outcome> {
        let whom = self.whom(scope).await?;
        let flags = self.flags(&whom).await?;
        if flags.are(action) {
            return Ok("it was so before".to_owned());
        }
        match action {
            Action::Hold => self.act(&whom, "hold_outgoing").await?,
            Action::Lock => self.act(&whom, "suspend_outgoing").await?,
            Action::Release => {
                if flags.suspended {
                    self.act(&whom, "unsuspend_outgoing").await?;
                }
                if flags.held {
                    self.act(&whom, "release_outgoing").await?;
                }
            }
        }
        match self.flags(&whom).await?.are(action) {
            true => Ok("confirmed by its flags".to_owned()),
            false => Err(later("not confirmed: its flags say otherwise".to_owned())),
        }
    }
}

/// Whether a text can be the name of an account; anything else might be read as more than one.
fn is_account(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    !text.is_empty() && text.len() <= 64 && text != "root" && text.chars().all(fine)
}

#[async_trait]
impl LockTarget for Cpanel {
    fn name(&self) -> &str {
        self.meter.name()
    }

    fn can(&self, _: Action, subject: Subject) -> bool {
        subject != Subject::Sender
    }

    async fn carry_out(&self, order: &LockOrder) -> Outcome {
        let scope = match Scope::of(order) {
            Ok(scope) => scope,
            Err(why) => return Outcome::Refused { why: why.into() },
        };
        let done = self.try_order(order.action, scope).await;
        done.map_or_else(|outcome| outcome, |answer| Outcome::Done { answer })
    }

    /// The mailboxes of the domains; all accounts besides, where no domain is named.
    async fn list(&self, domains: &[String]) -> Result<Vec<Listed>, NoListing> {
        let failed = |outcome| match outcome {
            Outcome::Later { why } | Outcome::Refused { why } | Outcome::Busy { why, .. } => {
                NoListing::Failed(why)
            }
            Outcome::Done { answer } => NoListing::Failed(answer),
        };
        let mut found = Vec::new();
        if domains.is_empty() {
            let data = self.whm("list", "listaccts", &[]).await.map_err(failed)?;
            self.meter.count("list", "listed");
            for row in data["acct"].as_array().into_iter().flatten() {
                let (user, domain) = (row["user"].as_str(), row["domain"].as_str());
                let user = user.and_then(|user| OutgoingUser::new(domain?, user));
                let flags = Flags::of(row, "outgoing_mail_hold", "outgoing_mail_suspended");
                found.extend(user.into_iter().flat_map(|user| {
                    flags.actions().map(move |action| Listed {
                        action,
                        subject: Subject::OutgoingUser,
                        identity: Identity {
                            value: user.username.clone(),
                            outgoing_user: Some(user.clone()),
                        },
                    })
                }));
            }
        }
        for domain in domains {
            let account = match self.owner(domain).await {
                Ok(account) => account,
                // Not a domain of this server: nothing of it is locked here.
                Err(Outcome::Refused { .. }) => continue,
                Err(outcome) => return Err(failed(outcome)),
            };
            for (email, flags) in self.mailboxes(&account, domain).await.map_err(failed)? {
                found.extend(flags.actions().map(|action| Listed {
                    action,
                    subject: Subject::Identity,
                    identity: Identity {
                        outgoing_user: None,
                        value: email.clone(),
                    },
                }));
            }
        }
        Ok(found)
    }
}

fn later(why: String) -> Outcome {
    Outcome::Later { why }
}
