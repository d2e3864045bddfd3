//! Many identities at once, from a file or standard input: one a line, a result for each, a bar on a terminal.

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;

/// The longest file that is read, in octets.
const LONGEST: u64 = 64 << 20;

/// One line: what it names, and what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: usize,
    /// The identity or incident.
    pub(super) what: String,
    /// The second word, if there is one.
    pub(super) more: Option<String>,
}

/// Reads the lines of a file, or of standard input for `-`. Empty lines and those that begin with `#` are passed
/// over; words are separated by white space, commas or semicolons.
pub(super) fn lines(file: &Path) -> anyhow::Result<Vec<Line>> {
    let named = || file.display().to_string();
    let text: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(std::fs::File::open(file).with_context(named)?),
    };
    let mut found = Vec::new();
    for (n, line) in io::BufReader::new(text.take(LONGEST)).lines().enumerate() {
        let number = n + 1;
        let line = line.with_context(|| format!("{}:{number}", named()))?;
        found.extend(one(number, &line));
    }
    Ok(found)
}

fn one(number: usize, line: &str) -> Option<Line> {
    let line = line.trim().trim_start_matches('\u{feff}');
    if line.starts_with('#') {
        return None;
    }
    let mut words = line
        .split(|c: char| c.is_whitespace() || c == ',' || c == ';')
        .filter(|word| !word.is_empty());
    let what = words.next()?.to_owned();
    let more = words.next().map(str::to_owned);
    Some(Line { number, what, more })
}

/// A bar, if somebody looks and there is something to wait for. Results are printed above it.
pub(super) fn bar(lines: usize) -> ProgressBar {
    let seen = io::stderr().is_terminal() && !io::stdout().is_terminal();
    if lines < 10 || !seen {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len}, {eta} left");
    let bar = ProgressBar::new(lines as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_people_write_them() {
        let text = |line: &str| one(1, line).map(|line| (line.what, line.more));
        assert_eq!(text("  # comment"), None);
        assert_eq!(text("   "), None);
        assert_eq!(text("a@b"), Some(("a@b".into(), None)));
        for line in ["a@b c@d", "a@b, c@d", "a@b;c@d;x", "\u{feff}a@b\tc@d\r"] {
            assert_eq!(
                text(line),
                Some(("a@b".into(), Some("c@d".into()))),
                "{line:?}"
            );
        }
    }
}
