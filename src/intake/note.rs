//! What is told of a report once it is filed, in figures and in log lines. The writer tells it, not who waits
//! for the reply: a report may become durable after its sender was told to retry.

use super::health::Health;
use super::prepare::Prepared;
use crate::domain::feed::health::Present;
use crate::domain::filing::Filed;
use crate::domain::restraint::Restraint;
use crate::metrics::Metrics;
use jiff::Timestamp;

/// What will be told of one report.
#[derive(Debug)]
pub(super) struct Note {
    /// Ties the lines to the session that brought the report.
    span: tracing::Span,
    feed: String,
    format: &'static str,
    kind: String,
    identity: Option<String>,
    detail: &'static str,
    defects: Vec<&'static str>,
    token_failures: Vec<&'static str>,
    /// The feed that it is from or claims to be from, for that feed's figures.
    of: Option<String>,
    present: Present,
    received_at: Timestamp,
}

impl Note {
    /// Takes down what is known before filing.
    pub(super) fn of(prepared: &Prepared, span: tracing::Span) -> Self {
        let filing = &prepared.filing;
        let kind = filing.feedback_type.as_ref().map_or("none", |k| k.label());
        Self {
            span,
            feed: filing.feed.clone().unwrap_or_else(|| "unproven".to_owned()),
            format: filing.format.as_str(),
            kind: kind.to_owned(),
            identity: filing.attribution.identity().map(ToString::to_string),
            detail: filing.attribution.label(),
            defects: prepared.defects.clone(),
            token_failures: prepared.token_failures.clone(),
            of: filing.feed.clone().or_else(|| prepared.nearest.clone()),
            present: prepared.present,
            received_at: filing.received_at,
        }
    }

    /// Counts and logs what became of it.
    pub(super) fn tell(&self, metrics: &Metrics, health: &Health, filed: &Filed) {
        let _within = self.span.enter();
        if filed.repeated {
            metrics.repeated.inc();
            tracing::info!(report = %filed.id, "the same report again; already filed");
            return;
        }
        self.tell_late(metrics, health, filed);
    }

    /// The same for a report that was filed before without being judged.
    pub(super) fn tell_late(&self, metrics: &Metrics, health: &Health, filed: &Filed) {
        let _within = self.span.enter();
        if let Some(feed) = &self.of {
            health.note(feed, self.present, filed.standing, self.received_at);
        }
        let labels = [self.feed.as_str(), self.kind.as_str(), self.format];
        metrics.reports.with_label_values(&labels).inc();
        for code in &self.defects {
            metrics.defects.with_label_values(&[*code]).inc();
        }
        for reason in &self.token_failures {
            metrics.token_failures.with_label_values(&[*reason]).inc();
        }
        let outcome = match self.identity {
            Some(_) => "identified",
            None => "unattributed",
        };
        let labels = [outcome, self.detail];
        metrics.attributions.with_label_values(&labels).inc();
        let standing = filed.standing.as_str();
        metrics.complaints.with_label_values(&[standing]).inc();
        let identity = self.identity.as_deref().unwrap_or("-");
        tracing::info!(
            report = %filed.id,
            feed = self.feed,
            format = self.format,
            feedback_type = self.kind,
            standing,
            identity,
            method = self.detail,
            "report filed"
        );
        if let Some(opened) = &filed.opened {
            metrics
                .crossings
                .with_label_values(&[opened.rule.as_str()])
                .inc();
            let restraint = opened.restraint.as_ref();
            if let Some(restraint) = restraint {
                let labels = [restraint.as_str()];
                metrics.restrained.with_label_values(&labels).inc();
            }
            tracing::warn!(
                report = %filed.id,
                incident = %opened.incident,
                rule = opened.rule,
                identity,
                ordered = opened.ordered,
                restraint = restraint.map(Restraint::sentence),
                "threshold crossed"
            );
        }
    }
}
