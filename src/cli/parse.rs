//! `arfd parse`: shows how files are read, without a server or a store. For people a card a message, for
//! programs one JSON object a line, in the order of the arguments (schemas/report.schema.json).

use crate::domain::report::{Defect, Format, Reading};
use crate::formats;
use anyhow::Context;
use serde::Serialize;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A file could not be read: EX_NOINPUT of sysexits.h.
const NO_INPUT: u8 = 66;

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

/// Reads messages and shows what the daemon would make of them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is no report is shown as format \"none\"; that is no error. A field under
\"derived\" was not stated by the report but recovered from the enclosed
message. \"defects\" lists where the report departs from RFC 5965.

Examples:
  arfd parse report.eml                      a card for people
  arfd parse --json *.eml | jq .report       one JSON object a line
  formail -s arfd parse - < abuse.mbox       every message of a mailbox

Exit codes: 0 all files were read; 66 at least one could not be opened.")]
pub struct Parse {
    /// One JSON object a line, in the order of the files (schemas/report.schema.json)
    #[arg(long)]
    json: bool,
    /// Messages as they came by mail (.eml); - reads one from standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(flatten)]
    reading: &'a Reading<'a>,
}

impl Parse {
    /// Reads every file; those that cannot be read are named on standard error and the rest is still done.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        let mut code = ExitCode::SUCCESS;
        for path in &self.files {
            let file = &path.to_string_lossy();
            let bytes = match load(path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    eprintln!("arfd parse: {error:#}");
                    code = ExitCode::from(NO_INPUT);
                    continue;
                }
            };
            let reading = formats::read(&bytes);
            let written = if self.json {
                let line = Line {
                    file,
                    reading: &reading,
                };
                serde_json::to_string(&line)
                    .map_err(std::io::Error::from)
                    .and_then(|line| writeln!(out, "{line}"))
            } else {
                card(&mut out, file, &reading)
            };
            match written {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(code),
                other => other.context("standard output")?,
            }
        }
        match out.flush() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(error).context("standard output")
            }
            _ => Ok(code),
        }
    }
}

fn load(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        return read.map(|_| bytes).context("standard input");
    }
    std::fs::read(path).with_context(|| path.display().to_string())
}

/// The card for people.
fn card(out: &mut impl Write, file: &str, reading: &Reading<'_>) -> std::io::Result<()> {
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
fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
