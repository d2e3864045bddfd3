//! The standing of a report: whether it counts towards a lock, and if not, the one reason why. Every
//! report has exactly one standing, so that the desk can ask of each why it did or did not weigh.

use super::attribution::{Attribution, Outcome, Reason};
use super::feed::Feed;
use super::feedback::FeedbackType;
use super::report::{Format, MessageKind, Reading};
use serde::{Deserialize, Serialize};

/// Whether and why a report counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is a complaint and weighs.
    Counted,
    /// The same complaint was counted before.
    Duplicate,
    /// The message is no report. Kept for people.
    NotAReport,
    /// No feed's proof holds: anybody may have sent it.
    Unproven,
    /// Whether a feed's proof holds, or who the identity is, cannot be told for now; it is tried again.
    Pending,
    /// Its type never counts (`not-spam`, `auth-failure`).
    NeverCounts,
    /// The feed gives this type no weight.
    Weightless,
    /// Nobody could be named as the sender.
    Unattributed,
    /// It names an identity behind which many customers sit: never locked automatically.
    Shared,
    /// The message was never ours.
    NotOurs,
    /// The message came into our network from outside, and one of our customers only forwarded it.
    Forwarded,
    /// Its feed has had as many complaints counted in this hour as it may.
    OverCap,
}

impl Standing {
    /// All of them, for metrics that start at zero.
    pub const ALL: [Self; 12] = [
        Self::Counted,
        Self::Duplicate,
        Self::NotAReport,
        Self::Unproven,
        Self::Pending,
        Self::NeverCounts,
        Self::Weightless,
        Self::Unattributed,
        Self::Shared,
        Self::NotOurs,
        Self::Forwarded,
        Self::OverCap,
    ];

    /// The stable name, as in the store and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Duplicate => "duplicate",
            Self::NotAReport => "not_a_report",
            Self::Unproven => "unproven",
            Self::Pending => "pending",
            Self::NeverCounts => "never_counts",
            Self::Weightless => "weightless",
            Self::Unattributed => "unattributed",
            Self::Shared => "shared",
            Self::NotOurs => "not_ours",
            Self::Forwarded => "forwarded",
            Self::OverCap => "over_cap",
        }
    }
}

impl Standing {
    /// Why it counts or does not, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Counted => "A proven feed complains about one customer.",
            Self::Duplicate => "The same complaint was counted before.",
            Self::NotAReport => "It is no report; a person may read it.",
            Self::Unproven => "No feed's proof holds: anybody may have sent it.",
            Self::Pending => "Its feed or its identity cannot be told for now; it is tried again.",
            Self::NeverCounts => "Its type never counts.",
            Self::Weightless => "The feed gives its type no weight.",
            Self::Unattributed => "Nobody could be named as the sender.",
            Self::Shared => {
                "Many customers are behind the identity: it is never locked automatically."
            }
            Self::NotOurs => "The message was never ours.",
            Self::Forwarded => "The message came from outside, and a customer only forwarded it.",
            Self::OverCap => "Its feed has had as many counted in this hour as it may.",
        }
    }
}

/// Judges a report. `Counted` is still subject to the store, which knows whether the same complaint was
/// counted before. A report without a feedback type is taken as `other`.
pub fn judge(reading: &Reading<'_>, feed: Option<&Feed>, outcome: &Outcome) -> Standing {
    if reading.format == Format::None {
        return Standing::NotAReport;
    }
    // What a proven feed sends on was not written by it.
    let feed = feed.filter(|_| reading.kind != Some(MessageKind::ForwardedReport));
    let Some(feed) = feed else {
        return Standing::Unproven;
    };
    let kind = feedback_type(reading);
    if !kind.may_count() {
        Standing::NeverCounts
    } else if feed.weight_of(&kind) == 0 {
        Standing::Weightless
    } else {
        named(outcome)
    }
}

/// Whether a report that could count names somebody who can be locked for it.
fn named(outcome: &Outcome) -> Standing {
    match &outcome.attribution {
        Attribution::Unattributed { reason, .. } => match reason {
            Reason::NotOurNetwork => Standing::NotOurs,
            Reason::Forwarded => Standing::Forwarded,
            _ if outcome.shared => Standing::Shared,
            _ => Standing::Unattributed,
        },
        Attribution::Identified { .. } if outcome.shared => Standing::Shared,
        Attribution::Identified { .. } => Standing::Counted,
    }
}

/// The type that a report is judged by. A feedback part that only points at a XARF document (RFC 9477)
/// is judged by the document: spam is abuse, all else `other`.
pub fn feedback_type(reading: &Reading<'_>) -> FeedbackType {
    match &reading.report.feedback_type {
        None => FeedbackType::Other,
        Some(FeedbackType::Unknown(name)) if name == "xarf" && reading.format == Format::Xarf => {
            let says = |names: [&str; 2], word: &str| {
                let mut values = names
                    .iter()
                    .filter_map(|name| reading.report.extensions.get(*name)?.first());
                values.any(|value| value.eq_ignore_ascii_case(word))
            };
            let class = ["report_class", "category"];
            let mail = says(class, "activity") || says(class, "messaging");
            match mail && says(["report_type", "type"], "spam") {
                true => FeedbackType::Abuse,
                false => FeedbackType::Other,
            }
        }
        Some(kind) => kind.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attribution::IdentificationMethod;
    use crate::domain::identity::Identity;

    fn unattributed(reason: Reason) -> Outcome {
        Outcome {
            attribution: Attribution::Unattributed {
                reason,
                outgoing_user: None,
            },
            shared: false,
            token_failures: Vec::new(),
        }
    }

    #[test]
    fn truth_table() {
        let feed = Feed {
            name: "f".into(),
            weights: [(FeedbackType::Fraud, 0)].into(),
            ..Feed::default()
        };
        let identified = Outcome {
            attribution: Attribution::Identified {
                identity: Identity {
                    outgoing_user: None,
                    value: "a@b".into(),
                },
                method: IdentificationMethod::EnvelopeSender,
                provenance: String::new(),
                strength: Default::default(),
            },
            shared: false,
            token_failures: Vec::new(),
        };
        let nobody = unattributed(Reason::NothingMatched);
        use Standing::*;
        for (format, kind, proven, named, want) in [
            (Format::None, None, true, true, NotAReport),
            (Format::None, None, false, false, NotAReport),
            (Format::Arf, Some("abuse"), false, true, Unproven),
            (Format::Arf, Some("not-spam"), true, true, NeverCounts),
            (Format::Arf, Some("auth-failure"), true, true, NeverCounts),
            (Format::Arf, Some("fraud"), true, true, Weightless),
            (Format::Arf, Some("made-up"), true, true, Weightless),
            (Format::Arf, None, true, true, Weightless),
            (Format::Arf, Some("abuse"), true, false, Unattributed),
            (Format::Arf, Some("abuse"), true, true, Counted),
            (Format::Jmrp, Some("abuse"), true, true, Counted),
        ] {
            let mut reading = Reading::none();
            reading.format = format;
            reading.report.feedback_type = kind.map(FeedbackType::from);
            let got = judge(
                &reading,
                proven.then_some(&feed),
                if named { &identified } else { &nobody },
            );
            assert_eq!(
                got, want,
                "{format:?} {kind:?} proven={proven} named={named}"
            );
        }
    }

    #[test]
    fn reasons_that_are_standings() {
        let feed = Feed::default();
        let mut reading = Reading::none();
        reading.format = Format::Arf;
        reading.report.feedback_type = Some(FeedbackType::Abuse);
        for reason in Reason::ALL {
            let want = match reason {
                Reason::NotOurNetwork => Standing::NotOurs,
                Reason::Forwarded => Standing::Forwarded,
                _ => Standing::Unattributed,
            };
            let outcome = unattributed(*reason);
            assert_eq!(judge(&reading, Some(&feed), &outcome), want, "{reason:?}");
            assert_eq!(judge(&reading, None, &outcome), Standing::Unproven);
        }
        let shared = Outcome {
            shared: true,
            ..unattributed(Reason::SharedUser)
        };
        assert_eq!(judge(&reading, Some(&feed), &shared), Standing::Shared);
    }

    #[test]
    fn a_forwarded_report_is_nobodys() {
        let feed = Feed {
            name: "f".into(),
            ..Feed::default()
        };
        let nobody = unattributed(Reason::NothingMatched);
        let mut reading = Reading::of_kind(MessageKind::ForwardedReport);
        reading.format = Format::Arf;
        reading.report.feedback_type = Some(FeedbackType::Abuse);
        assert_eq!(judge(&reading, Some(&feed), &nobody), Standing::Unproven);
    }

    #[test]
    fn a_pointer_to_xarf_is_judged_by_the_document() {
        let mut reading = Reading::none();
        reading.format = Format::Xarf;
        reading.report.feedback_type = Some(FeedbackType::from("xarf"));
        for (class, kind, want) in [
            ("Activity", "Spam", FeedbackType::Abuse),
            ("Activity", "LoginAttack", FeedbackType::Other),
            ("Content", "Spam", FeedbackType::Other),
        ] {
            let all = &mut reading.report.extensions;
            all.insert("report_class".into(), vec![class.into()]);
            all.insert("report_type".into(), vec![kind.into()]);
            assert_eq!(feedback_type(&reading), want, "{class} {kind}");
        }
    }
}
