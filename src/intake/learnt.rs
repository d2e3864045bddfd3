//! What the desk taught, as this process knows it: looked at in the store every few seconds, so that every node takes
//! up what was learnt or forgotten anywhere, without a restart.

use crate::domain::learnt::Mappings;
use crate::store::{LearntRow, Store, StoreError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked at.
const POLL: Duration = Duration::from_secs(2);

/// The mappings in force, shared by all who judge.
#[derive(Debug, Default)]
pub struct Learnt {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// What the store said when they were read.
    version: Option<(u64, u64)>,
    mappings: Arc<Mappings>,
}

impl Learnt {
    /// What is in force now.
    pub fn current(&self) -> Arc<Mappings> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known.mappings)
    }

    /// Takes up what is in the store. True when that was news.
    ///
    /// # Errors
    /// When the store fails; what was known before stays in force.
    pub async fn refresh(&self, store: &dyn Store) -> Result<bool, StoreError> {
        // Before the rows: what comes in between is then read twice, not missed.
        let version = store.learnt_version().await?;
        let known = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .version;
        if known == Some(version) {
            return Ok(false);
        }
        let rows = store.lessons().await?;
        let mappings: Mappings = rows.iter().filter_map(LearntRow::mapping).collect();
        if mappings.len() < rows.len() {
            let unknown = rows.len() - mappings.len();
            tracing::warn!(
                unknown,
                "mappings were learnt of a kind that this version does not know"
            );
        }
        let mappings = Arc::new(mappings);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Known {
            version: Some(version),
            mappings,
        };
        Ok(true)
    }

    /// Looks at the store until told to stop.
    pub async fn run(self: Arc<Self>, store: Arc<dyn Store>, stop: CancellationToken) {
        let mut trouble = false;
        while !stop.is_cancelled() {
            match self.refresh(store.as_ref()).await {
                Ok(news) => {
                    if news {
                        tracing::info!(
                            mappings = self.current().len(),
                            "what was learnt is taken up"
                        );
                    }
                    trouble = false;
                }
                Err(error) if !trouble => {
                    trouble = true;
                    tracing::warn!(%error, "what was learnt cannot be read; what was known stays in force");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}
