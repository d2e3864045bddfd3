//! The normal form of an identity: the same mailbox written in several ways is one identity. Letters' case, Unicode's
//! composed and decomposed forms (NFC), international domains (always as A-labels, which also shows a homograph for
//! what it is), and, where configured, plus-tags and the names of one's own hosts.
//!
//! What was plain ASCII before keeps its form, and so its identifier in the store. A domain that was stored as U-labels
//! gets a new one.

use idna::AsciiDenyList;
use std::borrow::Cow;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The longest identity that is taken: a local part of 64 and a domain of 255 octets (RFC 5321, 4.5.3.1).
pub(super) const LONGEST: usize = 320;

/// What of an identity is cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NormalForm {
    /// `bob+news@example.com` is `bob@example.com`. Only where the filter takes it so too: the lock is asked for
    /// under the normal form.
    pub cut_plus_tags: bool,
    /// Own hosts' domains, lower case: `bob@srv1.example.net` is `bob` where `srv1.example.net` or `example.net` is
    /// listed.
    pub host_suffixes: Vec<String>,
}

impl NormalForm {
    /// The normal form. None for what cannot be an identity. Applied to its own result it changes nothing.
    pub fn of(&self, value: &str) -> Option<String> {
        let value = value.trim();
        let value = value
            .strip_prefix('<')
            .and_then(|v| v.strip_suffix('>'))
            .unwrap_or(value);
        let bad = |c: char| c.is_whitespace() || c.is_control() || poses_as_ascii(c);
        if value.is_empty() || value.len() > LONGEST || value.chars().any(bad) {
            return None;
        }
        let value = match value.rsplit_once('@') {
            None => lower(value).into_owned(),
            Some((local, domain)) => self.mailbox(local, domain),
        };
        // Brackets within brackets, or what lower case made longer.
        let fine = !value.is_empty() && value.len() <= LONGEST && !value.starts_with('<');
        fine.then_some(value)
    }

    fn mailbox(&self, local: &str, domain: &str) -> String {
        let mut local = lower(local);
        if self.cut_plus_tags
            && let Some((user, _)) = local.split_once('+')
            && !user.is_empty()
        {
            local = Cow::Owned(user.to_owned());
        }
        let domain = host(domain);
        let within = |suffix: &String| {
            domain
                .strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        // What is left must not be a mailbox again, or cutting twice would cut more.
        if !local.is_empty() && !local.contains('@') && self.host_suffixes.iter().any(within) {
            return local.into_owned();
        }
        format!("{local}@{domain}")
    }
}

/// Whether a letter beyond ASCII would become one of it, as U+212A (the sign of the kelvin) does: an account with it would
/// pass for another's.
fn poses_as_ascii(c: char) -> bool {
    !c.is_ascii() && {
        let mut letters = c.nfc().flat_map(char::to_lowercase);
        letters.all(|letter| letter.is_ascii())
    }
}

/// Lower case in NFC.
fn lower(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return match text.bytes().any(|b| b.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_ascii_lowercase()),
            false => Cow::Borrowed(text),
        };
    }
    // Lower case may decompose, and composing may bring a capital: until nothing changes, which is soon.
    let mut text = text.to_owned();
    for _ in 0..4 {
        let next: String = text.nfc().collect::<String>().to_lowercase();
        let done = next == text && is_nfc_quick(next.chars()) == IsNormalized::Yes;
        text = next;
        if done {
            break;
        }
    }
    Cow::Owned(text)
}

/// A domain in lower case, as A-labels (RFC 5890 section 2.3.2.1), without the root's dot, however often it is written.
/// What is none stays as it is.
pub fn host(domain: &str) -> Cow<'_, str> {
    let domain = domain.trim_end_matches('.');
    if domain.is_ascii() && !domain.to_ascii_lowercase().contains("xn--") {
        return lower(domain);
    }
    match idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::STD3) {
        Ok(name) if !name.is_empty() => Cow::Owned(name.trim_end_matches('.').to_owned()),
        _ => lower(domain),
    }
}

/// An identity for people's eyes: what is not ASCII is written out besides, so that a Cyrillic `а` is seen for what
/// it is.
pub fn visible(value: &str) -> Cow<'_, str> {
    if value.is_ascii() {
        return Cow::Borrowed(value);
    }
    let mut written = format!("{value} (");
    for c in value.chars() {
        match c.is_ascii() {
            true => written.push(c),
            false => written.extend(c.escape_unicode()),
        }
    }
    written.push(')');
    Cow::Owned(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(value: &str) -> Option<String> {
        NormalForm::default().of(value)
    }

    #[test]
    fn ways_to_write_one_mailbox() {
        for (value, want) in [
            ("Bob@Example.COM", "bob@example.com"),
            (" <bob@example.com> ", "bob@example.com"),
            ("bob@example.com.", "bob@example.com"),
            ("bob@B\u{fc}cher.example", "bob@xn--bcher-kva.example"),
            ("bob@bu\u{308}cher.example", "bob@xn--bcher-kva.example"),
            ("bob@XN--BCHER-KVA.example", "bob@xn--bcher-kva.example"),
            ("M\u{dc}LLER@a.example", "m\u{fc}ller@a.example"),
            ("mu\u{308}ller@a.example", "m\u{fc}ller@a.example"),
            ("bob+x@a.example", "bob+x@a.example"),
            ("Bob", "bob"),
            ("a@b@C.example", "a@b@c.example"),
            ("_x@_y.example", "_x@_y.example"),
        ] {
            assert_eq!(plain(value).as_deref(), Some(want), "{value}");
        }
        for value in [
            "",
            "<>",
            " ",
            "two words",
            "a\u{7}b",
            "<<a@b>>",
            "\u{212a}im@a.example",
            &"x".repeat(400),
        ] {
            assert_eq!(plain(value), None, "{value}");
        }
    }

    #[test]
    fn homographs_stay_apart_and_show() {
        let cyrillic = plain("bob@ex\u{430}mple.com").unwrap();
        assert_ne!(cyrillic, plain("bob@example.com").unwrap());
        assert!(cyrillic.contains("@xn--"), "{cyrillic}");
        let local = plain("\u{430}dmin@a.example").unwrap();
        assert_ne!(local, "admin@a.example");
        assert!(visible(&local).contains("(\\u{430}dmin@a.example)"));
        assert_eq!(visible("a@b"), "a@b");
    }

    #[test]
    fn what_is_configured_is_cut() {
        let form = NormalForm {
            cut_plus_tags: true,
            host_suffixes: vec!["srv.example.net".into()],
        };
        for (value, want) in [
            ("bob+news@a.example", "bob@a.example"),
            ("+news@a.example", "+news@a.example"),
            ("bob@h1.SRV.example.net", "bob"),
            ("bob@srv.example.net", "bob"),
            ("bob@evilsrv.example.net", "bob@evilsrv.example.net"),
            ("a@b@srv.example.net", "a@b@srv.example.net"),
            ("@srv.example.net", "@srv.example.net"),
        ] {
            assert_eq!(form.of(value).as_deref(), Some(want), "{value}");
        }
    }

    proptest! {
        #[test]
        fn doing_it_twice_changes_nothing(
            value in prop_oneof![
                "\\PC{0,40}",
                "[a-zA-Z+.<>@ÜüſİßςΣ\u{308}\u{345}ａ＠．Ⅷ-]{0,30}",
                "[a-z+]{1,9}@(xn--)?[a-z0-9ü-]{1,12}\\.(srv\\.)?example(\\.net)?\\.?",
            ],
            cut in any::<bool>(),
        ) {
            let form = NormalForm {
                cut_plus_tags: cut,
                host_suffixes: vec!["srv.example.net".into(), "net".into()],
            };
            if let Some(once) = form.of(&value) {
                prop_assert_eq!(form.of(&once), Some(once.clone()));
                prop_assert!(!once.chars().any(|c| c.is_whitespace() || c.is_control()));
                prop_assert!(once.len() <= LONGEST);
            }
        }

        #[test]
        fn ascii_is_only_put_in_lower_case(value in "[!-;=?-~]{1,40}") {
            prop_assume!(!value.ends_with('.') && !value.to_lowercase().contains("xn--"));
            prop_assert_eq!(plain(&value), Some(value.to_ascii_lowercase()));
        }
    }
}
