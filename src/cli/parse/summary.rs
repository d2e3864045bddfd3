//! What many messages have in common: counts by format, type, kind, defect and recovered field, as a table for
//! people; and the same facts message by message as CSV (RFC 4180) for machines.

use crate::cli::table::csv_row;
use crate::domain::report::{Defect, Reading};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Names of unknown types that are told apart: a stranger chooses them.
const MOST_NAMES: usize = 50;

/// Counts over all messages read.
#[derive(Debug, Default)]
pub(super) struct Summary {
    messages: usize,
    formats: BTreeMap<String, usize>,
    types: BTreeMap<String, usize>,
    kinds: BTreeMap<String, usize>,
    defects: BTreeMap<String, usize>,
    derived: BTreeMap<String, usize>,
    redacted: BTreeMap<String, usize>,
}

impl Summary {
    /// Counts one reading.
    pub fn add(&mut self, reading: &Reading<'_>) {
        self.messages += 1;
        count(&mut self.formats, reading.format.as_str());
        if let Some(kind) = &reading.report.feedback_type {
            count(&mut self.types, kind.as_str());
        }
        if let Some(kind) = reading.kind {
            count(&mut self.kinds, kind.as_str());
        }
        for Defect(code) in &reading.defects {
            count(&mut self.defects, code);
        }
        for field in reading.derived.keys() {
            count(&mut self.derived, field);
        }
        for field in &reading.redacted {
            count(&mut self.redacted, field);
        }
    }

    /// The table. The most frequent come first.
    pub fn write(&self, out: &mut impl Write, passed_over: usize) -> io::Result<()> {
        writeln!(out, "{} messages", self.messages)?;
        if passed_over > 0 {
            writeln!(out, "{passed_over} files passed over: no mail")?;
        }
        for (title, counts) in [
            ("format", &self.formats),
            ("feedback type", &self.types),
            ("kind", &self.kinds),
            ("defects", &self.defects),
            ("recovered fields", &self.derived),
            ("redacted fields", &self.redacted),
        ] {
            if counts.is_empty() {
                continue;
            }
            writeln!(out, "\n{title:32} {:>9} {:>7}", "messages", "share")?;
            let mut rows: Vec<_> = counts.iter().collect();
            rows.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (name, count) in rows {
                let share = 100.0 * *count as f64 / self.messages.max(1) as f64;
                writeln!(out, "  {:30} {count:>9} {share:>6.1}%", super::shown(name))?;
            }
        }
        Ok(())
    }
}

fn count(counts: &mut BTreeMap<String, usize>, name: &str) {
    let name = match counts.len() < MOST_NAMES.max(super::DEFECTS) || counts.contains_key(name) {
        true => name,
        false => "(others)",
    };
    *counts.entry(name.to_owned()).or_default() += 1;
}

/// The first line of `--csv`.
pub(super) const CSV_HEAD: &str = "file,format,kind,feedback_type,source_ip,original_mail_from,original_rcpt_to,\
arrival_date,message_id,derived,redacted,defects";

/// One line of `--csv`; lists are separated by blanks.
pub(super) fn csv(out: &mut impl Write, file: &str, reading: &Reading<'_>) -> io::Result<()> {
    let report = &reading.report;
    let text = |value: Option<String>| value.unwrap_or_default();
    let defects: Vec<_> = reading.defects.iter().map(|Defect(code)| *code).collect();
    let derived: Vec<_> = reading.derived.keys().copied().collect();
    let original = reading.original.as_ref();
    let row = [
        file.to_owned(),
        reading.format.as_str().to_owned(),
        reading.kind.map_or("", |kind| kind.as_str()).to_owned(),
        text(report.feedback_type.as_ref().map(ToString::to_string)),
        text(report.source_ip.map(|ip| ip.to_string())),
        text(report.original_mail_from.clone()),
        report.original_rcpt_to.join(" "),
        text(report.arrival_date.map(|date| date.to_string())),
        text(original.and_then(|original| original.message_id.clone())),
        derived.join(" "),
        reading.redacted.join(" "),
        defects.join(" "),
    ];
    csv_row(out, &row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;

    #[test]
    fn counts_and_rows() {
        let text = b"Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n\
            Original-Rcpt-To: <\"a,b\"@c.example>\n";
        let reading = formats::read(text);
        let mut summary = Summary::default();
        summary.add(&reading);
        summary.add(&formats::read(b"Subject: hello\n\n"));
        let mut out = Vec::new();
        summary.write(&mut out, 3).unwrap();
        let table = String::from_utf8(out).unwrap();
        for part in [
            "2 messages",
            "3 files passed over",
            "missing-user-agent",
            "50.0%",
        ] {
            assert!(table.contains(part), "{part} is not in\n{table}");
        }
        let mut row = Vec::new();
        csv(&mut row, "x", &reading).unwrap();
        let row = String::from_utf8(row).unwrap();
        assert!(
            row.starts_with("x,arf,,abuse,,,\"\"\"a,b\"\"@c.example\",,"),
            "{row}"
        );
        assert_eq!(CSV_HEAD.split(',').count(), 12);
    }

    #[test]
    fn a_strangers_names_are_bounded() {
        let mut counts = BTreeMap::new();
        (0..1_000).for_each(|n| count(&mut counts, &n.to_string()));
        assert!(counts.len() <= MOST_NAMES.max(super::super::DEFECTS) + 1);
        assert_eq!(counts.values().sum::<usize>(), 1_000);
    }
}
