//! Whom a named identity is counted as: asked only for reports that count, so nobody can cause questions by mail that
//! proves nothing. A report whose answer cannot be had waits for it, kept and pending, for a bounded time; then it
//! counts for the identity as it was named.

use super::prepare::Prepared;
use crate::domain::alias::{self, Answer};
use crate::domain::attribution::Methods;
use crate::domain::filing::Filing;
use crate::domain::ids::ReportId;
use crate::domain::pattern::IdentityPattern;
use crate::domain::standing::Standing;
use crate::lookup::Lookup;
use jiff::SignedDuration;

/// Whom to ask, and what to make of it.
#[derive(Debug, Default)]
pub struct Aliases {
    /// Whom to ask.
    pub lookup: Lookup,
    /// Which identities are shared, above all.
    pub methods: Methods,
    /// Identities that keep their names.
    pub protected: Vec<IdentityPattern>,
    /// How long a report waits for an answer.
    pub max_delay: SignedDuration,
}

impl Aliases {
    /// Counts a report for whom its identity is known as. `age`: how long ago it came. `name`: the name that it is
    /// filed under if it must wait.
    pub async fn apply(
        &self,
        mut prepared: Prepared,
        age: SignedDuration,
        name: impl FnOnce(&Prepared) -> ReportId,
    ) -> Prepared {
        if self.lookup.is_none() || prepared.filing.standing != Standing::Counted {
            return prepared;
        }
        let Some(identity) = prepared.filing.attribution.identity().cloned() else {
            return prepared;
        };
        let answer = self.lookup.find(&identity).await;
        let waits = matches!(answer, Answer::Trouble(_)) && age < self.max_delay;
        self.put(&mut prepared.filing, answer);
        if waits {
            let id = name(&prepared);
            let filing = &mut prepared.filing;
            filing.id = id;
            // As other reports that wait: of no feed until they are judged.
            filing.feed = None;
            filing.standing = Standing::Pending;
            filing.complaint = None;
        }
        prepared
    }

    /// Puts an answer into a filing that counts. What is then known as a whole server or domain counts no more.
    pub fn put(&self, filing: &mut Filing, answer: Answer) {
        alias::apply(filing, answer, &self.protected);
        let named = filing.alias.as_ref().and_then(|alias| alias.named.as_ref());
        if named.is_some() && self.methods.outcome_of(filing.attribution.clone()).shared {
            filing.standing = Standing::Shared;
            filing.complaint = None;
        }
    }
}
