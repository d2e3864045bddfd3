//! The enclosed message: its header block for attribution, and the few facts that identify it. The part may be
//! whole (message/rfc822), headers only (text/rfc822-headers), encoded against the rules, or redacted away.

use super::content_type::Kind;
use super::mime::{Entity, LONGEST_HEAD, Part, skip_mbox};
use super::{date, defects as d, json, json_headers, text};
use crate::domain::headers::{Fields, HeaderBlock};
use crate::domain::report::{Original, Reading};
use std::borrow::Cow;

/// Takes the enclosed message out of its part.
pub(super) fn read<'a>(part: &Part<'a>, reading: &mut Reading<'a>) {
    let only_headers = part.kind == Kind::Headers;
    let own = ["Received", "From", "Message-ID"];
    if !part.is_whole() && own.iter().any(|name| part.entity.field(name).is_some()) {
        // No empty line between the part's headers and the message's: they are one block.
        reading.defect(d::NO_BLANK_LINE);
        take(part.entity.head, only_headers, reading);
        return;
    }
    let (bytes, encoded) = part.entity.decoded();
    if part.kind == Kind::Json {
        reading.defect(d::ORIGINAL_AS_JSON);
        let value = json::parse(&bytes);
        if value == Err(json::Flaw::TooLarge) {
            reading.defect(d::JSON_TOO_LARGE);
        }
        let block = value.ok().and_then(|value| json_headers::block(&value));
        take_owned(&block.unwrap_or_default(), true, reading);
        return;
    }
    if encoded {
        reading.defect(d::ORIGINAL_ENCODED);
    }
    match bytes {
        Cow::Borrowed(bytes) => take(bytes, only_headers, reading),
        Cow::Owned(bytes) => take_owned(&bytes, only_headers, reading),
    }
}

/// As [`read`], from bytes that do not live as long as the report: only the headers are copied.
pub(super) fn take_owned(bytes: &[u8], only_headers: bool, reading: &mut Reading<'_>) {
    let mut inner = Reading::none();
    take(bytes, only_headers, &mut inner);
    for code in inner.defects {
        reading.defect(code.0);
    }
    reading.original = inner.original;
    reading.headers = HeaderBlock::new(inner.headers.as_bytes().to_vec());
}

fn take<'a>(bytes: &'a [u8], headers_only: bool, reading: &mut Reading<'a>) {
    let (bytes, mbox) = skip_mbox(bytes);
    if mbox {
        reading.defect(d::ORIGINAL_MBOX_LINE);
    }
    let Entity { head, body } = Entity::new(bytes);
    if head.len() >= LONGEST_HEAD {
        reading.defect(d::HEADERS_CUT);
    }
    let mut original = Original {
        headers_only,
        ..Original::default()
    };
    let mut note = |code| reading.defect(code);
    let mut any = false;
    for (name, raw) in Fields::new(head) {
        any |= !name.is_empty();
        let place = match name.trim_ascii() {
            n if n.eq_ignore_ascii_case(b"message-id") => &mut original.message_id,
            n if n.eq_ignore_ascii_case(b"from") => &mut original.from,
            n if n.eq_ignore_ascii_case(b"subject") => {
                if original.subject.is_none() {
                    original.subject = Some(text::decoded(raw, &mut note));
                }
                continue;
            }
            n if n.eq_ignore_ascii_case(b"date") => {
                if original.date.is_none() {
                    original.date = date::parse(&text::clean(raw, &mut note));
                }
                continue;
            }
            _ => continue,
        };
        if place.is_none() {
            *place = Some(text::clean(raw, &mut note));
        }
    }
    original.message_id = original
        .message_id
        .map(|id| message_id(&id).to_owned())
        .filter(|id| !id.is_empty());
    if !any {
        reading.defect(d::ORIGINAL_WITHOUT_HEADERS);
    }
    reading.original = Some(original);
    reading.headers = HeaderBlock::new(head);
    reading.body = (!headers_only).then_some(body);
}

/// The identifier without brackets and without what some write around it.
pub(super) fn message_id(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest).trim(),
        None => value.split_ascii_whitespace().next().unwrap_or_default(),
    }
}
