//! The text of a map: rows between two marks are ours, all other octets are kept as they are. Pure.

use crate::domain::lock::Action;
use std::collections::BTreeMap;

/// How a map is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `KEY<tab>REJECT TEXT` or `HOLD TEXT`, as Postfix's access maps.
    #[default]
    Postfix,
    /// One key a line, as Exim's and DirectAdmin's lists.
    Lines,
    /// One key a line, as Rspamd's maps.
    Rspamd,
}

/// What makes a pattern of a key, or is expanded in it.
const PATTERN: [char; 10] = ['?', '[', ']', '(', ')', '{', '}', '|', '^', '$'];

impl Format {
    /// Whether a key stands for itself in such a map and for nothing else.
    pub(super) fn carries(self, key: &str) -> bool {
        let plain = !key.is_empty()
            && key.len() <= 320
            && !key.contains(|c: char| {
                c.is_whitespace() || c.is_control() || "#\"'\\*,;<>".contains(c)
            })
            && !key.starts_with(['!', '/', '-', '+', '.', '@', '%', '^', '|', '$']);
        match self {
            // An Exim list ends a key at a colon, and so do lsearch files.
            Self::Lines => plain && !key.contains(':') && !key.contains(PATTERN),
            // The same file may be set up as a map of globs or expressions there.
            Self::Rspamd => plain && !key.contains(PATTERN),
            // Only what begins with a delimiter is an expression there.
            Self::Postfix => plain,
        }
    }

    /// Whether a row can say whether mail is held or refused.
    pub(super) fn tells_holds(self) -> bool {
        self == Self::Postfix
    }
}

/// The marks are missing one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// A map, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    before: Vec<u8>,
    pub(super) ours: BTreeMap<String, Action>,
    after: Vec<u8>,
}

/// What a row of Postfix's map says behind the key.
pub(super) struct Actions<'s> {
    pub(super) lock: &'s str,
    pub(super) hold: &'s str,
}

fn marks(name: &str) -> (String, String) {
    (
        format!("# BEGIN arfd {name}: written by arfd, changes within are lost"),
        format!("# END arfd {name}"),
    )
}

/// A row as key and action; none for what is none.
fn row(line: &[u8], format: Format) -> Option<(String, Action)> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    if line.starts_with(|c: char| c.is_whitespace() || c == '#') {
        return None;
    }
    let mut words = line.split_whitespace();
    let key = words.next()?;
    // In an lsearch file a colon may end the key; elsewhere it is one of its characters.
    let key = match format {
        Format::Lines => key.trim_end_matches(':'),
        Format::Postfix | Format::Rspamd => key,
    };
    let key = key.to_lowercase();
    let action = match format {
        Format::Lines | Format::Rspamd => Action::Lock,
        Format::Postfix => means(words.next()?)?,
    };
    Some((key, action))
}

/// What Postfix does by the first word of an action, as far as it is ours: what we write must be read back.
pub(super) fn means(action: &str) -> Option<Action> {
    let word = action.split_whitespace().next()?.to_ascii_uppercase();
    match word.as_str() {
        "HOLD" => Some(Action::Hold),
        "REJECT" | "DISCARD" => Some(Action::Lock),
        word if word.starts_with(['4', '5']) => Some(Action::Lock),
        _ => None,
    }
}

impl Text {
    /// Takes a file's content apart.
    pub(super) fn read(bytes: &[u8], name: &str, format: Format) -> Result<Self, Damaged> {
        let (begin, end) = marks(name);
        // The words behind the name may change; the name is what counts.
        let begin = begin.split(": ").next().unwrap_or_default().to_owned();
        let mut text = Self::default();
        let mut at = 0;
        for line in bytes.split_inclusive(|octet| *octet == b'\n') {
            let bare = String::from_utf8_lossy(line);
            let bare = bare.trim_end();
            let begins = bare == begin || bare.starts_with(&format!("{begin}:"));
            match (at, begins, bare == end) {
                (0, true, _) => at = 1,
                (1, false, true) => at = 2,
                (0, _, true) | (1, true, _) | (2, true, _) | (2, _, true) => return Err(Damaged),
                (0, ..) => text.before.extend_from_slice(line),
                (1, ..) => text.ours.extend(row(line, format)),
                _ => text.after.extend_from_slice(line),
            }
        }
        match at {
            1 => Err(Damaged),
            _ => Ok(text),
        }
    }

    pub(super) fn write(&self, name: &str, format: Format, actions: &Actions<'_>) -> Vec<u8> {
        let (begin, end) = marks(name);
        let mut written = self.before.clone();
        if !written.is_empty() && !written.ends_with(b"\n") {
            written.push(b'\n');
        }
        let mut line = |text: &str| {
            written.extend_from_slice(text.as_bytes());
            written.push(b'\n');
        };
        line(&begin);
        for (key, action) in &self.ours {
            match (format, action) {
                (Format::Lines | Format::Rspamd, _) => line(key),
                (Format::Postfix, Action::Hold) => line(&format!("{key}\t{}", actions.hold)),
                (Format::Postfix, _) => line(&format!("{key}\t{}", actions.lock)),
            }
        }
        line(&end);
        written.extend_from_slice(&self.after);
        written
    }

    /// Rows that others wrote.
    pub(super) fn foreign(&self, format: Format) -> impl Iterator<Item = (String, Action)> + '_ {
        [&self.before, &self.after]
            .into_iter()
            .flat_map(|part| part.split(|octet| *octet == b'\n'))
            .filter_map(move |line| row(line, format))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: Actions<'static> = Actions {
        lock: "REJECT locked",
        hold: "HOLD held",
    };

    #[test]
    fn rows_go_between_the_marks_and_nothing_else_moves() {
        let file = b"# by hand\nbob@x.example OK\n\xff\xfe odd\n";
        let mut text = Text::read(file, "map", Format::Postfix).unwrap();
        text.ours.insert("al@x.example".into(), Action::Lock);
        text.ours.insert("eve@x.example".into(), Action::Hold);
        let written = text.write("map", Format::Postfix, &ACTIONS);
        assert!(written.starts_with(file));
        let shown = String::from_utf8_lossy(&written);
        assert!(shown.contains("\nal@x.example\tREJECT locked\neve@x.example\tHOLD held\n# END"));
        let mut read = Text::read(&written, "map", Format::Postfix).unwrap();
        assert_eq!(read, text);
        // Another installation has its own marks in the same file.
        let mut other = Text::read(&written, "other", Format::Postfix).unwrap();
        assert!(other.ours.is_empty());
        other.ours.insert("cy@x.example".into(), Action::Lock);
        let both = other.write("other", Format::Postfix, &ACTIONS);
        assert_eq!(
            Text::read(&both, "map", Format::Postfix).unwrap().ours,
            text.ours
        );
        read.ours.clear();
        let none = read.write("map", Format::Postfix, &ACTIONS);
        assert_eq!(
            Text::read(&none, "map", Format::Postfix)
                .unwrap()
                .ours
                .len(),
            0
        );
    }

    #[test]
    fn damaged_marks_are_told() {
        for file in [
            "# BEGIN arfd map\n",
            "# END arfd map\n",
            "# BEGIN arfd map\n# BEGIN arfd map\n# END arfd map\n",
            "# BEGIN arfd map\n# END arfd map\n# BEGIN arfd map\n# END arfd map\n",
        ] {
            assert_eq!(
                Text::read(file.as_bytes(), "map", Format::Lines),
                Err(Damaged),
                "{file}"
            );
        }
    }

    #[test]
    fn foreign_locks_are_seen() {
        let file = b"bob@x.example REJECT away\nal@x.example HOLD\neve@x.example OK\n  continued\n";
        let text = Text::read(file, "map", Format::Postfix).unwrap();
        let found: Vec<_> = text.foreign(Format::Postfix).collect();
        assert_eq!(
            found,
            [
                ("bob@x.example".into(), Action::Lock),
                ("al@x.example".into(), Action::Hold)
            ]
        );
    }

    #[test]
    fn keys_that_mean_more_than_themselves() {
        for (key, lines, postfix) in [
            ("bob@x.example", true, true),
            ("grüße@x.example", true, true),
            ("bob:x@x.example", false, true),
            ("bob|al@x.example", false, true),
            ("b[oa]b@x.example", false, true),
            ("bob$@x.example", false, true),
            ("bob?@x.example", false, true),
            ("bob\u{2028}@x.example", false, false),
            ("bob\u{85}@x.example", false, false),
            ("b.*b@x.example", false, false),
            ("bob\tOK", false, false),
            ("bob x", false, false),
            ("*", false, false),
            ("!bob", false, false),
            ("/bob/", false, false),
            ("#bob", false, false),
            ("bob\nal", false, false),
            ("@x.example", false, false),
            ("", false, false),
        ] {
            assert_eq!(Format::Lines.carries(key), lines, "{key:?}");
            assert_eq!(Format::Postfix.carries(key), postfix, "{key:?}");
        }
        assert!(!Format::Rspamd.carries("bob|al@x.example"));
    }

    #[test]
    fn a_key_is_read_back_as_it_was_written() {
        // Not as "bob@x.example", who is somebody else.
        let mut text = Text::default();
        text.ours.insert("bob@x.example:".into(), Action::Lock);
        let written = text.write("map", Format::Postfix, &ACTIONS);
        let read = Text::read(&written, "map", Format::Postfix).unwrap();
        assert_eq!(read.ours, text.ours);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_carried_is_one_row_of_its_own(key: String) {
            let key = key.to_lowercase();
            for format in [Format::Postfix, Format::Lines, Format::Rspamd] {
                if format.carries(&key) {
                    let mut text = Text::default();
                    text.ours.insert(key.clone(), Action::Lock);
                    let written = text.write("map", format, &ACTIONS);
                    let read = Text::read(&written, "map", format).unwrap();
                    proptest::prop_assert_eq!(&read, &text);
                    proptest::prop_assert_eq!(String::from_utf8(written).unwrap().lines().count(), 3);
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_foreign_survives_byte_for_byte(bytes: Vec<u8>, key in "[a-z]{1,8}@[a-z]{1,8}") {
            if let Ok(mut text) = Text::read(&bytes, "map", Format::Lines) {
                text.ours.insert(key.clone(), Action::Lock);
                let written = text.write("map", Format::Lines, &ACTIONS);
                let again = Text::read(&written, "map", Format::Lines).unwrap();
                proptest::prop_assert_eq!(&again.ours, &text.ours);
                proptest::prop_assert_eq!(&again.after, &text.after);
                proptest::prop_assert!(again.before.starts_with(&text.before));
            }
        }
    }
}
