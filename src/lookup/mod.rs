//! Asks who an identity is: a file of aliases, and beyond it a service over HTTP with a cache. It always answers, in a
//! bounded time, and decides nothing: what an answer means is `domain/alias.rs`.

mod answer;
mod cache;
mod file;
mod remote;
mod rows;

pub use file::{AliasFile, FileError, FileSettings, Renewal};
pub use remote::{Remote, RemoteSettings, SetupError};

use crate::domain::alias::Answer;
use crate::domain::identity::Identity;
use std::sync::Arc;

/// Whom to ask, in this order.
#[derive(Debug, Default)]
pub struct Lookup {
    /// The file.
    pub file: Option<Arc<AliasFile>>,
    /// The service.
    pub remote: Option<Remote>,
}

impl Lookup {
    /// Whether there is anybody to ask.
    pub fn is_none(&self) -> bool {
        self.file.is_none() && self.remote.is_none()
    }

    /// Who the identity is. What the file does not know the service is asked.
    pub async fn find(&self, identity: &Identity) -> Answer {
        let known = self.file.as_ref().and_then(|file| file.find(identity));
        match (known, &self.remote) {
            (Some(alias), _) => Answer::Known(alias),
            (None, Some(remote)) => remote.find(identity).await,
            (None, None) => Answer::Itself,
        }
    }
}
