//! What a look-up service answered, for as long as that is good, and for some time longer in case it cannot be asked.
//! Bounded; which entry goes when it is full does not matter, for it is only asked again.

use crate::domain::alias::Alias;
use crate::domain::ids::IdentityId;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long answers are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Entries at most.
    pub(super) most: usize,
    /// What is known of an identity.
    pub(super) known: SignedDuration,
    /// That nothing is known.
    pub(super) unknown: SignedDuration,
    /// Either, while the service has trouble.
    pub(super) stale: SignedDuration,
}

/// What the cache says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is good.
    Fresh(Option<Alias>),
    /// Better than nothing.
    Stale(Option<Alias>),
    /// Nothing.
    Missing,
}

#[derive(Debug)]
pub(super) struct Cache {
    bounds: Bounds,
    entries: Mutex<HashMap<IdentityId, (Timestamp, Option<Alias>)>>,
}

impl Cache {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: Mutex::default(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<IdentityId, (Timestamp, Option<Alias>)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, id: IdentityId, now: Timestamp) -> Found {
        let entries = self.entries();
        let Some((at, alias)) = entries.get(&id) else {
            return Found::Missing;
        };
        let good = match alias {
            Some(_) => self.bounds.known,
            None => self.bounds.unknown,
        };
        let age = now.duration_since(*at);
        match () {
            () if age <= good => Found::Fresh(alias.clone()),
            () if age <= self.bounds.stale => Found::Stale(alias.clone()),
            () => Found::Missing,
        }
    }

    pub(super) fn put(&self, id: IdentityId, alias: Option<Alias>, now: Timestamp) {
        let mut entries = self.entries();
        if self.bounds.most == 0 {
            return;
        }
        while entries.len() >= self.bounds.most && !entries.contains_key(&id) {
            let Some(any) = entries.keys().next().copied() else {
                break;
            };
            entries.remove(&any);
        }
        entries.insert(id, (now, alias));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::Identity;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn alias(n: u32) -> Alias {
        Alias {
            identity: Identity {
                outgoing_user: None,
                value: n.to_string(),
            },
            account: None,
            contact: None,
            source: String::new(),
        }
    }

    fn id(n: u32) -> IdentityId {
        IdentityId::of(&[&n.to_be_bytes()])
    }

    fn cache(most: usize) -> Cache {
        Cache::new(Bounds {
            most,
            known: SignedDuration::from_secs(100),
            unknown: SignedDuration::from_secs(10),
            stale: SignedDuration::from_secs(1000),
        })
    }

    #[test]
    fn answers_age() {
        let cache = cache(9);
        cache.put(id(1), Some(alias(1)), at(0));
        cache.put(id(2), None, at(0));
        for (second, one, two) in [
            (0, Found::Fresh(Some(alias(1))), Found::Fresh(None)),
            (10, Found::Fresh(Some(alias(1))), Found::Fresh(None)),
            (11, Found::Fresh(Some(alias(1))), Found::Stale(None)),
            (101, Found::Stale(Some(alias(1))), Found::Stale(None)),
            (1001, Found::Missing, Found::Missing),
        ] {
            assert_eq!(cache.get(id(1), at(second)), one, "{second}");
            assert_eq!(cache.get(id(2), at(second)), two, "{second}");
        }
        assert_eq!(cache.get(id(3), at(0)), Found::Missing);
    }

    #[test]
    fn it_is_bounded() {
        let full = cache(5);
        for n in 0..100 {
            full.put(id(n), Some(alias(n)), at(0));
            assert_eq!(full.get(id(n), at(0)), Found::Fresh(Some(alias(n))));
        }
        assert_eq!(full.entries().len(), 5);
        let none = cache(0);
        none.put(id(1), None, at(0));
        assert_eq!(none.get(id(1), at(0)), Found::Missing);
    }
}
