//! Content-Type and its parameters (RFC 2045 section 5): what a part is, as far as reports care, and values
//! quoted or not, as lenient as real generators need. Nothing is allocated but for quoted pairs.

use std::borrow::Cow;

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
    /// Whether it is the type of an enclosed message (RFC 5965 section 2 d).
    pub fn is_message(self) -> bool {
        matches!(self, Self::Message | Self::Headers)
    }

    /// Of a `type/subtype`; nothing stated is text (RFC 2045 section 5.2).
    pub fn of(essence: &[u8]) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_as_written() {
        let of = |value: &'static str, name| {
            parameter(value.as_bytes(), name).map(|v| String::from_utf8_lossy(&v).into_owned())
        };
        let value = "multipart/report; report-type=feedback-report;\r\n\tboundary=\"a;b\\\"c\"; x";
        assert_eq!(of(value, "report-type").as_deref(), Some("feedback-report"));
        assert_eq!(of(value, "Boundary").as_deref(), Some("a;b\"c"));
        assert_eq!(of(value, "x"), None);
        assert_eq!(
            of("a/b; flag; boundary=--x==;", "boundary").as_deref(),
            Some("--x==")
        );
        assert_eq!(
            of("a/b; charset = \"utf-8\"", "charset").as_deref(),
            Some("utf-8")
        );
        assert_eq!(
            of("a/b; boundary=\"open", "boundary").as_deref(),
            Some("open")
        );
        assert_eq!(of("a/b", "boundary"), None);
    }

    #[test]
    fn kinds() {
        assert_eq!(
            Kind::of(essence(b"Message/Feedback-Report; x=y")),
            Kind::Feedback
        );
        assert_eq!(Kind::of(essence(b"text/rfc822-headers")), Kind::Headers);
        assert_eq!(Kind::of(b""), Kind::Text);
        assert_eq!(Kind::of(b"application/pdf"), Kind::Other);
    }
}
