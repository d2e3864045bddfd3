//! The outer MIME structure (RFC 2045, RFC 2046), split lazily over the bytes: only boundaries and part headers
//! are looked at, and nothing is decoded before it is read. Lenient about everything seen in real reports:
//! any line end, mbox lines, lost boundaries, nested multiparts.

use super::content_type::{Kind, essence, parameter};
pub(super) use super::entity::{Entity, LONGEST_HEAD, MOST_DECODED};
use super::{defects as d, text};
use crate::domain::headers::line_end;
use memchr::memmem;
use std::borrow::Cow;

/// Parts looked at in one message, multiparts among them. A report has three.
const MOST_PARTS: usize = 100;
/// Multiparts inside each other.
const DEEPEST: usize = 6;

/// Lines of a body that begin like a boundary and are none.
const MOST_NEAR_BOUNDARIES: usize = 100_000;
/// mbox lines skipped.
const MOST_MBOX_LINES: usize = 100;

/// A leaf of the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub kind: Kind,
    pub entity: Entity<'a>,
    /// Multiparts around it; none where it is the whole message, whose headers are the report's own.
    pub depth: usize,
}

impl Part<'_> {
    /// Whether it is the whole message.
    pub fn is_whole(&self) -> bool {
        self.depth == 0
    }
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
    /// Parts seen so far, multiparts among them.
    seen: usize,
    /// Lines seen that begin like a boundary and are none.
    near: usize,
}

impl<'a> Message<'a> {
    /// Takes a message apart into its leaves, in order.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut defects = Vec::new();
        let (bytes, marked) = skip_mark(bytes);
        if marked {
            defects.push(d::BYTE_ORDER_MARK);
        }
        let (bytes, mbox) = skip_mbox(bytes);
        if mbox {
            defects.push(d::MBOX_LINE);
        }
        let top = Entity::new(bytes);
        if memchr::memchr(b'\n', top.head).is_none() && top.head.contains(&b'\r') {
            defects.push(d::LONE_CR);
        } else if mixed_line_ends(top.head) {
            defects.push(d::MIXED_LINE_ENDS);
        }
        if top.head.len() >= LONGEST_HEAD {
            defects.push(d::HEADERS_CUT);
        }
        let content_type = top.field("Content-Type").unwrap_or_default();
        let mut message = Self {
            top,
            content_type,
            kind: Kind::of(essence(content_type)),
            parts: Vec::new(),
            defects,
            seen: 0,
            near: 0,
        };
        if message.kind == Kind::Multipart {
            message.split(top.body, content_type, 1);
        } else {
            message.parts.push(Part {
                kind: message.kind,
                entity: top,
                depth: 0,
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

    /// A header of the whole as text, encoded words decoded; empty where it is absent.
    pub fn text(&self, name: &str) -> String {
        text::decoded(self.top.field(name).unwrap_or_default(), &mut |_| {})
    }

    /// Where a part stands among the others.
    pub fn position(&self, part: &Part<'_>) -> Option<usize> {
        let same = |other: &Part<'_>| std::ptr::eq(other.entity.head, part.entity.head);
        self.parts.iter().position(same)
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
                self.near += 1;
                if self.near >= MOST_NEAR_BOUNDARIES {
                    self.defect(d::TOO_MANY_PARTS);
                    break;
                }
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
            if self.seen >= MOST_PARTS {
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
        self.seen += 1;
        let entity = Entity::new(bytes);
        let content_type = entity.field("Content-Type").unwrap_or_default();
        let kind = Kind::of(essence(content_type));
        if kind != Kind::Multipart {
            self.parts.push(Part {
                kind,
                entity,
                depth,
            });
        } else if depth < DEEPEST {
            self.split(entity.body, content_type, depth + 1);
        } else {
            self.defect(d::TOO_DEEP);
        }
    }
}

/// Whether a head's lines end in more than one way.
fn mixed_line_ends(head: &[u8]) -> bool {
    let crlf = memmem::find_iter(head, b"\r\n").count();
    let more = |byte| memchr::memchr_iter(byte, head).count() != crlf;
    crlf > 0 && more(b'\n') || more(b'\r')
}

/// Skips the mark that some programs put before UTF-8.
pub(super) fn skip_mark(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.strip_prefix(b"\xEF\xBB\xBF") {
        Some(rest) => (rest, true),
        None => (bytes, false),
    }
}

/// Skips empty lines and an mbox separator (`From ` or, quoted, `>From `) before the headers.
pub(super) fn skip_mbox(mut bytes: &[u8]) -> (&[u8], bool) {
    // Who sends a megabyte of empty lines sends no report after them.
    let front = &bytes[..bytes.len().min(LONGEST_HEAD)];
    let text = front.iter().position(|b| !matches!(b, b'\r' | b'\n'));
    bytes = &bytes[text.unwrap_or(front.len())..];
    let mut lines = 0;
    while lines < MOST_MBOX_LINES && (bytes.starts_with(b"From ") || bytes.starts_with(b">From ")) {
        bytes = &bytes[line_end(bytes)..];
        lines += 1;
    }
    (bytes, lines > 0)
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
    let mut rest = &body[..body.len().min(LONGEST_HEAD)];
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
    let ends = [&b"\r\r\n"[..], b"\r\n", b"\n", b"\r"];
    let mut ends = ends.iter().filter_map(|end| bytes.strip_suffix(*end));
    ends.next().unwrap_or(bytes)
}

#[cfg(test)]
#[path = "mime_tests.rs"]
mod tests;
