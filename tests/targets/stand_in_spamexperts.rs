//! The stand-in filter of the demonstration as a bench, addressed in both styles.

use super::suite::{Bench, Fault};
use arfd::cli::demo::stand_in::{self, StandIn};
use arfd::clock::SystemClock;
use arfd::lock::LockTarget;
use arfd::lock::spamexperts::{Settings, SpamExperts, Style};
use arfd::metrics::Metrics;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "correct horse";

pub struct Filter(pub StandIn);
pub struct FilterByPath(Filter);

impl Filter {
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::new("filter", &self.0.url(), "desk", PASSWORD.into()).unwrap();
        settings.list_all_users = true;
        settings
    }
}

pub fn target_of(settings: Settings) -> Arc<dyn LockTarget> {
    let metrics = Arc::new(Metrics::new().unwrap());
    Arc::new(SpamExperts::new(settings, metrics, Arc::new(SystemClock::default())).unwrap())
}

#[async_trait]
impl Bench for Filter {
    async fn start() -> Self {
        Self(StandIn::start("desk", PASSWORD).await.unwrap())
    }

    fn target(&self) -> Arc<dyn LockTarget> {
        target_of(self.settings())
    }

    fn hasty(&self) -> Arc<dyn LockTarget> {
        let mut settings = self.settings();
        settings.timeout = Duration::from_millis(100);
        target_of(settings)
    }

    fn impostor(&self) -> Option<Arc<dyn LockTarget>> {
        let mut settings = self.settings();
        settings.password = "wrong pony".into();
        Some(target_of(settings))
    }

    fn in_effect(&self) -> Vec<String> {
        self.0
            .locked()
            .into_iter()
            .map(|entry| entry.identity)
            .collect()
    }

    fn effects(&self) -> usize {
        self.0.effective_locks()
    }

    fn plan(&self, fault: Fault) -> bool {
        self.0.push_fault(match fault {
            Fault::ReplyLost => stand_in::Fault::ReplyLost,
            Fault::Slow => stand_in::Fault::Slow,
            Fault::Garbage => stand_in::Fault::Answer(200, "\u{1}{{ok: succe\u{0}ss".into()),
            Fault::Html => stand_in::Fault::Html200,
            Fault::Error500 => stand_in::Fault::Error500,
            Fault::Huge => stand_in::Fault::Answer(200, "OK ".repeat(1 << 20)),
        });
        true
    }

    async fn down(&mut self) {
        self.0.stop();
    }

    async fn up(&mut self) {
        self.0.restart().await.unwrap();
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![PASSWORD, "Y29ycmVjdCBob3JzZQ"]
    }
}

impl FilterByPath {
    fn settings(&self) -> Settings {
        let mut settings = self.0.settings();
        settings.style = Style::Path;
        settings.url = settings.url.replace("/cgi-bin/api", "/api");
        settings
    }
}

#[async_trait]
impl Bench for FilterByPath {
    async fn start() -> Self {
        Self(Filter::start().await)
    }

    fn target(&self) -> Arc<dyn LockTarget> {
        target_of(self.settings())
    }

    fn hasty(&self) -> Arc<dyn LockTarget> {
        let mut settings = self.settings();
        settings.timeout = Duration::from_millis(100);
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
