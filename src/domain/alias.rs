//! Aliases: one customer is known by several identities (webmail login, mailbox, header form), and the filter knows
//! one of them. What a report names becomes that one before it is counted, so that complaints meet and the lock goes
//! where it works. The answer comes in as an argument; whoever asks for it is elsewhere (`lookup/`).

use super::attribution::Attribution;
use super::complaint::complaint_id;
use super::filing::Filing;
use super::identity::{Identity, OutgoingUser};
use super::pattern::IdentityPattern;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Patterns that a table may have: each is tried for whatever is not listed by itself.
pub const MOST_PATTERNS: usize = 1_000;

/// The identity that a customer is counted and locked under, and what else is known of the customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The identity, as the filter knows it.
    pub identity: Identity,
    /// The customer's account, in the words of whoever keeps the list.
    pub account: Option<String>,
    /// A mail address for notices.
    pub contact: Option<String>,
    /// Where it is said, for people.
    pub source: String,
}

/// What a look-up says of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: it stands for itself.
    Itself,
    /// It is known as this.
    Known(Alias),
    /// It cannot be told for now, and why.
    Trouble(String),
}

/// What is recorded with a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasRecord {
    /// The identity that the report names, where it is another than the one that it counts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<Identity>,
    /// The customer's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// A mail address for notices; kept with the identity, not with each report.
    #[serde(skip)]
    pub contact: Option<String>,
    /// Where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Why it could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Puts the answer into a filing that counts. A protected identity keeps its name, or an alias would take its
/// protection away. With trouble the filing stays as it is, and says so. The strength of the attribution stays in any
/// case: an alias says who somebody is, not that he sent it.
pub fn apply(filing: &mut Filing, answer: Answer, protected: &[IdentityPattern]) {
    let alias = match answer {
        Answer::Itself => return,
        Answer::Trouble(why) => {
            filing.alias = Some(AliasRecord {
                trouble: Some(why),
                ..AliasRecord::default()
            });
            return;
        }
        Answer::Known(alias) => alias,
    };
    let Attribution::Identified { identity, .. } = &mut filing.attribution else {
        return;
    };
    let keeps = protected.iter().any(|pattern| pattern.matches(identity));
    let mut record = AliasRecord {
        named: None,
        account: alias.account,
        contact: alias.contact,
        source: Some(alias.source),
        trouble: None,
    };
    if !keeps && alias.identity != *identity {
        record.named = Some(std::mem::replace(identity, alias.identity));
        if let Some(complaint) = &mut filing.complaint {
            complaint.identity = identity.id();
            complaint.id = complaint_id(
                complaint.identity,
                &complaint.feed,
                complaint.message,
                complaint.complainant,
            );
        }
    }
    filing.alias = Some(record);
}

/// One line of a table of aliases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The identity, or a pattern with `*` for any run of characters.
    pub identity: String,
    /// The outgoing user that it must be under. Without it the row is for an identity under no outgoing user, or
    /// under the canonical one: so that what is written into a message of one customer never counts for another.
    pub outgoing_user: Option<OutgoingUser>,
    /// The identity that it is counted under; none for the same.
    pub canonical: Option<String>,
    /// The outgoing user that it is counted under; none for the same.
    pub canonical_user: Option<OutgoingUser>,
    /// The customer's account.
    pub account: Option<String>,
    /// A mail address for notices.
    pub contact: Option<String>,
    /// Where the row stands.
    pub source: String,
}

/// Why rows make no table; each names the row's source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Two rows are for the same identity.
    #[error("{source_row}: '{identity}' is listed already ({first})")]
    Twice {
        /// The second row.
        source_row: String,
        /// What both are for.
        identity: String,
        /// The first row.
        first: String,
    },
    /// The identity is no pattern.
    #[error("{source_row}: '{identity}' is no identity, nor a pattern such as *@shop.example")]
    NoPattern {
        /// The row.
        source_row: String,
        /// What stands there.
        identity: String,
    },
    /// Too many patterns.
    #[error(
        "{source_row}: more than {MOST_PATTERNS} patterns; list identities one by one, that costs nothing"
    )]
    Patterns {
        /// The first row too many.
        source_row: String,
    },
    /// Aliases are not followed.
    #[error("{source_row}: '{canonical}' is itself counted as '{other}' ({by}); name that")]
    Chain {
        /// The row.
        source_row: String,
        /// Its canonical identity.
        canonical: String,
        /// What that is counted as.
        other: String,
        /// The row that says so.
        by: String,
    },
}

/// A table of aliases, checked and ready to be asked. Identities that are listed by themselves come before patterns,
/// a row for an outgoing user before one for none, patterns in their order.
#[derive(Debug, Default)]
pub struct Table {
    exact: HashMap<(String, Option<OutgoingUser>), Row>,
    patterns: Vec<(IdentityPattern, Row)>,
}

/// Usernames are compared without case, as identities' digests are.
fn folded(user: &OutgoingUser) -> OutgoingUser {
    OutgoingUser {
        domain: user.domain.clone(),
        username: user.username.to_lowercase(),
    }
}

impl Row {
    /// Whether the row may speak for something under that outgoing user.
    fn reaches(&self, user: Option<&OutgoingUser>) -> bool {
        match (&self.outgoing_user, user) {
            (Some(wanted), user) => user.is_some_and(|user| folded(user) == folded(wanted)),
            (None, None) => true,
            (None, Some(user)) => match &self.canonical_user {
                Some(canonical) => folded(canonical) == folded(user),
                // It stays under its outgoing user.
                None => true,
            },
        }
    }

    fn applied(&self, named: &Identity) -> Alias {
        let user = self.canonical_user.as_ref();
        Alias {
            identity: Identity {
                outgoing_user: user.or(named.outgoing_user.as_ref()).cloned(),
                value: self
                    .canonical
                    .clone()
                    .unwrap_or_else(|| named.value.clone()),
            },
            account: self.account.clone(),
            contact: self.contact.clone(),
            source: self.source.clone(),
        }
    }
}

impl Table {
    /// Makes a table of rows whose identities are in normal form.
    ///
    /// # Errors
    /// When rows contradict each other, or one is no row.
    pub fn new(rows: Vec<Row>) -> Result<Self, TableError> {
        let mut table = Self::default();
        for row in rows {
            if !row.identity.contains('*') {
                let key = (row.identity.clone(), row.outgoing_user.as_ref().map(folded));
                if let Some(first) = table.exact.get(&key) {
                    return Err(TableError::Twice {
                        source_row: row.source,
                        identity: row.identity,
                        first: first.source.clone(),
                    });
                }
                table.exact.insert(key, row);
                continue;
            }
            if table.patterns.len() >= MOST_PATTERNS {
                return Err(TableError::Patterns {
                    source_row: row.source,
                });
            }
            // `user:` and `domain:` are other columns' business.
            let pattern = match row.identity.contains(':') {
                true => None,
                false => row.identity.parse::<IdentityPattern>().ok(),
            };
            let Some(pattern) = pattern else {
                return Err(TableError::NoPattern {
                    source_row: row.source,
                    identity: row.identity,
                });
            };
            table.patterns.push((pattern, row));
        }
        table.check_chains()?;
        Ok(table)
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        let patterns = self.patterns.iter().map(|(_, row)| row);
        self.exact.values().chain(patterns)
    }

    fn check_chains(&self) -> Result<(), TableError> {
        let mut chains = Vec::new();
        for row in self.rows() {
            let Some(canonical) = &row.canonical else {
                continue;
            };
            let user = row.canonical_user.as_ref().or(row.outgoing_user.as_ref());
            let identity = Identity {
                outgoing_user: user.cloned(),
                value: canonical.clone(),
            };
            if let Some(next) = self.find(&identity)
                && next.identity.id() != identity.id()
            {
                chains.push(TableError::Chain {
                    source_row: row.source.clone(),
                    canonical: identity.to_string(),
                    other: next.identity.to_string(),
                    by: next.source,
                });
            }
        }
        // The same one each time.
        chains.sort_by_key(ToString::to_string);
        chains.into_iter().next().map_or(Ok(()), Err)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.exact.len() + self.patterns.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the table says of an identity.
    pub fn find(&self, named: &Identity) -> Option<Alias> {
        let user = named.outgoing_user.as_ref();
        let value = named.value.to_lowercase();
        let mut keys = vec![(value.clone(), None)];
        if let Some(user) = user {
            keys.insert(0, (value, Some(folded(user))));
        }
        let exact = keys.iter().filter_map(|key| self.exact.get(key));
        let patterns = self
            .patterns
            .iter()
            .filter(|(pattern, _)| pattern.matches(named))
            .map(|(_, row)| row);
        let mut all = exact.chain(patterns);
        all.find(|row| row.reaches(user))
            .map(|row| row.applied(named))
    }
}

#[cfg(test)]
#[path = "alias_tests.rs"]
mod tests;
