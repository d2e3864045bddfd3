//! The file of aliases: read within its bounds, taken up again when its contents changed, and kept as it was when the
//! new one cannot be used.

use super::rows;
use crate::domain::alias::{Alias, Table};
use crate::domain::attribution::NormalForm;
use crate::domain::identity::Identity;
use crate::metrics::Metrics;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Where the file is, and how large it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// Its path.
    pub path: PathBuf,
    /// Octets at most.
    pub max_size: u64,
    /// Rows at most.
    pub max_rows: usize,
    /// The normal form of identities.
    pub normal: NormalForm,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A line makes no sense.
    #[error("{}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong.
        why: String,
    },
}

/// What a look at the file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It is as it was.
    Unchanged,
    /// A new one is in use.
    Loaded,
    /// It cannot be used; the old one stays.
    Failed,
}

/// What was last seen of the file.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Contents(blake3::Hash),
    Trouble(String),
}

/// The aliases of a file.
pub struct AliasFile {
    settings: FileSettings,
    current: RwLock<Arc<Table>>,
    seen: Mutex<Seen>,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for AliasFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AliasFile")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl FileSettings {
    fn read(&self) -> Result<Vec<u8>, FileError> {
        let octets = || {
            let mut octets = Vec::new();
            let most = self.max_size.saturating_add(1);
            File::open(&self.path)?
                .take(most)
                .read_to_end(&mut octets)?;
            if octets.len() as u64 > self.max_size {
                return Err(io::Error::other("is larger than aliases.max_size"));
            }
            Ok(octets)
        };
        octets().map_err(|cause| FileError::Unreadable {
            path: self.path.clone(),
            cause,
        })
    }

    fn table(&self, octets: &[u8]) -> Result<Table, FileError> {
        rows::table(octets, self.max_rows, &self.normal).map_err(|why| FileError::Line {
            path: self.path.clone(),
            why,
        })
    }

    /// How many rows it has.
    ///
    /// # Errors
    /// What is wrong with it, with file and line.
    pub fn check(&self) -> Result<usize, FileError> {
        Ok(self.table(&self.read()?)?.len())
    }
}

impl AliasFile {
    /// Loads the file.
    ///
    /// # Errors
    /// What is wrong with it, with file and line.
    pub fn load(settings: FileSettings, metrics: Arc<Metrics>) -> Result<Arc<Self>, FileError> {
        let octets = settings.read()?;
        let table = settings.table(&octets)?;
        let file = Self {
            settings,
            seen: Mutex::new(Seen::Contents(blake3::hash(&octets))),
            current: RwLock::default(),
            metrics,
        };
        file.put(table);
        Ok(Arc::new(file))
    }

    fn put(&self, table: Table) {
        let rows = table.len();
        let table = Arc::new(table);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = table;
        self.metrics
            .alias_rows
            .set(i64::try_from(rows).unwrap_or(i64::MAX));
        tracing::info!(file = %self.settings.path.display(), rows, "aliases loaded");
    }

    /// What the file says of an identity.
    pub fn find(&self, identity: &Identity) -> Option<Alias> {
        let table = {
            let current = self.current.read();
            Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
        };
        table.find(identity)
    }

    /// Looks at the file, and takes it up if its contents changed. Reads it: not for a thread that must not wait.
    pub fn renew(&self) -> Renewal {
        // Held all the while, so that of two renewals at once the later reading wins.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let octets = self.settings.read();
        let now = match &octets {
            Ok(octets) => Seen::Contents(blake3::hash(octets)),
            Err(error) => Seen::Trouble(error.to_string()),
        };
        if *seen == now {
            return Renewal::Unchanged;
        }
        *seen = now;
        let count = |outcome| {
            let reloads = &self.metrics.alias_reloads;
            reloads.with_label_values(&[outcome]).inc();
        };
        match octets.and_then(|octets| self.settings.table(&octets)) {
            Ok(table) => {
                count("loaded");
                self.put(table);
                Renewal::Loaded
            }
            Err(error) => {
                count("failed");
                tracing::error!("aliases.file: {error}; the aliases in use stay");
                Renewal::Failed
            }
        }
    }

    /// [`AliasFile::renew`], on a thread that may wait.
    pub async fn renew_aside(self: &Arc<Self>) -> Renewal {
        let file = Arc::clone(self);
        let renewed = tokio::task::spawn_blocking(move || file.renew()).await;
        renewed.unwrap_or(Renewal::Failed)
    }

    /// Looks at the file every so often until told to stop. Contents are compared, as for certificates.
    pub async fn watch(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            self.renew_aside().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_change_is_taken_up_and_a_fault_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aliases.csv");
        let settings = FileSettings {
            path: path.clone(),
            max_size: 200,
            max_rows: 3,
            normal: NormalForm::default(),
        };
        let metrics = Arc::new(Metrics::new().unwrap());
        let missing = AliasFile::load(settings.clone(), Arc::clone(&metrics)).unwrap_err();
        assert!(missing.to_string().contains("aliases.csv: "), "{missing}");
        fs::write(&path, "identity,account\nbob,C1\n").unwrap();
        assert_eq!(settings.check().unwrap(), 1);
        let file = AliasFile::load(settings, Arc::clone(&metrics)).unwrap();
        let account = || {
            let bob = Identity {
                outgoing_user: None,
                value: "bob".into(),
            };
            file.find(&bob).and_then(|alias| alias.account)
        };
        assert_eq!(account().as_deref(), Some("C1"));
        assert_eq!(file.renew(), Renewal::Unchanged);
        fs::write(&path, "identity,account\nbob,C2\nann,C3\n").unwrap();
        assert_eq!(file.renew(), Renewal::Loaded);
        assert_eq!(account().as_deref(), Some("C2"));
        assert_eq!(metrics.alias_rows.get(), 2);
        for bad in [
            "identity,account\nbob\n".to_owned(),
            "identity\na\nb\nc\nd\n".to_owned(),
            format!("identity\n{}\n", "x".repeat(300)),
        ] {
            fs::write(&path, bad).unwrap();
            assert_eq!(file.renew(), Renewal::Failed);
            assert_eq!(file.renew(), Renewal::Unchanged, "said once");
            assert_eq!(account().as_deref(), Some("C2"));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(file.renew(), Renewal::Failed);
        fs::write(&path, "identity\n").unwrap();
        assert_eq!(file.renew(), Renewal::Loaded);
        assert_eq!(account(), None);
    }
}
