//! The class that the filter gave a message when it refused it, from the headers that it adds to what it
//! encloses (`X-SpamExperts-Outgoing-Class`, `X-Spampanel-Outgoing-Class`).

use super::headers::HeaderBlock;

/// The headers, of older and of current installations.
const HEADERS: [&str; 2] = ["X-Spampanel-Outgoing-Class", "X-SpamExperts-Outgoing-Class"];
/// The longest class that is taken.
const LONGEST: usize = 32;

/// The class of the enclosed message, in lower case. None where the headers disagree: the sender wrote one of
/// them; nor where it is no plain word.
pub fn class(headers: &HeaderBlock<'_>) -> Option<String> {
    let mut all = HEADERS.iter().flat_map(|name| headers.all(name));
    let first = all.next()?.trim().to_ascii_lowercase();
    if !all.all(|other| other.trim().eq_ignore_ascii_case(&first)) {
        return None;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let word = (1..=LONGEST).contains(&first.len()) && first.bytes().all(plain);
    word.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for (text, want) in [
            ("X-SpamExperts-Outgoing-Class: Phish\r\n", Some("phish")),
            ("x-spampanel-outgoing-class: spam\r\n", Some("spam")),
            (
                "X-Spampanel-Outgoing-Class: spam\r\nX-SpamExperts-Outgoing-Class: SPAM\r\n",
                Some("spam"),
            ),
            (
                "X-Spampanel-Outgoing-Class: ham\r\nX-Spampanel-Outgoing-Class: spam\r\n",
                None,
            ),
            ("X-Spampanel-Outgoing-Class: not a word\r\n", None),
            ("X-Spampanel-Outgoing-Class:\r\n", None),
            ("Subject: spam\r\n", None),
        ] {
            let headers = HeaderBlock::new(text.as_bytes());
            assert_eq!(class(&headers).as_deref(), want, "{text}");
        }
    }
}
