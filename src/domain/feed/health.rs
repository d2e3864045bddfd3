//! A feed's health: whether it has gone silent, and whether its reports have changed in shape. The shape is
//! learnt from the feed's own recent reports, in bounded memory: fields that always came and stopped.

use crate::domain::report::{Reading, Report};
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;

/// The fields that are watched, by bit.
pub const FIELDS: [&str; 15] = [
    "feedback_type",
    "user_agent",
    "version",
    "original_envelope_id",
    "original_mail_from",
    "original_rcpt_to",
    "arrival_date",
    "reporting_mta",
    "source_ip",
    "authentication_results",
    "reported_domain",
    "original",
    "original.message_id",
    "identity",
    "readable",
];
/// How many of the newest reports say what is now.
const NOW: usize = 20;
/// How many before these say what always was.
const BEFORE: usize = 200;
/// How many of those there must be before anything is said.
const ENOUGH: usize = 100;

/// Which of [`FIELDS`] a report has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present(u16);

impl Present {
    /// What one report has; `identified`: whether it led to an identity.
    pub fn of(reading: &Reading<'_>, identified: bool) -> Self {
        let Report {
            feedback_type,
            user_agent,
            version,
            original_envelope_id,
            original_mail_from,
            original_rcpt_to,
            arrival_date,
            reporting_mta,
            source_ip,
            authentication_results,
            reported_domain,
            ..
        } = &reading.report;
        let original = reading.original.as_ref();
        let has = [
            feedback_type.is_some(),
            user_agent.is_some(),
            version.is_some(),
            original_envelope_id.is_some(),
            original_mail_from.is_some(),
            !original_rcpt_to.is_empty(),
            arrival_date.is_some(),
            reporting_mta.is_some(),
            source_ip.is_some(),
            !authentication_results.is_empty(),
            !reported_domain.is_empty(),
            original.is_some(),
            original.is_some_and(|o| o.message_id.is_some()),
            identified,
            reading.format != crate::domain::report::Format::None,
        ];
        let bits = has.iter().enumerate();
        Self(bits.fold(0, |all, (bit, has)| all | u16::from(*has) << bit))
    }

    /// Whether the report could be read.
    pub fn is_readable(self) -> bool {
        self.has(FIELDS.len() - 1)
    }

    /// Whether it led to an identity.
    pub fn is_identified(self) -> bool {
        self.has(FIELDS.len() - 2)
    }

    fn has(self, bit: usize) -> bool {
        self.0 >> bit & 1 == 1
    }
}

/// The shape of a feed's recent reports. Takes half a kilobyte.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    recent: VecDeque<Present>,
}

impl Shape {
    /// Adds the newest report; the oldest is forgotten.
    pub fn add(&mut self, report: Present) {
        if self.recent.len() >= NOW + BEFORE {
            self.recent.pop_front();
        }
        self.recent.push_back(report);
    }

    /// The fields that nearly all reports had (19 of 20) and none of the newest has.
    pub fn stopped(&self) -> Vec<&'static str> {
        let before = self.recent.len().saturating_sub(NOW);
        if before < ENOUGH {
            return Vec::new();
        }
        let gone = |bit: &usize| {
            let had = |range: std::ops::Range<usize>| {
                let all = self.recent.range(range);
                all.filter(|report| report.has(*bit)).count()
            };
            had(0..before) * 20 >= before * 19 && had(before..self.recent.len()) == 0
        };
        let bits = (0..FIELDS.len()).filter(gone);
        bits.map(|bit| FIELDS[bit]).collect()
    }
}

/// Whether a feed has been silent for too long. `last`: when something came from it, or, where nothing ever
/// did, since when it has been waited for.
pub fn silent(expect_every: Option<SignedDuration>, last: Timestamp, now: Timestamp) -> bool {
    expect_every.is_some_and(|most| now.duration_since(last) > most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(fields: &[&str]) -> Present {
        let bit = |name: &&str| 1 << FIELDS.iter().position(|f| f == name).unwrap();
        Present(fields.iter().map(bit).sum())
    }

    fn shape(parts: &[(usize, &[&str])]) -> Shape {
        let mut shape = Shape::default();
        for (times, fields) in parts {
            (0..*times).for_each(|_| shape.add(report(fields)));
        }
        shape
    }

    #[test]
    fn what_always_came_and_stopped_is_named() {
        let (all, less): (&[&str], &[&str]) = (&["source_ip", "identity"], &["identity"]);
        assert_eq!(shape(&[(200, all), (20, less)]).stopped(), ["source_ip"]);
        assert_eq!(
            shape(&[(200, all), (19, less)]).stopped(),
            [""; 0],
            "not yet"
        );
        assert_eq!(
            shape(&[(99, all), (20, less)]).stopped(),
            [""; 0],
            "too little is known"
        );
        assert_eq!(
            shape(&[(100, all), (100, less), (20, less)]).stopped(),
            [""; 0],
            "it did not always come"
        );
        assert_eq!(
            shape(&[(10, less), (190, all), (20, less)]).stopped(),
            ["source_ip"],
            "19 of 20"
        );
        assert_eq!(shape(&[(300, all)]).stopped(), [""; 0]);
        assert_eq!(
            shape(&[(300, all), (220, less)]).stopped(),
            [""; 0],
            "the new shape is learnt"
        );
        assert_eq!(shape(&[(100_000, all)]).recent.len(), NOW + BEFORE);
    }

    #[test]
    fn every_field_is_watched() {
        let mut reading = Reading::none();
        assert_eq!(Present::of(&reading, false), Present::default());
        reading.format = crate::domain::report::Format::Arf;
        reading.report.source_ip = Some("192.0.2.1".parse().unwrap());
        reading.original = Some(crate::domain::report::Original::default());
        let want = report(&["source_ip", "original", "identity", "readable"]);
        assert_eq!(Present::of(&reading, true), want);
    }

    #[test]
    fn silence() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let hour = Some(SignedDuration::from_hours(1));
        assert!(!silent(hour, at(0), at(3600)));
        assert!(silent(hour, at(0), at(3601)));
        assert!(!silent(None, at(0), at(1_000_000)));
        assert!(!silent(hour, at(10), at(0)), "a clock that was put back");
    }
}
