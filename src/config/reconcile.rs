//! The section `[reconcile]`: how what targets say is locked is held against the store.

use super::check::Problems;
use super::settings::Settings;
use super::values::Span;
use serde::{Deserialize, Serialize};

/// How targets are held against the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reconcile {
    /// How often; 0 for never.
    pub every: Span,
    /// How old a change must be before a listing has to show it.
    pub grace: Span,
    /// What is done about a lock that is missing at a target.
    pub when_lost: WhenLost,
    /// So many that are missing at once are taken for a person's doing.
    pub max_unlocked: u64,
    /// Whether locks by others are written down as incidents.
    pub adopt: bool,
    /// How many domains are asked for, besides those where somebody is locked.
    pub max_domains: u32,
}

/// What is done about a lock that is missing at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenLost {
    /// Somebody unlocked it there: it is released here, too.
    Release,
    /// It is locked again.
    Repair,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self {
            every: Span::secs(600),
            grace: Span::secs(120),
            when_lost: WhenLost::Release,
            max_unlocked: 10,
            adopt: true,
            max_domains: 200,
        }
    }
}

pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    let own = &settings.reconcile;
    let every = own.every.0.as_secs();
    problems.demand(
        every == 0 || every >= 10,
        "reconcile.every",
        "must be at least 10s, or 0s for never",
    );
    problems.demand(
        own.max_domains <= 10_000,
        "reconcile.max_domains",
        "must be at most 10000: each is a call, at some targets",
    );
}
