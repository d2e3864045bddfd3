//! A message or a part of one: its headers, found line by line, and its body, decoded only when somebody reads it
//! (RFC 2045 section 6), and no further than anybody reads.

use super::content_type::essence;
use crate::domain::headers::{Fields, line_end};
use mail_parser::decoders::{base64::base64_decode, quoted_printable::quoted_printable_decode};
use std::borrow::Cow;

/// Headers of one block among which one is looked for.
pub(super) const MOST_HEADERS: usize = 5_000;
/// Bytes of a header block that are looked at.
pub(super) const LONGEST_HEAD: usize = 1 << 20;
/// Bytes of a body that are read: fields, or an enclosed message's headers.
pub(super) const MOST_DECODED: usize = 2 << 20;
/// Bytes of a body that are decoded to see what it is.
pub(super) const PEEK: usize = 8 << 10;

/// A message or a part: headers, and what follows the empty line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entity<'a> {
    pub head: &'a [u8],
    pub body: &'a [u8],
}

impl<'a> Entity<'a> {
    /// Splits at the first empty line; without one everything is header, as far as headers go.
    pub fn new(bytes: &'a [u8]) -> Self {
        // Not past the limit, be it one line only.
        let window = &bytes[..bytes.len().min(LONGEST_HEAD)];
        let mut at = 0;
        while at < window.len() {
            if matches!(window[at], b'\r' | b'\n') {
                let (head, rest) = bytes.split_at(at);
                return Self {
                    head,
                    body: &rest[line_end(rest)..],
                };
            }
            at += line_end(&window[at..]);
        }
        let (head, body) = bytes.split_at(window.len());
        Self { head, body }
    }

    /// The raw value of the first field of that name.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        Fields::new(self.head)
            .take(MOST_HEADERS)
            .find(|(found, _)| found.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.trim_ascii())
    }

    /// The body without its transfer encoding (RFC 2045 section 6), as far as anybody reads. A body that is not
    /// what its header says is taken as it is. The flag tells whether something was decoded.
    pub fn decoded(&self) -> (Cow<'a, [u8]>, bool) {
        self.decoded_within(MOST_DECODED)
    }

    /// The beginning of the decoded body.
    pub fn peek(&self) -> Cow<'a, [u8]> {
        self.decoded_within(PEEK).0
    }

    /// As [`Self::decoded`], from the first `most` bytes of the body.
    pub fn decoded_within(&self, most: usize) -> (Cow<'a, [u8]>, bool) {
        let encoding = essence(self.field("Content-Transfer-Encoding").unwrap_or_default());
        let start = &self.body[..self.body.len().min(most)];
        let cut = start.len() < self.body.len();
        let decoded = if encoding.eq_ignore_ascii_case(b"base64") {
            let start = if cut { whole_quanta(start) } else { start };
            base64_decode(start).filter(|bytes| !bytes.is_empty())
        } else if encoding.eq_ignore_ascii_case(b"quoted-printable") {
            let end = memchr::memrchr(b'\n', start).filter(|_| cut);
            let start = &start[..end.unwrap_or(start.len())];
            match memchr::memchr(b'\n', start) {
                None if start.contains(&b'\r') => {
                    let lines: Vec<u8> = start
                        .iter()
                        .map(|b| if *b == b'\r' { b'\n' } else { *b })
                        .collect();
                    quoted_printable_decode(&lines)
                }
                _ => quoted_printable_decode(start),
            }
        } else {
            None
        };
        match decoded {
            Some(bytes) => (Cow::Owned(bytes), true),
            None => (Cow::Borrowed(start), false),
        }
    }
}

/// As much of base64 text as decodes to whole bytes.
fn whole_quanta(text: &[u8]) -> &[u8] {
    let spare = text.iter().filter(|b| !b.is_ascii_whitespace()).count() % 4;
    let mut text = text;
    for _ in 0..spare {
        text = text.trim_ascii_end();
        text = &text[..text.len().saturating_sub(1)];
    }
    text
}
