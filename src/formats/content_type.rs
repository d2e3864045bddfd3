//! Content-Type and its parameters (RFC 2045 section 5): what a part is, as far as reports care, and values
//! quoted or not, as lenient as real generators need. Nothing is allocated but for quoted pairs.

use std::borrow::Cow;

/// Pieces of one parameter that are put together.
const MOST_PIECES: usize = 16;
/// Parameters among which one is looked for.
const MOST_PARAMETERS: usize = 200;

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

/// A parameter of a Content-Type or Content-Disposition value (RFC 2045 section 5.1), quoted or not, whole or in the
/// pieces and with the encoding of RFC 2231.
pub(super) fn parameter<'a>(value: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let is = |found: &[u8]| found.eq_ignore_ascii_case(name.as_bytes());
    let mut all = Parameters::of(value).take(MOST_PARAMETERS);
    let plain = all.find(|(found, _)| is(found)).map(|(_, value)| value);
    plain.or_else(|| pieces(value, name))
}

/// `name*=charset'language'text`, `name*0=..; name*1*=..` (RFC 2231 sections 3 and 4). The charset is not looked at:
/// what is asked for here is ASCII.
fn pieces<'a>(value: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    memchr::memchr(b'*', value)?;
    let mut found: [Option<Vec<u8>>; MOST_PIECES] = [const { None }; MOST_PIECES];
    for (long, value) in Parameters::of(value).take(MOST_PARAMETERS) {
        let Some((start, tail)) = long.split_at_checked(name.len()) else {
            continue;
        };
        let Some(tail) = tail.strip_prefix(b"*") else {
            continue;
        };
        let (tail, encoded) = match tail.strip_suffix(b"*") {
            Some(tail) => (tail, true),
            None => (tail, tail.is_empty()),
        };
        let number = match tail {
            b"" => Some(0),
            digits => std::str::from_utf8(digits)
                .ok()
                .and_then(|d| d.parse().ok()),
        };
        let place = number.and_then(|n: usize| found.get_mut(n));
        if let (true, Some(place)) = (start.eq_ignore_ascii_case(name.as_bytes()), place) {
            *place = Some(match encoded {
                true => percent_decoded(&value, number == Some(0)),
                false => value.into_owned(),
            });
        }
    }
    found[0].as_ref()?;
    Some(Cow::Owned(
        found
            .into_iter()
            .map_while(|piece| piece)
            .flatten()
            .collect(),
    ))
}

/// Without `charset'language'` before it, and with `%41` as A.
fn percent_decoded(value: &[u8], first: bool) -> Vec<u8> {
    let mut quotes = memchr::memchr_iter(b'\'', value);
    let start = match (first, quotes.next(), quotes.next()) {
        (true, Some(_), Some(second)) => second + 1,
        _ => 0,
    };
    let mut out = Vec::with_capacity(value.len());
    let mut rest = &value[start..];
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let hex = after
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        out.push(hex.unwrap_or(byte));
        if hex.is_some() {
            rest = &after[2..];
        }
    }
    out
}

/// The parameters of a value, name and content.
struct Parameters<'a> {
    rest: &'a [u8],
}

impl<'a> Parameters<'a> {
    fn of(value: &'a [u8]) -> Self {
        let start = memchr::memchr(b';', value).map_or(value.len(), |at| at + 1);
        Self {
            rest: &value[start..],
        }
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut equals = memchr::memchr2(b'=', b';', self.rest)?;
        while self.rest[equals] == b';' {
            self.rest = &self.rest[equals + 1..];
            equals = memchr::memchr2(b'=', b';', self.rest)?;
        }
        let name = self.rest[..equals].trim_ascii();
        let rest = self.rest[equals + 1..].trim_ascii_start();
        let (content, len) = match rest.strip_prefix(b"\"") {
            Some(quoted) => {
                let (content, len) = unquote(quoted);
                (content, len + 1)
            }
            None => {
                let len = memchr::memchr(b';', rest).unwrap_or(rest.len());
                let value = &rest[..len];
                let comment = memchr::memmem::find(value, b" (").unwrap_or(len);
                (Cow::Borrowed(value[..comment].trim_ascii()), len)
            }
        };
        self.rest = &rest[len..];
        Some((name, content))
    }
}

/// The content of a quoted string, unfolded, and its length with the closing quote.
fn unquote(quoted: &[u8]) -> (Cow<'_, [u8]>, usize) {
    let end = memchr::memchr2(b'"', b'\\', quoted).unwrap_or(quoted.len());
    let folded = memchr::memchr2(b'\r', b'\n', &quoted[..end]).is_some();
    if quoted.get(end) != Some(&b'\\') && !folded {
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
            b'\r' | b'\n' => {}
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
        assert_eq!(
            of("a/b; boundary=x (a comment)", "boundary").as_deref(),
            Some("x")
        );
        assert_eq!(
            of("a/b; boundary=\"x\r\n y\"; z", "boundary").as_deref(),
            Some("x y")
        );
    }

    #[test]
    fn parameters_in_pieces() {
        for (value, want) in [
            ("a/b; boundary*=us-ascii'en'x%2Dy", Some("x-y")),
            ("a/b; BOUNDARY*=''xy", Some("xy")),
            ("a/b; boundary*=xy", Some("xy")),
            ("a/b; boundary*0=x; boundary*1=\"; y\"", Some("x; y")),
            ("a/b; boundary*1=y; c=d; boundary*0=x", Some("xy")),
            (
                "a/b; boundary*0*=utf-8''x%2d; boundary*1=%41; boundary*2*=%42",
                Some("x-%41B"),
            ),
            ("a/b; boundary*0=x; boundary*2=z", Some("x")),
            ("a/b; boundary*=%zz%4", Some("%zz%4")),
            ("a/b; boundary*=1; boundary=2", Some("2")),
            ("a/b; boundary*1=y", None),
            ("a/b; boundary*99999999999999999999=y; boundar*0=z", None),
        ] {
            let got = parameter(value.as_bytes(), "boundary");
            let got = got.map(|v| String::from_utf8_lossy(&v).into_owned());
            assert_eq!(got.as_deref(), want, "{value}");
        }
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
