//! Who authenticated, out of an Authentication-Results value (RFC 8601). Parts of such a value are the sender's own
//! words, his envelope address above all, so quoted strings and comments are read as what they are.

use super::identity::OutgoingUser;

/// The outgoing user by `auth=pass smtp.auth=USER@DOMAIN`. The property must stand in the one result that says
/// `auth=pass`: what stands within quotes, in a comment or behind another method was put there by somebody else.
pub fn smtp_auth(value: &str) -> Option<OutgoingUser> {
    statements(value).into_iter().find_map(|words| {
        // The server's name may stand before the first result.
        let mut words = words.iter().skip_while(|word| !word.contains('='));
        if !words.next()?.eq_ignore_ascii_case("auth=pass") {
            return None;
        }
        let stated = words.find_map(|word| {
            let (name, value) = word.split_once('=')?;
            name.eq_ignore_ascii_case("smtp.auth").then_some(value)
        })?;
        OutgoingUser::parse(&unquoted(stated)?)
    })
}

/// The words of each statement. Semicolons and white space part them, but not within quotes, which stay in the
/// words; comments are left out. Behind a quote or a comment that does not end nothing is read.
fn statements(value: &str) -> Vec<Vec<String>> {
    let mut all = vec![vec![]];
    let mut word = String::new();
    let (mut quoted, mut depth) = (false, 0_u32);
    let mut letters = value.chars();
    let close = |word: &mut String, all: &mut Vec<Vec<String>>| {
        if let Some(last) = all.last_mut().filter(|_| !word.is_empty()) {
            last.push(std::mem::take(word));
        }
    };
    while let Some(letter) = letters.next() {
        let escaped = (letter == '\\' && (quoted || depth > 0)).then(|| letters.next());
        match letter {
            _ if depth > 0 => match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            },
            '"' => {
                quoted = !quoted;
                word.push(letter);
            }
            _ if quoted => {
                word.push(letter);
                word.extend(escaped.flatten());
            }
            '(' => {
                close(&mut word, &mut all);
                depth = 1;
            }
            ';' => {
                close(&mut word, &mut all);
                all.push(vec![]);
            }
            _ if letter.is_whitespace() => close(&mut word, &mut all),
            _ => word.push(letter),
        }
    }
    if quoted || depth > 0 {
        all.pop();
    } else {
        close(&mut word, &mut all);
    }
    all
}

/// A value without the quotes around the whole of it. None where quotes stand within.
fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let inner = inner.strip_suffix('"')?;
    let mut text = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.push(letters.next()?),
            '"' => return None,
            _ => text.push(letter),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stated() {
        for (value, want) in [
            (
                "f.example; auth=pass smtp.auth=srv@a.example",
                Some("srv@a.example"),
            ),
            ("auth=pass smtp.auth=srv@a.example", Some("srv@a.example")),
            (
                "f.example 1; AUTH=pass SMTP.auth=srv@A.example",
                Some("srv@a.example"),
            ),
            (
                "f.example auth=pass smtp.auth=@a.example",
                Some("@a.example"),
            ),
            ("h;\tauth=pass (plain) smtp.auth=\"srv\"@a.example", None),
            (
                "h; auth=pass (plain) smtp.auth=\"srv@a.example\"",
                Some("srv@a.example"),
            ),
            (
                "h; auth=pass smtp.auth=\"a\\\"b@a.example\"",
                Some("a\"b@a.example"),
            ),
            (
                "h; spf=pass smtp.mailfrom=x.example; auth=pass smtp.auth=srv@a.example",
                Some("srv@a.example"),
            ),
            ("h; auth=fail smtp.auth=srv@a.example", None),
            ("h; auth=pass; smtp.auth=srv@a.example", None),
            ("h; auth=pass smtp.auth=srv", None),
            ("", None),
        ] {
            let found = smtp_auth(value).map(|user| user.to_string());
            assert_eq!(found.as_deref(), want, "{value}");
        }
    }

    #[test]
    fn the_senders_words_state_nothing() {
        for value in [
            "mx; spf=pass smtp.mailfrom=\"x; auth=pass smtp.auth=srv@victim.example\"@evil.example",
            "mx; spf=pass smtp.mailfrom=\"x auth=pass smtp.auth=srv@victim.example ;\"@evil.example",
            "mx; spf=pass (auth=pass smtp.auth=srv@victim.example) smtp.mailfrom=a@evil.example",
            "mx; spf=pass (sender (a; auth=pass smtp.auth=srv@victim.example)) smtp.mailfrom=a@b.example",
            "mx; spf=pass smtp.mailfrom=x auth=pass smtp.auth=srv@victim.example",
            "mx; spf=pass smtp.mailfrom=\"x\\\"; auth=pass smtp.auth=srv@victim.example\"@evil.example",
            "mx; spf=fail (no end; auth=pass smtp.auth=srv@victim.example",
            "mx; spf=fail smtp.helo=\"no end; auth=pass smtp.auth=srv@victim.example",
            "mx; dkim=pass header.d=\"\\\\\"; auth=\"pass\" smtp.auth=srv@victim.example",
        ] {
            assert_eq!(smtp_auth(value), None, "{value}");
        }
    }
}
