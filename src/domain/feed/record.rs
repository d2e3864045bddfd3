//! What is kept of a proof with its report, for whoever asks later why a report counts or does not.

use super::checks::Checks;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a proof ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A feed is proven.
    Proven,
    /// None is.
    NotProven,
    /// It cannot be told for now; it is tried again.
    Pending,
}

/// The record of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofRecord {
    /// How it ended.
    pub outcome: Ending,
    /// Why it did, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was taken.
    pub at: Timestamp,
    /// How often it was taken.
    pub tries: u32,
    /// What signatures and policies said; none where DNS was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
}
