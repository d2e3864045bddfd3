//! A command line to a command (RFC 5321 section 4.1.1), with the parameters of the extensions offered.
//! As lenient as real senders need: spaces around a path, no angle brackets, source routes (section 4.1.1.3).

use super::reply::{self, Reply};

/// Octets in a recipient's address: RFC 5321 section 4.5.3.1.3 allows 256 with its brackets. Senders may be longer: a
/// report is not lost for that, and there is one of them only.
const MAX_PATH: usize = 254;

/// A command, its arguments checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// EHLO with the client's name.
    Ehlo(&'a str),
    /// HELO with the client's name.
    Helo(&'a str),
    /// LHLO with the client's name (RFC 2033 section 4.1).
    Lhlo(&'a str),
    /// MAIL.
    Mail {
        /// The sender; empty for the null sender.
        sender: &'a str,
        /// What SIZE declared (RFC 1870), or 0.
        size: u64,
    },
    /// RCPT with the recipient.
    Rcpt(&'a str),
    /// DATA.
    Data,
    /// BDAT (RFC 3030): a chunk of text follows.
    Bdat {
        /// Octets in the chunk.
        size: u64,
        /// Whether it is the last one of its message.
        last: bool,
    },
    /// RSET.
    Rset,
    /// NOOP, whatever stands behind it.
    Noop,
    /// VRFY, whatever stands behind it.
    Vrfy,
    /// HELP, whatever stands behind it.
    Help,
    /// QUIT.
    Quit,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH (RFC 4954).
    Auth {
        /// The mechanism.
        mechanism: &'a str,
        /// What the client says at once, in Base64.
        initial: Option<&'a str>,
    },
}

/// Reads a command line without its CRLF.
///
/// # Errors
/// The reply to one that cannot be understood or is not offered.
pub fn parse(line: &[u8]) -> Result<Command<'_>, Reply> {
    let line = std::str::from_utf8(line).map_err(|_| reply::UNKNOWN)?;
    let line = line.trim_matches([' ', '\t']);
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim_start();
    let alone = |command| match rest {
        "" => Ok(command),
        _ => Err(reply::BAD_ARGUMENTS),
    };
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => name(rest).map(Command::Ehlo),
        "HELO" => name(rest).map(Command::Helo),
        "LHLO" => name(rest).map(Command::Lhlo),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" => alone(Command::Data),
        "BDAT" => bdat(rest),
        "RSET" => alone(Command::Rset),
        "QUIT" => alone(Command::Quit),
        "STARTTLS" => alone(Command::StartTls),
        "AUTH" => auth(rest),
        "NOOP" => Ok(Command::Noop),
        "VRFY" => Ok(Command::Vrfy),
        "HELP" => Ok(Command::Help),
        // A browser that was made to speak to us: what follows is no mail client's word.
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "CONNECT" | "TRACE"
        | "PRI" => Err(reply::HTTP),
        "EXPN" | "ETRN" | "TURN" | "SEND" | "SOML" | "SAML" => Err(reply::NOT_IMPLEMENTED),
        _ => Err(reply::UNKNOWN),
    }
}

/// How long a command may be, its CRLF included: RFC 5321 section 4.5.3.1.4, and what the extensions that are
/// offered add to it (RFC 1870 section 3, RFC 6152 section 2, RFC 6531 section 3.4, RFC 4954 section 4).
pub fn allowed(line: &[u8]) -> usize {
    let is = |verb: &[u8]| line.get(..4).is_some_and(|v| v.eq_ignore_ascii_case(verb));
    match () {
        () if is(b"MAIL") => 512 + 26 + 17 + 10 + 500,
        () if is(b"RCPT") => 512 + 10,
        () if is(b"AUTH") => 12_288,
        () => 512,
    }
}

fn name(rest: &str) -> Result<&str, Reply> {
    rest.split_ascii_whitespace()
        .next()
        .filter(|name| !name.contains(char::is_control))
        .ok_or(reply::BAD_ARGUMENTS)
}

fn mail(rest: &str) -> Result<Command<'_>, Reply> {
    let (sender, parameters) = path(rest, "FROM:", reply::BAD_SENDER)?;
    let mut size = 0;
    for parameter in parameters.split_ascii_whitespace() {
        let (key, value) = match parameter.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (parameter, None),
        };
        match (key.to_ascii_uppercase().as_str(), value) {
            ("SIZE", Some(value)) => size = octets(value)?,
            ("BODY", Some(value)) if is_one_of(value, &["7BIT", "8BITMIME"]) => {}
            ("SIZE" | "BODY", _) => return Err(reply::BAD_ARGUMENTS),
            // RFC 4954 section 5: whom the message is from, on the client's word. Of no use here.
            ("AUTH", Some(value)) if is_xtext(value) => {}
            ("AUTH", _) => return Err(reply::BAD_ARGUMENTS),
            // RFC 6531. Addresses in UTF-8 are also taken without it.
            ("SMTPUTF8", None) => {}
            _ => return Err(reply::UNKNOWN_PARAMETER),
        }
    }
    Ok(Command::Mail { sender, size })
}

fn auth(rest: &str) -> Result<Command<'_>, Reply> {
    let mut words = rest.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => Ok(Command::Auth { mechanism, initial }),
        _ => Err(reply::BAD_ARGUMENTS),
    }
}

/// RFC 3461 section 4: printable, and what is not stands as `+` and two digits.
fn is_xtext(value: &str) -> bool {
    let digit = |octet: Option<u8>| matches!(octet, Some(b'0'..=b'9' | b'A'..=b'F'));
    let mut octets = value.bytes();
    while let Some(octet) = octets.next() {
        let fine = match octet {
            b'+' => digit(octets.next()) && digit(octets.next()),
            b'!'..=b'~' => true,
            _ => false,
        };
        if !fine {
            return false;
        }
    }
    !value.is_empty()
}

fn rcpt(rest: &str) -> Result<Command<'_>, Reply> {
    let (recipient, parameters) = path(rest, "TO:", reply::BAD_RECIPIENT)?;
    match (recipient, parameters.trim_start()) {
        ("", _) => Err(reply::BAD_RECIPIENT),
        (recipient, _) if recipient.len() > MAX_PATH => Err(reply::PATH_TOO_LONG),
        (_, "") => Ok(Command::Rcpt(recipient)),
        _ => Err(reply::UNKNOWN_PARAMETER),
    }
}

/// The size must be known: without it nobody can tell where the chunk ends and commands begin again.
fn bdat(rest: &str) -> Result<Command<'_>, Reply> {
    let mut words = rest.split_ascii_whitespace();
    let size = words.next().filter(|word| is_number(word));
    let size = size.and_then(|word| word.parse().ok());
    let last = match (words.next(), words.next()) {
        (None, _) => false,
        (Some(word), None) if word.eq_ignore_ascii_case("LAST") => true,
        _ => return Err(reply::BAD_CHUNK),
    };
    let size = size.ok_or(reply::BAD_CHUNK)?;
    Ok(Command::Bdat { size, last })
}

fn is_number(word: &str) -> bool {
    (1..=20).contains(&word.len()) && word.bytes().all(|octet| octet.is_ascii_digit())
}

/// At most 20 digits (RFC 1870 section 3); what no machine holds is as good as the largest number.
fn octets(value: &str) -> Result<u64, Reply> {
    if is_number(value) {
        Ok(value.parse().unwrap_or(u64::MAX))
    } else {
        Err(reply::BAD_ARGUMENTS)
    }
}

fn is_one_of(value: &str, words: &[&str]) -> bool {
    words.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// The address after a keyword, without brackets and source route, and what stands behind it.
fn path<'a>(rest: &'a str, keyword: &str, bad: Reply) -> Result<(&'a str, &'a str), Reply> {
    let rest = match rest.split_at_checked(keyword.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(keyword) => rest.trim_start(),
        _ => return Err(reply::BAD_ARGUMENTS),
    };
    let (address, parameters) = match rest.strip_prefix('<') {
        Some(inner) => {
            let end = end(inner).ok_or(bad)?;
            let behind = inner[end..].strip_prefix('>').ok_or(bad)?;
            (&inner[..end], behind)
        }
        None => match rest.split_at(end(rest).ok_or(bad)?) {
            ("", _) => return Err(bad),
            parts => parts,
        },
    };
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(bad);
    }
    let address = match address.starts_with('@') {
        true => address.split_once(':').ok_or(bad)?.1,
        false => address,
    };
    Ok((address, parameters))
}

/// Where an address ends: at the first space or bracket outside quotes. None if it cannot be one.
fn end(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut octets = text.bytes().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                octets.next()?;
            }
            b'>' | b' ' if !quoted => return Some(at),
            b'<' if !quoted => return None,
            0..=31 | 127 => return None,
            _ => {}
        }
    }
    (!quoted).then_some(text.len())
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
