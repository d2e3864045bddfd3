//! WHM as a bench: it answers 200 to nearly everything, and says in the body whether it worked.

use super::stand_in_http::{HttpStandIn, Logic, Reply, Request};
use super::suite::{Bench, Fault};
use arfd::clock::SystemClock;
use arfd::lock::cpanel::{Cpanel, Settings};
use arfd::lock::{LockTarget, Reach};
use arfd::metrics::Metrics;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const TOKEN: &str = "WHMTOKEN0123456789";
/// The account that owns every domain but those of others.
const ACCOUNT: &str = "custom";

#[derive(Default)]
pub struct Whm {
    /// Mailboxes: held, suspended.
    boxes: BTreeMap<String, (bool, bool)>,
    /// The same of accounts.
    pub accounts: BTreeMap<String, (bool, bool)>,
    effects: usize,
}

fn done(data: Value) -> Reply {
    Reply::json(
        200,
        json!({"metadata": {"version": 1, "result": 1, "reason": "OK"}, "data": data}),
    )
}

fn failed(reason: &str) -> Reply {
    Reply::json(
        200,
        json!({"metadata": {"version": 1, "result": 0, "reason": reason}}),
    )
}

fn uapi(status: u8, data: Value, errors: Value) -> Reply {
    done(json!({"uapi": {"status": status, "data": data, "errors": errors, "messages": null}}))
}

impl Whm {
    fn email(&mut self, request: &Request) -> Reply {
        let get = |name| request.parameter(name).unwrap_or_default();
        assert_eq!(get("cpanel.module"), "Email");
        if get("cpanel.user") != ACCOUNT {
            return failed("You do not have access to the account.");
        }
        let function = get("cpanel.function");
        if function == "list_pops_with_disk" {
            let domain = format!("@{}", get("domain"));
            let rows = self
                .boxes
                .iter()
                .filter(|(email, _)| email.ends_with(&domain));
            let rows = rows.map(|(email, (held, suspended))| {
                json!({"email": email, "hold_outgoing": u8::from(*held), "suspended_outgoing": u8::from(*suspended)})
            });
            return uapi(1, Value::Array(rows.collect()), Value::Null);
        }
        let email = get("email");
        let Some(flags) = self.boxes.get_mut(&email) else {
            let text = format!("You do not have an email account named “{email}”.");
            return uapi(0, Value::Null, json!([text]));
        };
        let before = flags.0 || flags.1;
        match function.as_str() {
            "hold_outgoing" => flags.0 = true,
            "release_outgoing" => flags.0 = false,
            "suspend_outgoing" => flags.1 = true,
            "unsuspend_outgoing" => flags.1 = false,
            other => panic!("{other}"),
        }
        self.effects += usize::from(!before && (flags.0 || flags.1));
        uapi(1, Value::Null, Value::Null)
    }
}

impl Logic for Whm {
    fn answer(&mut self, request: &Request) -> Reply {
        if request.header("authorization") != Some(&format!("whm root:{TOKEN}")) {
            return Reply::json(403, json!({"cpanelresult": {"error": "Access denied"}}));
        }
        let get = |name| request.parameter(name).unwrap_or_default();
        assert_eq!(get("api.version"), "1");
        let function = request.path().trim_start_matches("/json-api/").to_owned();
        match function.as_str() {
            "getdomainowner" if get("domain").starts_with("x.example") => {
                done(json!({"user": ACCOUNT}))
            }
            "getdomainowner" => done(json!({"user": null})),
            "uapi_cpanel" => self.email(request),
            "listaccts" => {
                let rows = self.accounts.iter();
                let rows =
                    rows.filter(|(user, _)| get("search").is_empty() || **user == get("search"));
                let rows = rows.map(|(user, (held, suspended))| {
                    json!({"user": user, "domain": "x.example", "outgoing_mail_hold": u8::from(*held),
                           "outgoing_mail_suspended": u8::from(*suspended)})
                });
                done(json!({ "acct": rows.collect::<Vec<_>>() }))
            }
            _ => {
                let Some(flags) = self.accounts.get_mut(&get("user")) else {
                    return failed("The user does not exist.");
                };
                match function.as_str() {
                    "hold_outgoing_email" => flags.0 = true,
                    "release_outgoing_email" => flags.0 = false,
                    "suspend_outgoing_email" => flags.1 = true,
                    "unsuspend_outgoing_email" => flags.1 = false,
                    other => panic!("{other}"),
                }
                done(Value::Null)
            }
        }
    }
}

pub struct Panel(pub HttpStandIn<Whm>);

impl Panel {
    fn settings(&self) -> Settings {
        Settings {
            name: "panel".into(),
            url: self.0.url(),
            login: "root".into(),
            token: TOKEN.into(),
            reach: Reach::default(),
        }
    }
}

fn target_of(settings: Settings) -> Arc<dyn LockTarget> {
    let metrics = Arc::new(Metrics::new().unwrap());
    Arc::new(Cpanel::new(settings, metrics, Arc::new(SystemClock::default())).unwrap())
}

#[async_trait]
impl Bench for Panel {
    async fn start() -> Self {
        Self(HttpStandIn::start(Whm::default()).await)
    }

    fn target(&self) -> Arc<dyn LockTarget> {
        target_of(self.settings())
    }

    fn hasty(&self) -> Arc<dyn LockTarget> {
        let mut settings = self.settings();
        settings.reach.timeout = Duration::from_millis(100);
        target_of(settings)
    }

    fn impostor(&self) -> Option<Arc<dyn LockTarget>> {
        let mut settings = self.settings();
        settings.token = "WHMTOKENOFANOTHER".into();
        Some(target_of(settings))
    }

    fn add(&self, identity: &str) {
        self.0.logic().boxes.entry(identity.to_owned()).or_default();
    }

    fn unknown(&self) -> Option<&'static str> {
        Some("unknown@x.example")
    }

    fn in_effect(&self) -> Vec<String> {
        let logic = self.0.logic();
        let locked = logic.boxes.iter().filter(|(_, flags)| flags.0 || flags.1);
        locked.map(|(email, _)| email.clone()).collect()
    }

    fn effects(&self) -> usize {
        self.0.logic().effects
    }

    fn plan(&self, fault: Fault) -> bool {
        self.0.plan(fault)
    }

    async fn down(&mut self) {
        self.0.down().await;
    }

    async fn up(&mut self) {
        self.0.up().await;
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![TOKEN]
    }
}
