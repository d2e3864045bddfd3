//! One message as a card for people.

use crate::domain::report::{Defect, Format, Reading};
use std::io::Write;

/// The report's named fields, in the order of the card.
const NAMED: [&str; 21] = [
    "feedback_type",
    "source_ip",
    "source_port",
    "original_mail_from",
    "original_rcpt_to",
    "original_envelope_id",
    "arrival_date",
    "authentication_results",
    "reported_domain",
    "reported_uri",
    "incidents",
    "reporting_mta",
    "auth_failure",
    "delivery_result",
    "dkim_domain",
    "dkim_identity",
    "dkim_selector",
    "spf_dns",
    "identity_alignment",
    "user_agent",
    "version",
];

/// The card for people.
pub(super) fn card(out: &mut impl Write, file: &str, reading: &Reading<'_>) -> std::io::Result<()> {
    let kind = reading.kind.map_or("", |kind| kind.as_str());
    let more = if kind.is_empty() { "" } else { ": " };
    writeln!(
        out,
        "{}: {}{more}{kind}",
        shown(file),
        title(reading.format)
    )?;
    let value = serde_json::to_value(&reading.report).unwrap_or_default();
    let rows = NAMED
        .iter()
        .filter_map(|name| Some((*name, value.get(name)?)));
    for (name, value) in rows {
        let source = reading.derived.get(name);
        let source = source.map_or_else(String::new, |from| format!("   (from {from})"));
        writeln!(out, "  {name:24} {}{source}", plain(value))?;
    }
    for (name, values) in &reading.report.extensions {
        writeln!(out, "  {name:24} {}", shown(&values.join(", ")))?;
    }
    if let Some(original) = &reading.original {
        let enclosed = if original.headers_only {
            "headers only"
        } else {
            "whole"
        };
        writeln!(out, "  enclosed message: {enclosed}")?;
        for (name, value) in [
            ("message_id", &original.message_id),
            ("from", &original.from),
            ("subject", &original.subject),
            ("date", &original.date.map(|date| date.to_string())),
        ] {
            if let Some(value) = value {
                writeln!(out, "    {name:22} {}", shown(value))?;
            }
        }
    }
    if !reading.redacted.is_empty() {
        writeln!(out, "  redacted: {}", reading.redacted.join(", "))?;
    }
    if !reading.defects.is_empty() {
        let codes: Vec<_> = reading.defects.iter().map(|Defect(code)| *code).collect();
        writeln!(out, "  defects: {}", codes.join(", "))?;
    }
    writeln!(out)
}

fn title(format: Format) -> &'static str {
    match format {
        Format::Arf => "abuse report (ARF)",
        Format::Jmrp => "abuse report (Microsoft JMRP, before ARF)",
        Format::Xarf => "abuse report (XARF)",
        Format::XArf => "abuse report (X-ARF)",
        Format::SpamCop => "abuse report (SpamCop's text)",
        Format::Webhook => "abuse report (webhook event)",
        Format::None => "no report; kept for people to read",
    }
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => shown(text),
        serde_json::Value::Array(all) => {
            let all: Vec<_> = all.iter().map(plain).collect();
            all.join(", ")
        }
        other => other.to_string(),
    }
}

/// A stranger's text for a terminal: control characters are shown, not obeyed.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
