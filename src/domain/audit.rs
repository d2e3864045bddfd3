//! The audit chain: every entry's digest covers the digest before it, so that none can be changed, taken out or
//! put in later without all that follow showing it. Whoever can rewrite the whole table can rewrite the chain:
//! a digest noted elsewhere holds against that, too.

use blake3::Hasher;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// What happened, who did it, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who or what did it.
    pub actor: String,
    /// What, as in `incident.locked`.
    pub action: String,
    /// The incident that it is about.
    pub incident: Option<Uuid>,
    /// The order that it is about.
    pub order: Option<Uuid>,
    /// Why, or what was answered.
    pub detail: String,
}

/// The digest of an entry and all before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What comes before the first entry.
    pub const NONE: Self = Self([0; 32]);
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "a digest has 64 hexadecimal digits".to_owned();
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut digest = [0; 32];
        for (n, octet) in digest.iter_mut().enumerate() {
            let digits = &text[2 * n..2 * n + 2];
            *octet = u8::from_str_radix(digits, 16).map_err(|_| bad())?;
        }
        Ok(Self(digest))
    }
}

impl Entry {
    /// Its digest as the `number`th of all (from 1), after an entry of the digest `previous`. Times count in
    /// whole microseconds, as they are stored.
    pub fn digest(&self, number: u64, previous: &Digest) -> Digest {
        let mut hasher = Hasher::new();
        let mut part = |octets: &[u8]| {
            hasher.update(&(octets.len() as u64).to_be_bytes());
            hasher.update(octets);
        };
        let id = |id: &Option<Uuid>| id.map(|id| *id.as_bytes());
        part(&previous.0);
        part(&number.to_be_bytes());
        part(&self.at.as_microsecond().to_be_bytes());
        part(self.actor.as_bytes());
        part(self.action.as_bytes());
        part(id(&self.incident).as_ref().map_or(&[], |id| &id[..]));
        part(id(&self.order).as_ref().map_or(&[], |id| &id[..]));
        part(self.detail.as_bytes());
        Digest(*hasher.finalize().as_bytes())
    }
}

/// An entry as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Its number, from 1.
    pub number: u64,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
    /// Its digest.
    pub digest: Digest,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Numbers are left out: entries were taken out.
    #[error("entry {number} is missing: what follows is entry {found}")]
    Missing {
        /// The first that is missing.
        number: u64,
        /// What is there instead.
        found: u64,
    },
    /// The digest is not that of the entry and all before it.
    #[error("entry {number} was changed, or one before it was replaced: its digest does not hold")]
    Changed {
        /// The entry.
        number: u64,
    },
    /// The end is not where it should be.
    #[error(
        "the chain ends with entry {found}, but {number} were written: entries were taken off its end"
    )]
    CutOff {
        /// How many were written.
        number: u64,
        /// How many are there.
        found: u64,
    },
    /// The end's digest is not the one that was written down for it.
    #[error("the last entry, {number}, is not the one that was written")]
    OtherEnd {
        /// The entry.
        number: u64,
    },
    /// An entry that has no place in the chain.
    #[error("{entries} entries stand outside the chain: they were put in past it")]
    Outside {
        /// How many.
        entries: u64,
    },
}

/// Follows a chain from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Follower {
    /// The number of the last entry that held.
    pub number: u64,
    /// Its digest.
    pub digest: Digest,
}

impl Default for Follower {
    fn default() -> Self {
        Self {
            number: 0,
            digest: Digest::NONE,
        }
    }
}

impl Follower {
    /// Takes the next entry.
    ///
    /// # Errors
    /// When it does not follow.
    pub fn follow(&mut self, link: &Link) -> Result<(), Broken> {
        let number = self.number + 1;
        if link.number != number {
            let found = link.number;
            return Err(Broken::Missing { number, found });
        }
        if link.entry.digest(number, &self.digest) != link.digest {
            return Err(Broken::Changed { number });
        }
        (self.number, self.digest) = (number, link.digest);
        Ok(())
    }

    /// Holds the end against what was written down for it.
    ///
    /// # Errors
    /// When it is another.
    pub fn end(&self, number: u64, digest: &Digest) -> Result<(), Broken> {
        if self.number != number {
            let found = self.number;
            return Err(Broken::CutOff { number, found });
        }
        match self.digest == *digest {
            true => Ok(()),
            false => Err(Broken::OtherEnd { number }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(n: u64) -> Vec<Link> {
        let mut last = Digest::NONE;
        let link = |number: u64| {
            let entry = Entry {
                at: Timestamp::from_second(number as i64).unwrap(),
                actor: "ann".into(),
                action: "incident.closed".into(),
                incident: number.is_multiple_of(2).then(|| Uuid::from_u128(7)),
                order: None,
                detail: format!("reason {number}"),
            };
            last = entry.digest(number, &last);
            Link {
                number,
                entry,
                digest: last,
            }
        };
        (1..=n).map(link).collect()
    }

    fn verify(links: &[Link]) -> Result<Follower, Broken> {
        let mut follower = Follower::default();
        links.iter().try_for_each(|link| follower.follow(link))?;
        Ok(follower)
    }

    #[test]
    fn a_whole_chain_holds() {
        let links = chain(5);
        let end = verify(&links).unwrap();
        assert_eq!(end.end(5, &links[4].digest), Ok(()));
        assert_eq!(
            end.end(6, &links[4].digest),
            Err(Broken::CutOff {
                number: 6,
                found: 5
            })
        );
        assert_eq!(
            end.end(5, &links[3].digest),
            Err(Broken::OtherEnd { number: 5 })
        );
        let text = links[4].digest.to_string();
        assert_eq!(text.parse::<Digest>(), Ok(links[4].digest));
        assert!("xyz".parse::<Digest>().is_err());
    }

    #[test]
    fn each_field_is_covered() {
        let tampers: [fn(&mut Entry); 6] = [
            |e| e.at = Timestamp::from_second(99).unwrap(),
            |e| e.actor = "eve".into(),
            |e| e.action = "incident.locked".into(),
            |e| e.incident = Some(Uuid::from_u128(8)),
            |e| e.order = Some(Uuid::from_u128(7)),
            |e| e.detail.push(' '),
        ];
        for tamper in tampers {
            let mut links = chain(5);
            tamper(&mut links[2].entry);
            assert_eq!(verify(&links).unwrap_err(), Broken::Changed { number: 3 });
            // With its own digest made anew the next one shows it.
            links[2].digest = links[2].entry.digest(3, &links[1].digest);
            assert_eq!(verify(&links).unwrap_err(), Broken::Changed { number: 4 });
        }
        let mut links = chain(5);
        links.remove(1);
        assert_eq!(
            verify(&links).unwrap_err(),
            Broken::Missing {
                number: 2,
                found: 3
            }
        );
        // Two entries that change places.
        let mut links = chain(5);
        let entry = links[1].entry.clone();
        links[1].entry = std::mem::replace(&mut links[2].entry, entry);
        assert_eq!(verify(&links).unwrap_err(), Broken::Changed { number: 2 });
    }
}
