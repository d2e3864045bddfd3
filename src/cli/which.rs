//! Which incident a person means: by its id, or by its identity's value where only one outgoing user has that.

use super::NO_INPUT;
use crate::domain::ids::IncidentId;
use crate::store::{Store, StoreError};
use clap::Args;
use std::process::ExitCode;
use uuid::Uuid;

/// Who does it and why, for the audit trail.
#[derive(Clone, Debug, Args)]
pub(super) struct Trail {
    /// Why, for the audit trail.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    /// Who, for the audit trail.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "desk")]
    pub(super) by: String,
}

/// What was meant.
pub(super) enum Which {
    /// This one.
    One(IncidentId),
    /// There is no open one.
    None,
    /// One of several.
    Several(Vec<String>),
}

/// The incident that is named, or the open one of the identity that is.
pub(super) async fn which(store: &dyn Store, what: &str) -> Result<Which, StoreError> {
    if let Ok(id) = what.parse::<Uuid>() {
        return Ok(Which::One(IncidentId(id)));
    }
    let open = store.open_incidents(&what.to_lowercase()).await?;
    Ok(match open.as_slice() {
        [] => Which::None,
        [one] => Which::One(one.id),
        several => Which::Several(
            several
                .iter()
                .map(|row| {
                    let user = row.username.as_deref().unwrap_or("-");
                    let domain = row.domain.as_deref().unwrap_or("-");
                    format!("{}  {user}@{domain}  {}", row.id, row.state)
                })
                .collect(),
        ),
    })
}

/// The same, telling the person what is wrong.
pub(super) async fn one_or_tell(
    store: &dyn Store,
    what: &str,
) -> Result<Result<IncidentId, ExitCode>, StoreError> {
    match which(store, what).await? {
        Which::One(id) => return Ok(Ok(id)),
        Which::None => eprintln!("arfd: {what} has no open incident"),
        Which::Several(rows) => {
            eprintln!("arfd: several outgoing users have an identity {what}; name the incident:");
            rows.iter().for_each(|row| eprintln!("  {row}"));
        }
    }
    Ok(Err(ExitCode::from(NO_INPUT)))
}
