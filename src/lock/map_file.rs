//! Map file: keys of whom is locked, for an MTA that looks them up in a file. The file is replaced as a whole, by
//! rename within its folder, after its octets are on the disk. A lock file beside it lets several daemons take
//! turns, each reading what the other wrote; what others keep in the file outside of our marks stays.

use super::answer::shorten;
use super::call::SetupError;
use super::meter::Meter;
use super::scope::Scope;
use super::{Listed, LockTarget, NoListing};
use crate::clock::Clock;
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::lock::{Action, LockOrder, Outcome, Subject};
use crate::domain::reconcile::Known;
use crate::metrics::Metrics;
use async_trait::async_trait;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

mod text;

pub use text::Format;
use text::{Actions, Text};

/// Whether Postfix's action refuses mail, for a lock, or holds it back. Rows with others would not be known again.
pub fn says(action: &str, wanted: Action) -> bool {
    text::means(action) == Some(wanted)
}

/// Which file is written, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The target's name, which is in the marks too.
    pub name: String,
    /// The file, by an absolute path. Its folder must be writable.
    pub path: PathBuf,
    /// How rows are written.
    pub format: Format,
    /// What its keys are.
    pub subject: Subject,
    /// Whether keys without `@` may be written.
    pub bare_names: bool,
    /// What Postfix is to do with whom is locked: `REJECT TEXT`.
    pub lock_action: String,
    /// What it is to do with whom is held: `HOLD TEXT`.
    pub hold_action: String,
    /// A program that is run after each change, with its arguments: `postmap` for example. Empty: none.
    pub after: Vec<String>,
    /// The longest that it may take.
    pub timeout: Duration,
    /// The largest file that is read.
    pub max_size: u64,
}

/// The target.
pub struct MapFile(Arc<Inner>);

/// What the store says of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What is in effect there.
    pub decided: Vec<Listed>,
    /// Whose orders are under way, or whose last try nobody knows the end of: they stay as they are.
    pub undecided: Vec<Identity>,
}

impl Standing {
    fn is_empty(&self) -> bool {
        self.decided.is_empty() && self.undecided.is_empty()
    }
}

impl FromIterator<Known> for Standing {
    fn from_iter<T: IntoIterator<Item = Known>>(known: T) -> Self {
        let mut standing = Self::default();
        for one in known {
            if one.busy || (one.maybe && !one.in_effect) {
                standing.undecided.push(one.identity);
            } else if one.in_effect {
                standing.decided.push(Listed {
                    action: one.action,
                    subject: one.subject,
                    identity: one.identity,
                });
            }
        }
        standing
    }
}

/// The lock beside the file, held.
struct Turn(#[expect(dead_code, reason = "held for its lock")] File);

/// A run that did not work, or was given up half-way, is owed again.
struct Owed<'d>(Option<&'d AtomicBool>);

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        if let Some(dirty) = self.0 {
            dirty.store(true, Ordering::SeqCst);
        }
    }
}

struct Inner {
    settings: Settings,
    meter: Meter,
    /// The file was changed, or may have been, and the program behind it has not run since.
    dirty: AtomicBool,
    /// One run of that program at a time, so that nobody is told of success before it worked.
    running: Mutex<()>,
}

impl fmt::Debug for MapFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapFile")
            .field("name", &self.0.settings.name)
            .field("path", &self.0.settings.path)
            .finish_non_exhaustive()
    }
}

impl MapFile {
    /// Checks the settings; the file is not touched yet.
    ///
    /// # Errors
    /// When the path is not absolute, or its folder is not there.
    pub fn new(
        settings: Settings,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let failed = |path: &Path, why| {
            Err(SetupError::File {
                path: path.to_owned(),
                why,
            })
        };
        if !settings.path.is_absolute() || settings.path.file_name().is_none() {
            return failed(&settings.path, "is not an absolute path of a file");
        }
        if !settings.path.parent().is_some_and(Path::is_dir) {
            return failed(&settings.path, "is in no folder that is there");
        }
        if let Some(program) = settings.after.first()
            && !Path::new(program).is_absolute()
        {
            return failed(Path::new(program), "is not an absolute path");
        }
        let fits = |text: &str| !text.trim().is_empty() && !text.contains(['\n', '\r', '\0']);
        if !fits(&settings.lock_action) || !fits(&settings.hold_action) {
            return failed(
                &settings.path,
                "has an action that is empty or not one line",
            );
        }
        if !says(&settings.lock_action, Action::Lock) || !says(&settings.hold_action, Action::Hold)
        {
            return failed(&settings.path, "has an action that it could not read back");
        }
        let good = [("order", "ok"), ("list", "listed")];
        Ok(Self(Arc::new(Inner {
            meter: Meter::new(&settings.name, metrics, clock, &good),
            settings,
            dirty: AtomicBool::new(true),
            running: Mutex::new(()),
        })))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let inner = Arc::clone(&self.0);
        match spawn_blocking(move || work(&inner)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the work on the file broke".to_owned()),
        }
    }

    /// Runs the program behind the file, where one is set and something changed since it ran.
    async fn run_after(&self) -> Result<(), String> {
        let settings = &self.0.settings;
        let Some((program, arguments)) = settings.after.split_first() else {
            return Ok(());
        };
        let _alone = self.0.running.lock().await;
        // Taken before it runs: what changes meanwhile makes it run again.
        if !self.0.dirty.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let mut run_owed = Owed(Some(&self.0.dirty));
        let run = Command::new(program)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .output();
        let failed = match tokio::time::timeout(settings.timeout, run).await {
            Ok(Ok(output)) if output.status.success() => {
                run_owed.0 = None;
                return Ok(());
            }
            Ok(Ok(output)) => shorten(&String::from_utf8_lossy(&output.stderr)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no end in time".to_owned(),
        };
        Err(format!("{program}: {failed}"))
    }

    /// Writes down what the store says is in effect, in place of what is there. The store is asked while no daemon
    /// can change the file: an order that is carried out elsewhere is either known to it, or comes after.
    ///
    /// # Errors
    /// When the store does not say, when the file cannot be read or written, and when the store knows nobody but
    /// the file does: that is another store, rather than nobody locked.
    pub async fn rebuild<E: fmt::Display>(
        &self,
        ask: impl Future<Output = Result<Standing, E>>,
    ) -> Result<(), String> {
        let turn = self.blocking(Inner::turn).await?;
        let standing = ask.await.map_err(|error| error.to_string())?;
        self.blocking(move |inner| {
            let key = |identity: &Identity| inner.key_of(identity);
            let undecided: HashSet<String> = standing.undecided.iter().filter_map(key).collect();
            let subject = inner.settings.subject;
            let decided = standing.decided.iter().filter(|one| one.subject == subject);
            let decided: BTreeMap<String, Action> = decided
                .filter_map(|one| Some((key(&one.identity)?, one.action)))
                .filter(|(key, _)| !undecided.contains(key))
                .collect();
            let (text, _) = inner.read()?;
            if standing.is_empty() && !text.ours.is_empty() {
                let rows = text.ours.len();
                return Err(io::Error::other(format!(
                    "{rows} rows are ours there, but the store knows nobody who is locked there; they are left"
                )));
            }
            inner.change_in(&turn, |text| {
                text.ours.retain(|key, _| undecided.contains(key));
                text.ours.extend(decided);
            })
        })
        .await?;
        self.run_after().await
    }
}

impl Inner {
    /// The key of an identity; none where the map cannot carry it.
    fn key_of(&self, identity: &Identity) -> Option<String> {
        let key = match self.settings.subject {
            Subject::OutgoingUser => identity.outgoing_user.as_ref()?.to_string(),
            Subject::Identity | Subject::Sender => identity.value.clone(),
        };
        let key = key.to_lowercase();
        let named = self.settings.bare_names
            || key
                .split_once('@')
                .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        (named && self.settings.format.carries(&key)).then_some(key)
    }

    fn read(&self) -> io::Result<(Text, Vec<u8>)> {
        let mut bytes = Vec::new();
        match File::open(&self.settings.path) {
            Ok(file) => {
                let most = self.settings.max_size;
                file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
                if bytes.len() as u64 > most {
                    return Err(io::Error::other("the file is larger than allowed"));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let text = Text::read(&bytes, &self.settings.name, self.settings.format);
        let damaged = |_| io::Error::other("the marks of our part of the file are damaged");
        Ok((text.map_err(damaged)?, bytes))
    }

    /// Waits until no other daemon changes the file; nor will one until this is dropped.
    fn turn(&self) -> io::Result<Turn> {
        // Not the file itself: that is another one after each change.
        let mut path = self.settings.path.clone().into_os_string();
        path.push(".arfd-lock");
        let file = File::options().create(true).append(true).open(path)?;
        file.lock()?;
        Ok(Turn(file))
    }

    /// Reads, changes and replaces the file, alone among all daemons.
    fn change(&self, change: impl FnOnce(&mut Text)) -> io::Result<Text> {
        self.change_in(&self.turn()?, change)
    }

    fn change_in(&self, _: &Turn, change: impl FnOnce(&mut Text)) -> io::Result<Text> {
        let (mut text, before) = self.read()?;
        change(&mut text);
        let actions = Actions {
            lock: &self.settings.lock_action,
            hold: &self.settings.hold_action,
        };
        let after = text.write(&self.settings.name, self.settings.format, &actions);
        if after != before {
            // First, for it may have the name already when it fails.
            self.dirty.store(true, Ordering::SeqCst);
            self.replace(&after)?;
        }
        Ok(text)
    }

    /// The new content is on the disk before it takes the name, and the name before we say so.
    fn replace(&self, content: &[u8]) -> io::Result<()> {
        let path = &self.settings.path;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::Builder::new()
            .prefix(".arfd-map-")
            .tempfile_in(folder)?;
        file.write_all(content)?;
        match std::fs::metadata(path) {
            Ok(known) => {
                std::fs::set_permissions(file.path(), known.permissions())?;
                keep_owner(file.as_file(), &known)?;
            }
            Err(_) => {
                use std::os::unix::fs::PermissionsExt;
                let mode = std::fs::Permissions::from_mode(0o644);
                std::fs::set_permissions(file.path(), mode)?;
            }
        }
        file.as_file().sync_all()?;
        file.persist(path).map_err(|failed| failed.error)?;
        File::open(folder)?.sync_all()
    }
}

/// Gives the file the owner and group of the one that it replaces, where they are others.
fn keep_owner(file: &File, known: &std::fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (known.uid(), known.gid()) {
        return Ok(());
    }
    fchown(file, Some(known.uid()), Some(known.gid()))
}

#[async_trait]
impl LockTarget for MapFile {
    fn name(&self) -> &str {
        self.0.meter.name()
    }

    fn can(&self, action: Action, subject: Subject) -> bool {
        let settings = &self.0.settings;
        subject == settings.subject && (action != Action::Hold || settings.format.tells_holds())
    }

    async fn carry_out(&self, order: &LockOrder) -> Outcome {
        if let Err(why) = Scope::of(order) {
            return Outcome::Refused { why: why.into() };
        }
        let Some(key) = self.0.key_of(&order.identity) else {
            let why = "it cannot stand in such a map for itself alone".to_owned();
            return Outcome::Refused { why };
        };
        let action = order.action;
        let wanted = key.clone();
        let change = self.blocking(move |inner| {
            inner.change(|text| match action {
                Action::Release => {
                    text.ours.remove(&wanted);
                }
                action => {
                    text.ours.insert(wanted, action);
                }
            })
        });
        let changed = self.0.meter.timed("order", change).await;
        let later = |why: String| {
            self.0.meter.count("order", "failed");
            Outcome::Later { why: shorten(&why) }
        };
        let text = match changed {
            Ok(text) => text,
            Err(why) => return later(why),
        };
        if let Err(why) = self.run_after().await {
            return later(why);
        }
        let format = self.0.settings.format;
        let foreign = text.foreign(format).any(|(known, _)| known == key);
        if action == Action::Release && foreign {
            self.0.meter.count("order", "refused");
            return Outcome::Refused {
                why: "it stands in the file outside of our part too, which is not ours to change"
                    .into(),
            };
        }
        self.0.meter.count("order", "ok");
        Outcome::Done {
            answer: match action {
                Action::Release => "not in the map".into(),
                _ => "in the map".into(),
            },
        }
    }

    async fn list(&self, domains: &[String]) -> Result<Vec<Listed>, NoListing> {
        let read = self.blocking(|inner| inner.read().map(|(text, _)| text));
        let text = self.0.meter.timed("list", read).await;
        let text = text.map_err(|why| NoListing::Failed(shorten(&why)))?;
        self.0.meter.count("list", "listed");
        let subject = self.0.settings.subject;
        let entry = |(key, action): (String, Action)| Listed {
            action,
            subject,
            identity: Identity {
                outgoing_user: match subject {
                    Subject::OutgoingUser => OutgoingUser::parse(&key),
                    Subject::Identity | Subject::Sender => None,
                },
                value: key,
            },
        };
        // All of it, whatever is asked: an identity's own domain need not be that of its outgoing user.
        let _ = domains;
        let ours = text.ours.clone();
        let rows = ours.into_iter().chain(text.foreign(self.0.settings.format));
        Ok(rows.map(entry).collect())
    }
}
