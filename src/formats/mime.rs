//! The outer MIME structure (RFC 2045, RFC 2046), split lazily over the bytes: only boundaries and part headers
//! are looked at, and nothing is decoded before it is read. Lenient about everything seen in real reports:
//! any line end, mbox lines, lost boundaries, nested multiparts.

use super::defects as d;
use crate::domain::headers::{Fields, line_end};
use mail_parser::decoders::{base64::base64_decode, quoted_printable::quoted_printable_decode};
use memchr::memmem;
use std::borrow::Cow;

/// Parts looked at in one message. A report has three.
const MOST_PARTS: usize = 100;
/// Multiparts inside each other.
const DEEPEST: usize = 6;

/// A message or a part: headers, and what follows the empty line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entity<'a> {
    pub head: &'a [u8],
    pub body: &'a [u8],
}

impl<'a> Entity<'a> {
    /// Splits at the first empty line; without one everything is header.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            if matches!(bytes[at], b'\r' | b'\n') {
                let (head, rest) = bytes.split_at(at);
                return Self {
                    head,
                    body: &rest[line_end(rest)..],
                };
            }
            at += line_end(&bytes[at..]);
        }
        Self {
            head: bytes,
            body: &[],
        }
    }

    /// The raw value of the first field of that name.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        Fields::new(self.head)
            .find(|(found, _)| found.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.trim_ascii())
    }

    /// The body without its transfer encoding (RFC 2045 section 6). A body that is not what its header says is
    /// taken as it is. The flag tells whether something was decoded.
    pub fn decoded(&self) -> (Cow<'a, [u8]>, bool) {
        let encoding = self.field("Content-Transfer-Encoding").unwrap_or_default();
        let decoded = if encoding.eq_ignore_ascii_case(b"base64") {
            base64_decode(self.body).filter(|bytes| !bytes.is_empty())
        } else if encoding.eq_ignore_ascii_case(b"quoted-printable") {
            quoted_printable_decode(self.body)
        } else {
            None
        };
        match decoded {
            Some(bytes) => (Cow::Owned(bytes), true),
            None => (Cow::Borrowed(self.body), false),
        }
    }
}

/// What a part is, as far as reports care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Feedback,
    Message,
    Headers,
    Text,
    Json,
    Multipart,
    Other,
}

impl Kind {
    fn of(essence: &[u8]) -> Self {
        let is = |name: &str| essence.eq_ignore_ascii_case(name.as_bytes());
        let starts = |name: &str| {
            essence
                .get(..name.len())
                .is_some_and(|s| s.eq_ignore_ascii_case(name.as_bytes()))
        };
        if essence.is_empty() {
            Self::Text
        } else if is("message/feedback-report") {
            Self::Feedback
        } else if is("message/rfc822") || is("message/global") {
            Self::Message
        } else if is("text/rfc822-headers")
            || is("text/rfc822-header")
            || is("message/rfc822-headers")
            || is("message/global-headers")
        {
            Self::Headers
        } else if starts("multipart/") {
            Self::Multipart
        } else if is("application/json") || is("text/json") || is("application/xarf+json") {
            Self::Json
        } else if starts("text/") {
            Self::Text
        } else {
            Self::Other
        }
    }
}

/// A leaf of the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub kind: Kind,
    pub entity: Entity<'a>,
}

/// A message taken apart.
pub(super) struct Message<'a> {
    pub top: Entity<'a>,
    /// The raw Content-Type of the whole.
    pub content_type: &'a [u8],
    pub kind: Kind,
    pub parts: Vec<Part<'a>>,
    /// Departures seen on the way.
    pub defects: Vec<&'static str>,
}

impl<'a> Message<'a> {
    /// Takes a message apart into its leaves, in order.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut defects = Vec::new();
        let (bytes, mbox) = skip_mbox(bytes);
        if mbox {
            defects.push(d::MBOX_LINE);
        }
        let top = Entity::new(bytes);
        if memchr::memchr(b'\n', top.head).is_none() && top.head.contains(&b'\r') {
            defects.push(d::LONE_CR);
        }
        let content_type = top.field("Content-Type").unwrap_or_default();
        let mut message = Self {
            top,
            content_type,
            kind: Kind::of(essence(content_type)),
            parts: Vec::new(),
            defects,
        };
        if message.kind == Kind::Multipart {
            message.split(top.body, content_type, 1);
        } else {
            message.parts.push(Part {
                kind: message.kind,
                entity: top,
            });
        }
        message
    }

    /// The first part of one of those kinds.
    pub fn part(&self, kinds: &[Kind]) -> Option<Part<'a>> {
        self.parts
            .iter()
            .find(|part| kinds.contains(&part.kind))
            .copied()
    }

    /// Notes a departure, once.
    fn defect(&mut self, code: &'static str) {
        if !self.defects.contains(&code) {
            self.defects.push(code);
        }
    }

    fn split(&mut self, body: &'a [u8], content_type: &[u8], depth: usize) {
        let stated = parameter(content_type, "boundary").filter(|b| !b.is_empty());
        let boundary = match stated {
            Some(stated) => stated,
            None => match likely_boundary(body) {
                Some(found) => {
                    self.defect(d::NO_BOUNDARY_PARAMETER);
                    Cow::Borrowed(found)
                }
                None => return,
            },
        };
        let mut needle = Vec::with_capacity(boundary.len() + 2);
        needle.extend_from_slice(b"--");
        needle.extend_from_slice(&boundary);
        let mut start = None;
        let mut closed = false;
        for at in memmem::find_iter(body, &needle) {
            let Some((next, closing)) = delimiter(body, at, needle.len()) else {
                continue;
            };
            if let Some(start) = start {
                self.add(without_line_end(&body[start..at.max(start)]), depth);
            }
            start = Some(next);
            if closing {
                closed = true;
                break;
            }
            if self.parts.len() >= MOST_PARTS {
                self.defect(d::TOO_MANY_PARTS);
                return;
            }
        }
        if let (Some(start), false) = (start, closed) {
            self.defect(d::NO_CLOSING_BOUNDARY);
            self.add(&body[start..], depth);
        }
    }

    fn add(&mut self, bytes: &'a [u8], depth: usize) {
        let entity = Entity::new(bytes);
        let content_type = entity.field("Content-Type").unwrap_or_default();
        let kind = Kind::of(essence(content_type));
        if kind != Kind::Multipart {
            self.parts.push(Part { kind, entity });
        } else if depth < DEEPEST {
            self.split(entity.body, content_type, depth + 1);
        } else {
            self.defect(d::TOO_DEEP);
        }
    }
}

/// Skips empty lines and an mbox separator (`From ` or, quoted, `>From `) before the headers.
pub(super) fn skip_mbox(mut bytes: &[u8]) -> (&[u8], bool) {
    while matches!(bytes.first(), Some(b'\r' | b'\n')) {
        bytes = &bytes[1..];
    }
    let mut mbox = false;
    while bytes.starts_with(b"From ") || bytes.starts_with(b">From ") {
        bytes = &bytes[line_end(bytes)..];
        mbox = true;
    }
    (bytes, mbox)
}

/// `type/subtype` of a Content-Type value.
pub(super) fn essence(content_type: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b';', b'(', content_type).unwrap_or(content_type.len());
    content_type[..end].trim_ascii()
}

/// A parameter of a Content-Type or Content-Disposition value (RFC 2045 section 5.1), quoted or not.
pub(super) fn parameter<'a>(value: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let mut rest = &value[memchr::memchr(b';', value)? + 1..];
    loop {
        let equals = memchr::memchr2(b'=', b';', rest)?;
        if rest[equals] == b';' {
            rest = &rest[equals + 1..];
            continue;
        }
        let found = rest[..equals]
            .trim_ascii()
            .eq_ignore_ascii_case(name.as_bytes());
        rest = rest[equals + 1..].trim_ascii_start();
        let (content, len) = match rest.strip_prefix(b"\"") {
            Some(quoted) => {
                let (content, len) = unquote(quoted);
                (content, len + 1)
            }
            None => {
                let len = memchr::memchr(b';', rest).unwrap_or(rest.len());
                (Cow::Borrowed(rest[..len].trim_ascii()), len)
            }
        };
        if found {
            return Some(content);
        }
        rest = &rest[len..];
    }
}

/// The content of a quoted string and its length with the closing quote.
fn unquote(quoted: &[u8]) -> (Cow<'_, [u8]>, usize) {
    let end = memchr::memchr2(b'"', b'\\', quoted).unwrap_or(quoted.len());
    if quoted.get(end) != Some(&b'\\') {
        return (
            Cow::Borrowed(quoted[..end].trim_ascii()),
            (end + 1).min(quoted.len()),
        );
    }
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = quoted.get(at) {
        at += 1;
        match byte {
            b'"' => break,
            b'\\' => {
                out.extend(quoted.get(at));
                at += 1;
            }
            _ => out.push(byte),
        }
    }
    (Cow::Owned(out), at.min(quoted.len()))
}

/// Whether a boundary line stands at `at`: where the next part starts, and whether it closes the multipart.
fn delimiter(body: &[u8], at: usize, len: usize) -> Option<(usize, bool)> {
    if at > 0 && !matches!(body[at - 1], b'\n' | b'\r') {
        return None;
    }
    let rest = &body[at + len..];
    let (rest, closing) = match rest.strip_prefix(b"--") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let end = line_end(rest);
    rest[..end]
        .trim_ascii()
        .is_empty()
        .then(|| (body.len() - rest.len() + end, closing))
}

/// The first line that looks like a boundary, for a multipart that does not say its own.
fn likely_boundary(body: &[u8]) -> Option<&[u8]> {
    let mut rest = body;
    while !rest.is_empty() {
        let (line, next) = rest.split_at(line_end(rest));
        let line = line.trim_ascii_end();
        if line.len() > 3 && line.starts_with(b"--") && !line.contains(&b' ') {
            return Some(&line[2..]);
        }
        rest = next;
    }
    None
}

/// The line end before a boundary belongs to the boundary (RFC 2046 section 5.1.1).
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}
