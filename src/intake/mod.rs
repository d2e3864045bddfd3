//! The first use case: a message comes in, is read, its feed proven, its sender named, and all of it filed
//! durably before anybody says 250. Reading and judging is pure ([`prepare`]); waiting for the transaction
//! is the [`writer`]'s.

pub mod prepare;
pub mod writer;

use crate::clock::Clock;
use crate::domain::feed::{Arrival, Feed};
use crate::domain::filing::{Filed, Filing};
use crate::metrics::Metrics;
use prepare::{Judge, Prepared};
use std::sync::Arc;
use writer::{NotFiled, WriterHandle};

/// Messages longer than this are read on a thread of their own, so that they do not hold up others.
const LARGE: usize = 256 << 10;

/// The intake: shared by all sessions.
#[derive(Debug)]
pub struct Intake {
    judge: Arc<Judge>,
    writer: WriterHandle,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl Intake {
    /// An intake that files through `writer`.
    pub fn new(
        judge: Judge,
        writer: WriterHandle,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            judge: Arc::new(judge),
            writer,
            clock,
            metrics,
        }
    }

    /// The configured feeds.
    pub fn feeds(&self) -> &[Feed] {
        &self.judge.feeds
    }

    /// Takes a message. `Ok` means that it is durable.
    ///
    /// # Errors
    /// When it could not be made durable now; the sender should try again.
    pub async fn take(&self, arrival: Arrival, message: Vec<u8>) -> Result<Filed, NotFiled> {
        let now = self.clock.now();
        let Prepared { filing, defects } = if message.len() > LARGE {
            let judge = Arc::clone(&self.judge);
            tokio::task::spawn_blocking(move || judge.prepare(arrival, &message, now))
                .await
                .map_err(|e| NotFiled::Unreadable(e.to_string()))?
        } else {
            self.judge.prepare(arrival, &message, now)
        };
        let note = Note::of(&filing);
        let filed = self.writer.file(filing).await?;
        self.count(&note, &defects, &filed);
        Ok(filed)
    }

    fn count(&self, note: &Note, defects: &[&'static str], filed: &Filed) {
        let metrics = &self.metrics;
        if filed.repeated {
            metrics.repeated.inc();
            tracing::info!(report = %filed.id, "the same report again; already filed");
            return;
        }
        let labels = [note.feed.as_str(), note.kind.as_str(), note.format];
        metrics.reports.with_label_values(&labels).inc();
        for code in defects {
            metrics.defects.with_label_values(&[*code]).inc();
        }
        let outcome = if note.identity.is_some() {
            "identified"
        } else {
            "unattributed"
        };
        metrics
            .attributions
            .with_label_values(&[outcome, note.detail])
            .inc();
        metrics
            .complaints
            .with_label_values(&[filed.standing.as_str()])
            .inc();
        tracing::info!(
            report = %filed.id,
            feed = note.feed,
            format = note.format,
            feedback_type = note.kind,
            standing = filed.standing.as_str(),
            identity = note.identity.as_deref().unwrap_or("-"),
            method = note.detail,
            "report filed"
        );
        if let Some(opened) = &filed.opened {
            metrics
                .crossings
                .with_label_values(&[opened.rule.as_str()])
                .inc();
            tracing::warn!(
                report = %filed.id,
                incident = %opened.incident,
                rule = opened.rule,
                identity = note.identity.as_deref().unwrap_or("-"),
                ordered = opened.ordered,
                "threshold crossed"
            );
        }
    }
}

/// What is said of a filing in logs and metrics once it is filed.
struct Note {
    feed: String,
    format: &'static str,
    kind: String,
    identity: Option<String>,
    detail: &'static str,
}

impl Note {
    fn of(filing: &Filing) -> Self {
        Self {
            feed: filing.feed.clone().unwrap_or_else(|| "unproven".to_owned()),
            format: filing.format.as_str(),
            kind: filing
                .feedback_type
                .as_ref()
                .map_or("none", |kind| kind.label())
                .to_owned(),
            identity: filing.attribution.identity().map(ToString::to_string),
            detail: filing.attribution.label(),
        }
    }
}
