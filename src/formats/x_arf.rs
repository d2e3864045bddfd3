//! X-ARF 0.1 and 0.2: a text part of YAML beside the text for people, marked by an `X-ARF` or `X-XARF` header.
//! Blocklist.de, clean-mx and Netcraft write flat `Key: value` lines only, so that is what is read.

use super::content_type::{Kind, parameter};
use super::mime::{Message, Part};
use super::recover::{self, derived};
use super::{date, defects as d, fields, original, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::headers::{Fields, line_end};
use crate::domain::report::{Format, Reading};
use std::borrow::Cow;

/// Keys that tell the YAML part from prose; three of them must be there.
const KEYS: [&str; 9] = [
    "reported_from",
    "category",
    "report_type",
    "report_id",
    "source",
    "source_type",
    "schema_url",
    "attachment",
    "user_agent",
];
/// Keys kept.
const MOST_KEYS: usize = 200;

/// Reads the message as X-ARF. None where it is not.
pub(super) fn read<'a>(message: &Message<'a>) -> Option<Reading<'a>> {
    message
        .top
        .field("X-XARF")
        .or_else(|| message.top.field("X-ARF"))?;
    let block = message
        .parts
        .iter()
        .filter(|part| is_report(part))
        .find(|part| is_yaml(&part.entity.peek()))?
        .entity
        .decoded()
        .0;
    let mut reading = Reading::none();
    reading.format = Format::XArf;
    for code in &message.defects {
        reading.defect(code);
    }
    yaml(&block, &mut reading);
    demanded(&mut reading);
    if let Some(part) = message.part(&[Kind::Message, Kind::Headers]) {
        original::read(&part, &mut reading);
    }
    recover::all(&mut reading);
    Some(reading)
}

/// What every schema of X-ARF 0.1 and 0.2 demands.
fn demanded(reading: &mut Reading<'_>) {
    const NAMES: [&str; 7] = [
        "reported_from",
        "report_id",
        "category",
        "report_type",
        "source",
        "source_type",
        "schema_url",
    ];
    let report = &reading.report;
    let has = |name: &&str| report.extensions.contains_key(*name);
    let dated = report.arrival_date.is_some() || reading.defects.iter().any(|c| c.0 == d::BAD_DATE);
    if !(NAMES.iter().all(has) && dated && report.user_agent.is_some()) {
        reading.defect(d::XARF_INCOMPLETE);
    }
}

/// The structured part: a text, or whatever it is called in mail, under its own name.
fn is_report(part: &Part<'_>) -> bool {
    const FILES: [&str; 3] = ["report.txt", "report.yaml", "report.yml"];
    let named = |field, name| {
        let value = part.entity.field(field)?;
        let file = parameter(value, name)?;
        FILES
            .iter()
            .any(|known| file.eq_ignore_ascii_case(known.as_bytes()))
            .then_some(())
    };
    part.kind == Kind::Text
        || part.kind == Kind::Other
            && (named("Content-Type", "name").or(named("Content-Disposition", "filename")))
                .is_some()
}

fn is_yaml(block: &[u8]) -> bool {
    let known = Fields::new(block)
        .take(MOST_KEYS)
        .map(|(name, _)| fields::snake_case(name.trim_ascii().get(..20).unwrap_or(name)))
        .filter(|name| KEYS.contains(&name.as_str()));
    known.take(3).count() == 3
}

fn yaml(block: &[u8], reading: &mut Reading<'_>) {
    let block: Cow<'_, [u8]> = match block.trim_ascii_start() {
        rest if rest.starts_with(b"---") => Cow::Borrowed(&rest[line_end(rest)..]),
        rest => Cow::Borrowed(rest),
    };
    let mut kind = None;
    let mut kept = 0;
    for (name, raw) in Fields::new(&block) {
        let name = name.trim_ascii();
        if name.is_empty() || name.len() > 100 || name.contains(&b' ') {
            if !raw.trim_ascii().is_empty() {
                reading.defect(d::MALFORMED_FIELD);
            }
            continue;
        }
        kept += 1;
        if kept > MOST_KEYS {
            reading.defect(d::FIELDS_CUT);
            break;
        }
        let value = text::clean(raw, &mut |code| reading.defect(code));
        let value = value.trim_matches(['"', '\'']).to_owned();
        let name = fields::snake_case(name);
        let report = &mut reading.report;
        match name.as_str() {
            "user_agent" => report.user_agent = Some(value),
            "version" => report.version = Some(value),
            "date" => match date::parse(&value) {
                Some(date) => {
                    report.arrival_date = Some(date);
                    derived(reading, "arrival_date", "Date of the X-ARF part");
                }
                None => reading.defect(d::BAD_DATE),
            },
            _ => {
                if name == "source"
                    && let Some(ip) = text::address(&value)
                {
                    report.source_ip = Some(ip);
                    derived(reading, "source_ip", "Source of the X-ARF part");
                } else if name == "report_type" || (name == "category" && kind.is_none()) {
                    kind = Some(value.clone());
                }
                reading
                    .report
                    .extensions
                    .entry(name)
                    .or_default()
                    .push(value);
            }
        }
    }
    if let Some(kind) = kind {
        reading.report.feedback_type = Some(feedback_type(&kind));
        derived(
            reading,
            "feedback_type",
            "Report-Type or Category of the report",
        );
    }
}

/// X-ARF's and XARF's report types by RFC 5965's names. Attacks that are no mail are `other`.
pub(super) fn feedback_type(kind: &str) -> FeedbackType {
    let kind = kind.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| kind.contains(word));
    if has(&["spamverti"]) {
        FeedbackType::Other // a site that spam names; who sent the spam is another matter
    } else if has(&["phish", "fraud"]) {
        FeedbackType::Fraud
    } else if has(&["malware", "virus", "trojan"]) {
        FeedbackType::Virus
    } else if has(&["spam", "bulk_messaging"]) {
        FeedbackType::Abuse
    } else {
        FeedbackType::Other
    }
}
