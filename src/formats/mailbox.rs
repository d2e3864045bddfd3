//! Mailboxes as reports write them: bare or in angle brackets (RFC 5321 section 4.1.2), with display names and
//! comments, in lists, tagged, and redacted (RFC 6590). A redacted token is kept as it came: equal tokens mean
//! equal persons.

/// One mailbox of a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mailbox<'v> {
    /// Without brackets. Empty for the null sender.
    pub address: &'v str,
    /// Whether it stood in angle brackets.
    pub bracketed: bool,
    /// Whether nothing else stood there.
    pub alone: bool,
}

/// Reads one mailbox: what is in angle brackets, or else the word with the `@`, or else all of it.
pub(super) fn one(value: &str) -> Mailbox<'_> {
    let value = value.trim();
    if let Some(open) = outside_quotes(value, b'<') {
        let rest = &value[open + 1..];
        let (address, tail) = rest.split_once('>').unwrap_or((rest, ""));
        return Mailbox {
            address: untagged(address.trim()).0,
            bracketed: true,
            alone: open == 0 && tail.trim().is_empty(),
        };
    }
    if !value.contains([' ', '\t', '(']) {
        let (address, tagged) = untagged(value);
        return Mailbox {
            address,
            bracketed: false,
            alone: !tagged,
        };
    }
    let word = value
        .split([' ', '\t', '(', ')'])
        .find(|word| word.contains('@'));
    Mailbox {
        address: word.map_or(value, |word| untagged(word).0),
        bracketed: false,
        alone: word.is_none(),
    }
}

/// The mailboxes of a list; commas and semicolons inside quotes, brackets and comments do not separate.
pub(super) fn list(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut inside) = (false, 0_u32);
    value
        .split(move |c| {
            match c {
                '"' => quoted = !quoted,
                '<' | '(' if !quoted => inside += 1,
                '>' | ')' if !quoted => inside = inside.saturating_sub(1),
                ',' | ';' => return !quoted && inside == 0,
                _ => {}
            }
            false
        })
        .map(str::trim)
        .filter(|one| !one.is_empty() && !one.eq_ignore_ascii_case("rfc822"))
}

/// Without `mailto:` and quotes around the whole, and whether there were any.
fn untagged(value: &str) -> (&str, bool) {
    let bare = value.trim_matches(['"', '\'']);
    let bare = match bare.get(..7) {
        Some(tag) if tag.eq_ignore_ascii_case("mailto:") => &bare[7..],
        _ => bare,
    };
    // A quoted local part (`"a b"@c.example`) loses its quotes only where they are around the whole.
    match value.contains("\"@") {
        true => (value, false),
        false => (bare, bare.len() != value.len()),
    }
}

fn outside_quotes(value: &str, wanted: u8) -> Option<usize> {
    let mut quoted = false;
    value.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == wanted && !quoted
    })
}

/// Whether the person is hidden: a digest, a mask, or a token of RFC 6590 (base64 in the local part).
pub(super) fn is_redacted(address: &str) -> bool {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    let bytes = local.as_bytes();
    if bytes.is_empty() {
        return false;
    }
    // Digits alone are people in many countries.
    let digest = bytes.len() >= 10
        && bytes.iter().all(u8::is_ascii_hexdigit)
        && bytes.iter().any(u8::is_ascii_digit)
        && bytes.iter().any(u8::is_ascii_alphabetic);
    let masked = bytes.len() > 2 && bytes.iter().all(|b| b"xX*#-_.".contains(b))
        || ["redact", "hidden", "suppressed", "anonymi"]
            .iter()
            .any(|word| local.to_ascii_lowercase().contains(word));
    let has = |test: fn(&u8) -> bool| bytes.iter().any(test);
    let token = bytes.len() >= 20
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b))
        && (bytes.ends_with(b"=")
            || has(u8::is_ascii_uppercase)
                && has(u8::is_ascii_lowercase)
                && has(u8::is_ascii_digit));
    digest || masked || token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_as_written() {
        for (value, address, bracketed, alone) in [
            ("<a@b.example>", "a@b.example", true, true),
            ("a@b.example", "a@b.example", false, true),
            ("<>", "", true, true),
            ("Kim <a@b.example>", "a@b.example", true, false),
            ("\"K <x@y>\" <a@b.example>", "a@b.example", true, false),
            ("<a@b.example> (home)", "a@b.example", true, false),
            ("<a@b.example", "a@b.example", true, true),
            ("a@b.example (Kim)", "a@b.example", false, false),
            ("mailto:a@b.example", "a@b.example", false, false),
            ("redacted", "redacted", false, true),
        ] {
            let got = one(value);
            let want = Mailbox {
                address,
                bracketed,
                alone,
            };
            assert_eq!(got, want, "{value}");
        }
    }

    #[test]
    fn lists() {
        let all: Vec<_> = list("rfc822; <a@b>, \"x, y\" <c@d>,,e@f").collect();
        assert_eq!(all, ["<a@b>", "\"x, y\" <c@d>", "e@f"]);
    }

    #[test]
    fn redaction() {
        for address in [
            "5d41402abc4b2a76b9719d911017c592@isp.example",
            "F8fvWMcKsBUlbC5PCVUwOkdxDmA=@isp.example",
            "xxx@isp.example",
            "redacted",
            "redacted-1@isp.example",
        ] {
            assert!(is_redacted(address), "{address}");
        }
        for address in [
            "",
            "kim@isp.example",
            "bounces+1137616-c1ad-kim=isp.example@x",
        ] {
            assert!(!is_redacted(address), "{address}");
        }
    }
}
