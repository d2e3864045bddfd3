//! Exec: a program of yours, with fixed arguments and no shell, gets the order as JSON on its standard input. What
//! it prints and how long it takes are bounded; when either is over, its whole process group is killed. Its exit
//! code says what came of it. Its environment is empty but for the variables that are named.

use super::answer::shorten;
use super::call::SetupError;
use super::meter::Meter;
use super::scope::Scope;
use super::{Listed, LockTarget, NoListing, wire};
use crate::clock::Clock;
use crate::domain::lock::{Action, LockOrder, Outcome, Subject};
use crate::metrics::Metrics;
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// How long output that nobody ends is still read once the program itself has ended.
const DRAIN: Duration = Duration::from_millis(200);

/// Which program is asked, and what its exit codes mean.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The target's name.
    pub name: String,
    /// The program, by an absolute path.
    pub program: PathBuf,
    /// Its arguments for an order.
    pub arguments: Vec<String>,
    /// Its arguments for the listing; empty: it has none.
    pub list_arguments: Vec<String>,
    /// Variables of our environment that it gets.
    pub environment: Vec<String>,
    /// Exit codes that mean done.
    pub done: Vec<i32>,
    /// Exit codes that mean to try again later; all others refuse the order.
    pub later: Vec<i32>,
    /// What may be asked, besides locks.
    pub hold: bool,
    /// The longest that it may take.
    pub timeout: Duration,
    /// The most that is read of each of its outputs, in octets.
    pub max_output: usize,
}

/// The target.
pub struct Exec {
    settings: Settings,
    meter: Meter,
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec")
            .field("name", &self.settings.name)
            .finish_non_exhaustive()
    }
}

/// The program's process group, killed when dropped unless it ended by itself.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn kill(&mut self) {
        if let Some(group) = self.0.take() {
            // It fails only when all of it is gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a run ended.
struct Ended {
    /// None: by a signal.
    code: Option<i32>,
    output: Vec<u8>,
    errors: Vec<u8>,
    /// Something that it began still holds its output.
    kept_open: bool,
}

enum NoEnd {
    NotStarted(std::io::Error),
    Timeout,
    TooMuch,
}

impl Exec {
    /// Checks the settings; runs nothing yet.
    ///
    /// # Errors
    /// When the program is not named by an absolute path, or is no file.
    pub fn new(
        settings: Settings,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let failed = |why| {
            Err(SetupError::File {
                path: settings.program.clone(),
                why,
            })
        };
        if !settings.program.is_absolute() {
            return failed("is not an absolute path");
        }
        if !settings.program.is_file() {
            return failed("is not a file");
        }
        Ok(Self {
            meter: Meter::new(&settings.name, metrics, clock, &[("order", "ok")]),
            settings,
        })
    }

    async fn run(&self, arguments: &[String], input: &[u8]) -> Result<Ended, NoEnd> {
        let kept = self
            .settings
            .environment
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(&self.settings.program)
            .args(arguments)
            .env_clear()
            .envs(kept)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(NoEnd::NotStarted)?;
        let mut group = Group::of(&child);
        let most = self.settings.max_output;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program may end without reading; its exit code says enough.
                let _ = stdin.write_all(input).await;
            }
        };
        let talk = async { tokio::join!(feed, read(stdout, most), read(stderr, most)) };
        tokio::pin!(talk);
        let work = async {
            // Reading ends first, unless a child of the program keeps its output open.
            let status = tokio::select! {
                ((), output, errors) = &mut talk => {
                    let (output, errors) = (output?, errors?);
                    let status = child.wait().await.map_err(NoEnd::NotStarted)?;
                    return Ok(Ended { code: status.code(), output, errors, kept_open: false });
                }
                status = child.wait() => status.map_err(NoEnd::NotStarted)?,
            };
            let rest = tokio::time::timeout(DRAIN, &mut talk).await;
            let kept_open = rest.is_err();
            let (output, errors) = match rest {
                Ok(((), output, errors)) => (output?, errors?),
                Err(_) => (Vec::new(), b"its output was kept open".to_vec()),
            };
            Ok(Ended {
                code: status.code(),
                output,
                errors,
                kept_open,
            })
        };
        let ended = match tokio::time::timeout(self.settings.timeout, work).await {
            Ok(ended) => ended,
            Err(_) => Err(NoEnd::Timeout),
        };
        // The group is there as long as one of it lives; once all have ended its number may be another's.
        match &ended {
            Ok(ended) if !ended.kept_open => group.0 = None,
            _ => group.kill(),
        }
        ended
    }

    async fn ask(&self, label: &str, arguments: &[String], input: &[u8]) -> Result<Ended, String> {
        let failed = |outcome: &str, why: String| {
            self.meter.count(label, outcome);
            Err(why)
        };
        match self.meter.timed(label, self.run(arguments, input)).await {
            Ok(ended) => Ok(ended),
            Err(NoEnd::NotStarted(error)) => failed(
                "not_started",
                format!("the program could not be run: {error}"),
            ),
            Err(NoEnd::Timeout) => failed("timeout", "no end in time: it was killed".to_owned()),
            Err(NoEnd::TooMuch) => failed(
                "too_long",
                "it printed more than allowed: it was killed".to_owned(),
            ),
        }
    }
}

/// All of it, up to so many octets.
async fn read(from: Option<impl AsyncRead + Unpin>, most: usize) -> Result<Vec<u8>, NoEnd> {
    let mut read = Vec::new();
    let Some(from) = from else { return Ok(read) };
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    // What was read before an error is still worth having.
    let _ = from.take(limit).read_to_end(&mut read).await;
    match read.len() > most {
        true => Err(NoEnd::TooMuch),
        false => Ok(read),
    }
}

fn said(ended: &Ended) -> String {
    let texts =
        [&ended.output, &ended.errors].map(|text| String::from_utf8_lossy(text).into_owned());
    match shorten(&texts.join(" ")) {
        text if text.is_empty() => "no text".to_owned(),
        text => text,
    }
}

#[async_trait]
impl LockTarget for Exec {
    fn name(&self) -> &str {
        self.meter.name()
    }

    fn can(&self, action: Action, _: Subject) -> bool {
        action != Action::Hold || self.settings.hold
    }

    async fn carry_out(&self, order: &LockOrder) -> Outcome {
        if let Err(why) = Scope::of(order) {
            return Outcome::Refused { why: why.into() };
        }
        let mut input = match wire::order(order) {
            Ok(input) => input,
            Err(error) => {
                return Outcome::Refused {
                    why: format!("cannot be written as JSON: {error}"),
                };
            }
        };
        input.push(b'\n');
        let ended = match self.ask("order", &self.settings.arguments, &input).await {
            Ok(ended) => ended,
            Err(why) => return Outcome::Later { why },
        };
        let said = said(&ended);
        let Some(code) = ended.code else {
            self.meter.count("order", "killed");
            let why = format!("ended by a signal: {said}");
            return Outcome::Later { why };
        };
        let why = format!("exit code {code}: {said}");
        if self.settings.done.contains(&code) {
            self.meter.count("order", "ok");
            return Outcome::Done { answer: said };
        }
        if self.settings.later.contains(&code) {
            self.meter.count("order", "later");
            return Outcome::Later { why };
        }
        self.meter.count("order", "refused");
        Outcome::Refused { why }
    }

    async fn list(&self, _: &[String]) -> Result<Vec<Listed>, NoListing> {
        if self.settings.list_arguments.is_empty() {
            return Err(NoListing::Unsupported);
        }
        let ended = self.ask("list", &self.settings.list_arguments, b"").await;
        let ended = ended.map_err(NoListing::Failed)?;
        if !ended
            .code
            .is_some_and(|code| self.settings.done.contains(&code))
        {
            self.meter.count("list", "failed");
            return Err(NoListing::Failed(format!("list: {}", said(&ended))));
        }
        match wire::listing(&ended.output) {
            Some(found) => {
                self.meter.count("list", "listed");
                Ok(found)
            }
            None => {
                self.meter.count("list", "not_understood");
                Err(NoListing::Failed("list: not a listing".to_owned()))
            }
        }
    }
}
