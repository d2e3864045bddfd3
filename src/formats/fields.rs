//! The machine-readable part taken apart into fields, within bounds, however its generator laid them out: one a
//! line (RFC 5965 section 3), all on one line, or as YAML. What a field means is read in `values.rs`.

use super::mime::skip_mark;
use super::{defects as d, text, values};
use crate::domain::headers::Fields;
use crate::domain::report::Reading;

/// Fields kept, recipients not counted.
const MOST_FIELDS: usize = 200;
/// Recipients kept.
pub(super) const MOST_RECIPIENTS: usize = 1_000;
/// Lines looked at.
const MOST_LINES: usize = 10_000;
/// Bytes of a field's name.
const LONGEST_NAME: usize = 100;

/// Reads a block of fields into the reading. Returns how many there were.
pub(super) fn read(block: &[u8], reading: &mut Reading<'_>) -> usize {
    let (block, marked) = skip_mark(block.trim_ascii_start());
    if marked {
        reading.defect(d::BYTE_ORDER_MARK);
    }
    let split = one_line(block);
    if split.is_some() {
        reading.defect(d::ONE_LINE);
    }
    let block = split.as_deref().unwrap_or(block);
    let mut count = Count::default();
    let mut blank = false;
    let mut last: &[u8] = b"";
    for (line, (name, raw)) in Fields::new(block).enumerate() {
        if line == MOST_LINES {
            reading.defect(d::FIELDS_CUT);
            break;
        }
        let name = name.trim_ascii();
        if name.is_empty() || name.len() > LONGEST_NAME || !name.iter().all(u8::is_ascii_graphic) {
            let line = raw.trim_ascii();
            if name.is_empty() && line.is_empty() {
                blank = count.fields > 0;
            } else if name.is_empty() && line.starts_with(b"- ") && !last.is_empty() {
                reading.defect(d::YAML_STYLE);
                take(last, &line[2..], &mut count, reading);
            } else if line == b"---" {
                reading.defect(d::YAML_STYLE);
            } else {
                reading.defect(d::MALFORMED_FIELD);
            }
            continue;
        }
        if std::mem::take(&mut blank) {
            reading.defect(d::BLANK_LINE_IN_FIELDS);
        }
        last = name;
        let start = raw.trim_ascii_start();
        if start.starts_with(b"- ") && raw.len() - start.len() > 1 {
            reading.defect(d::YAML_STYLE);
            let items = start.split(|b| matches!(b, b'\n' | b'\r'));
            for line in items.take(MOST_LINES) {
                if let Some(item) = line.trim_ascii().strip_prefix(b"- ") {
                    take(name, item, &mut count, reading);
                }
            }
        } else if raw.trim_ascii().is_empty() && next_is_list(raw, block) {
            // The items follow as lines of their own.
        } else {
            take(name, raw, &mut count, reading);
        }
    }
    values::received_date(reading);
    count.fields + count.recipients
}

/// Fields seen so far.
#[derive(Default)]
struct Count {
    fields: usize,
    recipients: usize,
}

/// Takes one field within the bounds.
fn take(name: &[u8], raw: &[u8], count: &mut Count, reading: &mut Reading<'_>) {
    let name = snake_case(name);
    let (count, most, code) = if name == "original_rcpt_to" {
        (&mut count.recipients, MOST_RECIPIENTS, d::RECIPIENTS_CUT)
    } else {
        (&mut count.fields, MOST_FIELDS, d::FIELDS_CUT)
    };
    if *count == most {
        reading.defect(code);
        return;
    }
    *count += 1;
    let mut value = text::clean(raw, &mut |code| reading.defect(code));
    if let Some(inner) = quoted(&value) {
        value = inner.to_owned();
        // RFC 6591 section 3.2 has DNS records in quotes.
        if !name.ends_with("_dns") {
            reading.defect(d::QUOTED_VALUE);
        }
    }
    values::field(&name, value, reading);
}

/// Whether the line after `raw` (a piece of `block`) begins a YAML list.
fn next_is_list(raw: &[u8], block: &[u8]) -> bool {
    let end = raw.as_ptr() as usize + raw.len() - block.as_ptr() as usize;
    block.get(end..).is_some_and(|rest| rest.starts_with(b"- "))
}

/// The inside of a value that stands in quotes as a whole.
fn quoted(value: &str) -> Option<&str> {
    ['"', '\''].iter().find_map(|quote| {
        let inner = value.strip_prefix(*quote)?.strip_suffix(*quote)?;
        (!inner.contains(*quote)).then(|| inner.trim())
    })
}

/// Names that tell where a field begins when all of them share one line.
const ON_ONE_LINE: [&str; 14] = [
    "Feedback-Type:",
    "User-Agent:",
    "Version:",
    "Original-Envelope-Id:",
    "Original-Mail-From:",
    "Original-Rcpt-To:",
    "Arrival-Date:",
    "Received-Date:",
    "Reporting-MTA:",
    "Source-IP:",
    "Source-Port:",
    "Incidents:",
    "Reported-Domain:",
    "Authentication-Results:",
];

/// The block with a line a field, where all of it is one line. Only then: a value may hold a stranger's words.
fn one_line(block: &[u8]) -> Option<Vec<u8>> {
    let line = block.trim_ascii();
    if line.len() > 4 * text::LONGEST || Fields::new(line).nth(1).is_some() {
        return None;
    }
    let starts: Vec<usize> = (0..line.len())
        .filter(|at| *at == 0 || line[at - 1].is_ascii_whitespace())
        .filter(|at| {
            ON_ONE_LINE.iter().any(|name| {
                let word = line.get(*at..at + name.len());
                word.is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
            })
        })
        .collect();
    if starts.len() < 2 {
        return None;
    }
    let mut block = line.to_vec();
    starts.iter().skip(1).for_each(|at| block[at - 1] = b'\n');
    Some(block)
}

/// `Feedback-Type` -> `feedback_type`.
pub(super) fn snake_case(name: &[u8]) -> String {
    let mut snake = String::with_capacity(name.len());
    for byte in name {
        snake.push(match byte {
            b'a'..=b'z' | b'0'..=b'9' => char::from(*byte),
            b'A'..=b'Z' => char::from(byte.to_ascii_lowercase()),
            _ => '_',
        });
    }
    snake
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
