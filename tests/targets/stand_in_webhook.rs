//! A receiver of webhooks as a bench: it checks the signature by its own arithmetic and the order by the
//! schema, and remembers idempotency keys. With a listing and without.

use super::stand_in_http::{HttpStandIn, Logic, Reply, Request};
use super::suite::{Bench, Fault};
use arfd::clock::{Clock, SystemClock};
use arfd::lock::webhook::{Settings, Webhook};
use arfd::lock::{LockTarget, Reach};
use arfd::metrics::Metrics;
use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub const SECRET: &str = "a secret of the webhook";

#[derive(Default)]
pub struct Receiver {
    /// Who is held or locked: the action, and the order's outgoing user.
    locked: BTreeMap<String, (String, Value)>,
    keys: BTreeSet<String>,
    pub orders: Vec<Value>,
    effects: usize,
}

impl Receiver {
    fn is_signed(request: &Request) -> bool {
        let header = |name| request.header(name).unwrap_or_default().to_owned();
        let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
        let text = [format!("{id}.{at}.").as_bytes(), &request.body].concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let right = format!("v1,{}", STANDARD.encode(hmac::sign(&key, &text)));
        let age = SystemClock::default().now().as_second() - at.parse::<i64>().unwrap_or(0);
        right == header("webhook-signature") && age.abs() < 300
    }
}

impl Logic for Receiver {
    fn answer(&mut self, request: &Request) -> Reply {
        if !Self::is_signed(request) {
            return Reply::json(401, json!({"error": "wrong signature"}));
        }
        if request.method == "GET" {
            let entries = self.locked.iter().map(|(identity, (action, user))| {
                json!({"action": action, "identity": identity, "outgoing_user": user})
            });
            let entries: Vec<Value> = entries.collect();
            return Reply::json(200, json!({ "entries": entries }));
        }
        let order: Value = serde_json::from_slice(&request.body).unwrap();
        let schema: Value =
            serde_json::from_str(include_str!("../../schemas/lock-order.schema.json")).unwrap();
        jsonschema::validate(&schema, &order).unwrap();
        let key = request.header("idempotency-key").unwrap().to_owned();
        assert_eq!(order["id"], key);
        assert_eq!(request.header("webhook-id"), Some(key.as_str()));
        let identity = order["identity"].as_str().unwrap().to_owned();
        self.orders.push(order.clone());
        if identity.starts_with("unknown") {
            return Reply::json(404, json!({"error": "no such customer"}));
        }
        if !self.keys.insert(key) {
            return Reply::json(409, json!({"message": "done before"}));
        }
        let action = order["action"].as_str().unwrap().to_owned();
        if action == "release" {
            // It forgets what came before, as orders of the tests repeat.
            self.keys.clear();
            self.locked.remove(&identity);
        } else {
            let user = order["outgoing_user"].clone();
            if self.locked.insert(identity, (action, user)).is_none() {
                self.effects += 1;
            }
        }
        Reply::json(200, json!({"message": "done"}))
    }
}

pub struct Hook(pub HttpStandIn<Receiver>);
pub struct SilentHook(Hook);

impl Hook {
    pub fn settings(&self) -> Settings {
        Settings {
            name: "hook".into(),
            url: format!("{}/orders", self.0.url()),
            list_url: Some(format!("{}/list", self.0.url())),
            secret: SECRET.into(),
            hold: true,
            reach: Reach::default(),
        }
    }
}

pub fn target_of(settings: Settings) -> Arc<dyn LockTarget> {
    let metrics = Arc::new(Metrics::new().unwrap());
    Arc::new(Webhook::new(settings, metrics, Arc::new(SystemClock::default())).unwrap())
}

#[async_trait]
impl Bench for Hook {
    async fn start() -> Self {
        Self(HttpStandIn::start(Receiver::default()).await)
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
        settings.secret = "the secret of another".into();
        Some(target_of(settings))
    }

    fn unknown(&self) -> Option<&'static str> {
        Some("unknown@x.example")
    }

    fn in_effect(&self) -> Vec<String> {
        self.0.logic().locked.keys().cloned().collect()
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
        vec![SECRET]
    }
}

#[async_trait]
impl Bench for SilentHook {
    async fn start() -> Self {
        Self(Hook::start().await)
    }

    fn target(&self) -> Arc<dyn LockTarget> {
        let mut settings = self.0.settings();
        settings.list_url = None;
        target_of(settings)
    }

    fn hasty(&self) -> Arc<dyn LockTarget> {
        let mut settings = self.0.settings();
        settings.list_url = None;
        settings.reach.timeout = Duration::from_millis(100);
        target_of(settings)
    }

    fn in_effect(&self) -> Vec<String> {
        self.0.in_effect()
    }

    fn effects(&self) -> usize {
        self.0.effects()
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
        self.0.secrets()
    }
}
