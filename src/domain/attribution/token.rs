//! Tokens: who sent a message, in a word that only we can make (HMAC-SHA-256, RFC 2104). It survives all redaction,
//! because it stands where a reporter must leave it: in the address that the report is sent to, in the return path, in
//! CFBL-Feedback-ID (RFC 9477) or Message-ID.
//!
//! The word: `arf1`, then in base32 (RFC 4648, lower or upper case, no padding) one octet for what it holds, one for the
//! key's number, two for the last day it is good for (since 1970, UTC), the name, and the first 10 octets of the HMAC of
//! all that. Letters and digits only, so it is fit for a local part behind a plus. The name is the identity, with the
//! outgoing user behind a zero octet where wanted, or an opaque reference. `bob@example.com` makes 51 characters; where a
//! local part of 64 (RFC 5321 section 4.5.3.1.1) leaves no room, take a reference.
//!
//! 80 bits are the least that RFC 2104 allows, and enough: each guess costs a report from a proven feed.
//!
//! **Copies.** Whoever got a mail has its token and can put it in his own. So a token alone is not the last word: it may
//! not contradict what the enclosed headers say, nor the outgoing user that the filter states (see `search.rs`), and it
//! ends.

use crate::domain::identity::OutgoingUser;
use aws_lc_rs::{constant_time, hmac};
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What a token begins with.
const MARK: &str = "arf1";
/// What is hashed in front of the token, so that no other use of the key makes tokens.
const CONTEXT: &[u8] = b"arfd token 1\0";
/// Octets of the HMAC that are kept.
const MAC: usize = 10;
/// Octets before the name.
const HEAD: usize = 4;
/// The longest name, in octets.
pub const LONGEST_NAME: usize = 400;
/// The longest local part (RFC 5321 section 4.5.3.1.1).
pub const LONGEST_LOCAL_PART: usize = 64;
/// The shortest secret, in octets: half of what SHA-256 could use.
pub const SHORTEST_SECRET: usize = 16;
/// Tokens of one report that are looked at.
const MOST: usize = 8;

const IDENTITY: u8 = 0x10;
const WITH_USER: u8 = 0x11;
const REFERENCE: u8 = 0x12;

/// Whom a token names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bearer {
    /// An identity, and its outgoing user where the token has it.
    Identity(String, Option<OutgoingUser>),
    /// Whatever the maker means by it.
    Reference(String),
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// Whom it names.
    pub bearer: Bearer,
    /// The number of its key.
    pub key: u8,
    /// The last day it is good for, in days since 1970.
    pub last_day: u16,
}

/// Why a token is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No key has its number.
    #[error("its key is not known")]
    UnknownKey,
    /// No key of ours made it.
    #[error("it was altered, or made with another secret")]
    BadMac,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// It cannot be read.
    #[error("it cannot be read: cut off, or no token")]
    Malformed,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::UnknownKey,
        Self::BadMac,
        Self::Expired,
        Self::Malformed,
    ];

    /// The stable name, as in metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::BadMac => "bad_mac",
            Self::Expired => "expired",
            Self::Malformed => "malformed",
        }
    }
}

/// The keys by their numbers. Tokens are made with one; all check.
#[derive(Clone, Default)]
pub struct Keys {
    keys: BTreeMap<u8, hmac::Key>,
    current: Option<u8>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("numbers", &self.keys.keys().collect::<Vec<_>>())
            .field("current", &self.current)
            .finish()
    }
}

/// Why a token cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMade {
    /// There is no such key.
    #[error("there is no such key")]
    NoKey,
    /// The name is empty, too long or has a zero octet in it.
    #[error("the name is empty, longer than {LONGEST_NAME} octets, or has a zero octet in it")]
    Name,
}

impl Keys {
    /// Keys by number and secret. New tokens are made with `current`.
    pub fn new<'s>(secrets: impl IntoIterator<Item = (u8, &'s [u8])>, current: Option<u8>) -> Self {
        let key = |secret: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
        let keys = secrets.into_iter().map(|(id, secret)| (id, key(secret)));
        Self {
            keys: keys.collect(),
            current,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Makes a token with the current key, or with another.
    ///
    /// # Errors
    /// When there is no such key, or the name cannot stand in a token.
    pub fn make(&self, bearer: &Bearer, last_day: u16, key: Option<u8>) -> Result<String, NotMade> {
        let id = key.or(self.current).ok_or(NotMade::NoKey)?;
        let key = self.keys.get(&id).ok_or(NotMade::NoKey)?;
        let (kind, name) = match bearer {
            Bearer::Identity(value, None) => (IDENTITY, value.clone()),
            Bearer::Identity(value, Some(user)) => (WITH_USER, format!("{value}\0{user}")),
            Bearer::Reference(text) => (REFERENCE, text.clone()),
        };
        let zeroes = name.bytes().filter(|b| *b == 0).count();
        if name.is_empty() || name.len() > LONGEST_NAME || zeroes != usize::from(kind == WITH_USER)
        {
            return Err(NotMade::Name);
        }
        let day = last_day.to_be_bytes();
        let mut octets = vec![kind, id, day[0], day[1]];
        octets.extend(name.as_bytes());
        let mac = mac(key, &octets);
        octets.extend(&mac.as_ref()[..MAC]);
        Ok(format!("{MARK}{}", BASE32_NOPAD.encode(&octets)).to_ascii_lowercase())
    }

    /// Checks a token at an instant.
    ///
    /// # Errors
    /// Why it is worth nothing.
    pub fn check(&self, token: &str, at: Timestamp) -> Result<Claim, Failure> {
        let rest = strip_mark(token).ok_or(Failure::Malformed)?;
        if rest.len() > (HEAD + LONGEST_NAME + MAC) * 2 {
            return Err(Failure::Malformed);
        }
        let octets = BASE32_NOPAD
            .decode(rest.to_ascii_uppercase().as_bytes())
            .map_err(|_| Failure::Malformed)?;
        let split = octets.len().checked_sub(MAC).filter(|at| *at > HEAD);
        let (body, stated) = octets.split_at(split.ok_or(Failure::Malformed)?);
        let (kind, id) = (body[0], body[1]);
        if ![IDENTITY, WITH_USER, REFERENCE].contains(&kind) {
            return Err(Failure::Malformed);
        }
        let key = self.keys.get(&id).ok_or(Failure::UnknownKey)?;
        let made = mac(key, body);
        constant_time::verify_slices_are_equal(&made.as_ref()[..MAC], stated)
            .map_err(|_| Failure::BadMac)?;
        let name = std::str::from_utf8(&body[HEAD..]).map_err(|_| Failure::Malformed)?;
        let bearer = match kind {
            IDENTITY => Bearer::Identity(name.to_owned(), None),
            REFERENCE => Bearer::Reference(name.to_owned()),
            _ => {
                let (value, user) = name.split_once('\0').ok_or(Failure::Malformed)?;
                let user = OutgoingUser::parse(user).ok_or(Failure::Malformed)?;
                Bearer::Identity(value.to_owned(), Some(user))
            }
        };
        let last_day = u16::from_be_bytes([body[2], body[3]]);
        if day(at) > i64::from(last_day) {
            return Err(Failure::Expired);
        }
        Ok(Claim {
            bearer,
            key: id,
            last_day,
        })
    }
}

fn mac(key: &hmac::Key, body: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(CONTEXT);
    context.update(body);
    context.sign()
}

/// Days since 1970, UTC.
pub fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

/// The last second of a day.
pub fn last_second(day: u16) -> Timestamp {
    let second = i64::from(day) * 86_400 + 86_399;
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

fn strip_mark(token: &str) -> Option<&str> {
    let mark = token.get(..MARK.len())?;
    mark.eq_ignore_ascii_case(MARK)
        .then(|| &token[MARK.len()..])
}

/// The words in a text that look like tokens: they begin with the mark, and no letter or digit stands before it.
pub fn candidates(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| strip_mark(word).is_some()).take(MOST)
}

/// Where tokens are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The report's recipients, of its envelope and in `To`.
    Recipient,
    /// The enclosed message's return path, and the report's Original-Mail-From.
    ReturnPath,
    /// The enclosed `CFBL-Feedback-ID` (RFC 9477 section 3.2).
    FeedbackId,
    /// The enclosed `Message-ID`.
    MessageId,
}

/// The keys, and where tokens made with them are looked for.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// The keys.
    pub keys: Keys,
    /// The places.
    pub places: Vec<Place>,
    /// Further headers of the enclosed message.
    pub headers: Vec<String>,
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
