//! Customers' accounts behind identities, as the look-up last told, and what it told of each report.

use super::StoreError;
use super::body::{SqlStore, Tx, insert};
use super::dialect::{Columns, Dialect};
use super::filing::complaint;
use super::sql;
use crate::domain::filing::Filing;
use crate::domain::ids::IdentityId;
use std::collections::BTreeMap;

/// What was looked up for a report, as JSON.
pub(super) fn text(filing: &Filing) -> Result<Option<String>, StoreError> {
    let text = filing.alias.as_ref().map(serde_json::to_string).transpose();
    text.map_err(|error| StoreError::Row(error.to_string()))
}

/// Writes down the accounts of identities that this transaction holds.
pub(super) async fn remember<D: Dialect>(
    tx: &mut Tx<D>,
    new: &[&Filing],
) -> Result<(), StoreError> {
    let mut accounts: BTreeMap<IdentityId, &Filing> = BTreeMap::new();
    for filing in new {
        let (Some(complaint), Some(alias)) = (complaint(filing), &filing.alias) else {
            continue;
        };
        if alias.account.is_some() || alias.contact.is_some() {
            accounts.insert(complaint.identity, filing);
        }
    }
    let accounts: Vec<_> = accounts.into_iter().collect();
    insert::<D, _>(
        tx,
        &sql::desk::REMEMBER_ACCOUNTS,
        &accounts,
        |(identity, filing), values| {
            let alias = filing.alias.as_ref();
            values.push(identity.0.into());
            values.push(alias.and_then(|a| a.account.as_deref()).into());
            values.push(alias.and_then(|a| a.contact.as_deref()).into());
            values.push(filing.received_at.into());
        },
    )
    .await
    .map(drop)
}

/// See [`super::Desk::account`].
pub(super) async fn account<D: Dialect>(
    store: &SqlStore<D>,
    identity: IdentityId,
) -> Result<Option<(Option<String>, Option<String>)>, StoreError> {
    let rows = store
        .read(sql::desk::ACCOUNT, vec![identity.0.into()])
        .await?;
    let read = |row| {
        let mut columns = Columns::<D>::of(row);
        Ok((columns.maybe_text()?, columns.maybe_text()?))
    };
    rows.first().map(read).transpose()
}
