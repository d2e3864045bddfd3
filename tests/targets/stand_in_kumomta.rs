//! KumoMTA's suspensions as a bench: each POST makes another one, whatever is there already, and one without a
//! tenant would be for all.

use super::stand_in_http::{HttpStandIn, Logic, Reply, Request};
use super::suite::{Bench, Fault};
use arfd::clock::SystemClock;
use arfd::lock::kumomta::{KumoMta, Settings, Tenant};
use arfd::lock::{LockTarget, Reach};
use arfd::metrics::Metrics;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "kumo's password";

#[derive(Default)]
pub struct Suspensions {
    pub list: Vec<Value>,
    made: u128,
    effects: usize,
}

impl Suspensions {
    fn tenants(&self) -> BTreeSet<String> {
        let tenant = |s: &Value| s["tenant"].as_str().unwrap_or("*").to_owned();
        self.list.iter().map(tenant).collect()
    }
}

impl Logic for Suspensions {
    fn answer(&mut self, request: &Request) -> Reply {
        let right = format!("Basic {}", STANDARD.encode(format!("desk:{PASSWORD}")));
        if request.header("authorization") != Some(&right) {
            return Reply::new(401, "who are you?");
        }
        assert_eq!(request.path(), "/api/admin/suspend/v1");
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match request.method.as_str() {
            "GET" => Reply::json(200, Value::Array(self.list.clone())),
            "POST" => {
                self.made += 1;
                let id = uuid::Uuid::from_u128(self.made).to_string();
                let mut made = body;
                made["id"] = json!(id);
                let before = self.tenants().len();
                self.list.push(made);
                self.effects += self.tenants().len() - before;
                Reply::json(200, json!({ "id": id }))
            }
            "DELETE" => {
                let before = self.list.len();
                self.list.retain(|s| s["id"] != body["id"]);
                match self.list.len() < before {
                    true => Reply::new(200, ""),
                    false => Reply::new(404, "no such suspension"),
                }
            }
            _ => Reply::new(405, ""),
        }
    }
}

pub struct Kumo(pub HttpStandIn<Suspensions>);

impl Kumo {
    pub fn settings(&self) -> Settings {
        Settings {
            name: "kumo".into(),
            url: self.0.url(),
            login: Some(("desk".into(), PASSWORD.into())),
            tenant: Tenant::Identity,
            duration: "7 days".into(),
            reach: Reach::default(),
        }
    }
}

pub fn target_of(settings: Settings) -> Arc<dyn LockTarget> {
    let metrics = Arc::new(Metrics::new().unwrap());
    Arc::new(KumoMta::new(settings, metrics, Arc::new(SystemClock::default())).unwrap())
}

#[async_trait]
impl Bench for Kumo {
    async fn start() -> Self {
        Self(HttpStandIn::start(Suspensions::default()).await)
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
        settings.login = Some(("desk".into(), "another's password".into()));
        Some(target_of(settings))
    }

    fn in_effect(&self) -> Vec<String> {
        self.0.logic().tenants().into_iter().collect()
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
        vec![PASSWORD]
    }
}
