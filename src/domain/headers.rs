//! The header block of the enclosed message, borrowed from the report and looked up on demand: a report
//! is read far more often than most of these headers are, so nothing is decoded before somebody asks.

use std::borrow::Cow;

/// A raw header block (RFC 5322 section 2.2), with any line ends, folded as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderBlock<'a>(Cow<'a, [u8]>);

impl<'a> HeaderBlock<'a> {
    /// Wraps the bytes up to (and without) the empty line that ends the headers.
    pub fn new(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is no header at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All fields in order: name as written, and unfolded, trimmed value. Lines that are not fields are
    /// passed over.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        Fields::new(&self.0).filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?.trim_end();
            (!name.is_empty()).then(|| (name, unfold(value)))
        })
    }

    /// The values of every field of that name, in order of appearance, whatever its case.
    pub fn all<'s>(&'s self, name: &str) -> impl Iterator<Item = Cow<'s, str>> {
        Fields::new(&self.0)
            .filter(move |(found, _)| found.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| unfold(value))
    }

    /// The first (topmost) value of that name.
    pub fn first(&self, name: &str) -> Option<Cow<'_, str>> {
        self.all(name).next()
    }
}

/// Splits a block into (name, raw value with its continuation lines). A line that is no field comes with an
/// empty name.
pub(crate) struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    /// Starts at the block's first line.
    pub(crate) fn new(block: &'b [u8]) -> Self {
        Self { rest: block }
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = (&'b [u8], &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let first = line_end(self.rest);
        let mut end = first;
        while self
            .rest
            .get(end)
            .is_some_and(|b| *b == b' ' || *b == b'\t')
        {
            end += line_end(&self.rest[end..]);
        }
        let (field, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(match memchr::memchr(b':', &field[..first]) {
            Some(colon) => (&field[..colon], &field[colon + 1..]),
            None => (&field[..0], field),
        })
    }
}

/// Length of the first line with its end, be it LF, CRLF, a lone CR, or the CR CR LF of a text that was translated twice.
pub(crate) fn line_end(bytes: &[u8]) -> usize {
    let Some(at) = memchr::memchr2(b'\n', b'\r', bytes) else {
        return bytes.len();
    };
    match &bytes[at..] {
        [b'\r', b'\n', ..] => at + 2,
        [b'\r', b'\r', b'\n', ..] => at + 3,
        _ => at + 1,
    }
}

/// Removes line ends and trims (RFC 5322 section 2.2.3). Bytes that are not UTF-8 are replaced.
pub(crate) fn unfold(raw: &[u8]) -> Cow<'_, str> {
    let raw = raw.trim_ascii();
    if memchr::memchr2(b'\n', b'\r', raw).is_none() {
        return String::from_utf8_lossy(raw);
    }
    let joined: Vec<u8> = raw
        .iter()
        .copied()
        .filter(|b| *b != b'\n' && *b != b'\r')
        .collect();
    Cow::Owned(String::from_utf8_lossy(&joined).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_and_repeated() {
        let block = HeaderBlock::new(
            &b"Received: one\r\n two\r\nX-Auth : a@b\r\nnonsense\r\nreceived: three\r\n"[..],
        );
        let all: Vec<_> = block.all("Received").collect();
        assert_eq!(all, ["one two", "three"]);
        assert_eq!(block.first("x-auth").as_deref(), Some("a@b"));
        assert_eq!(block.first("nonsense"), None);
    }

    #[test]
    fn lines_translated_twice() {
        let block = HeaderBlock::new(&b"A: 1\r\r\n more\r\r\nB: 2\r\r\n"[..]);
        let all: Vec<_> = block.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(all, ["A=1 more", "B=2"]);
    }

    #[test]
    fn cr_only_and_no_end() {
        let block = HeaderBlock::new(&b"A: 1\rB: 2\r\tmore\rC: 3"[..]);
        let all: Vec<_> = block.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(all, ["A=1", "B=2\tmore", "C=3"]);
    }
}
