//! `arfd locks`: what is locked at the targets, how that differs from the store, and what to do about it.

use super::list::{clean, write_table};
use super::which::Trail;
use super::{ConfigFile, UNAVAILABLE};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::domain::reconcile::Diff;
use crate::lock::{LockTarget, NoListing};
use crate::reconcile::Reconciler;
use crate::store::{Drift, Store, Wish};
use clap::{Args, Subcommand, ValueEnum};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// What is locked at the targets.
#[derive(Debug, Subcommand)]
pub enum Locks {
    /// Show what a target says is held or locked, whoever did it.
    List(Look),
    /// Show how the targets and the store differ.
    Diff(Look),
    /// Say what to do about locks that are missing at a target.
    Settle(Settle),
}

/// Ask the targets. Domains that somebody is locked in, or that complaints came about within a week, are asked for.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 fine, for diff: no difference; 1 there is a difference; 69 a target did not say."
)]
pub struct Look {
    /// Only this target.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// One JSON object a target and line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

/// Say what to do about the locks that are missing at a target now. The daemon does it by itself (reconcile.when_lost)
/// unless so many are missing that the target was evidently reset; then it waits for this.
#[derive(Debug, Args)]
pub struct Settle {
    /// The target.
    #[arg(value_name = "TARGET")]
    target: String,
    /// What happened there.
    #[arg(long, value_enum)]
    lost: Lost,
    #[command(flatten)]
    trail: Trail,
    #[command(flatten)]
    file: ConfigFile,
}

/// What became of missing locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lost {
    /// The target lost them: lock anew.
    Repair,
    /// Somebody unlocked them: they are released here, too.
    Release,
}

impl Locks {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(look) => look.run(true),
            Self::Diff(look) => look.run(false),
            Self::Settle(settle) => settle.run(),
        }
    }
}

/// The store and the targets, for one command.
struct Here {
    store: Arc<dyn Store>,
    reconciler: Reconciler,
}

impl Here {
    async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let store = app::open_existing_store(settings).await?;
        let reconciler = app::reconciler(settings, Arc::clone(&store))?;
        Ok(Self { store, reconciler })
    }

    fn targets(&self, only: Option<&str>) -> anyhow::Result<Vec<Arc<dyn LockTarget>>> {
        let all = self.reconciler.targets();
        let chosen = all
            .iter()
            .filter(|t| only.is_none_or(|name| name == t.name()));
        let chosen: Vec<_> = chosen.cloned().collect();
        if chosen.is_empty() {
            let names: Vec<&str> = all.iter().map(|target| target.name()).collect();
            anyhow::bail!(
                "there is no such target; configured are: {}",
                names.join(", ")
            );
        }
        Ok(chosen)
    }
}

impl Look {
    fn run(self, list: bool) -> anyhow::Result<ExitCode> {
        let settings = self.file.load()?;
        super::runtime()?.block_on(async {
            let here = Here::open(&settings).await?;
            let code = match list {
                true => self.list(&here).await,
                false => self.diff(&here).await,
            };
            here.store.close().await;
            code
        })
    }

    async fn list(&self, here: &Here) -> anyhow::Result<ExitCode> {
        let mut code = ExitCode::SUCCESS;
        let mut out = io::stdout().lock();
        let mut table = vec![
            ["target", "what", "of", "identity"]
                .map(str::to_owned)
                .to_vec(),
        ];
        for target in here.targets(self.target.as_deref())? {
            let name = target.name().to_owned();
            let mut found = match here.reconciler.list(target.as_ref()).await? {
                Ok(found) => found,
                Err(why) => {
                    code = told(&name, &why);
                    continue;
                }
            };
            found.sort_by(|a, b| (&a.identity, a.subject).cmp(&(&b.identity, b.subject)));
            for one in found {
                let (action, subject) = (one.action.as_str(), one.subject.as_str());
                if self.json {
                    let line = serde_json::json!({
                        "target": name, "action": action, "subject": subject, "identity": one.identity,
                    });
                    writeln!(out, "{line}")?;
                } else {
                    let who = clean(&one.identity.to_string());
                    table.push(vec![name.clone(), action.into(), subject.into(), who]);
                }
            }
        }
        if !self.json {
            write_table(&mut out, &table)?;
        }
        Ok(code)
    }

    async fn diff(&self, here: &Here) -> anyhow::Result<ExitCode> {
        let mut code = ExitCode::SUCCESS;
        let mut out = io::stdout().lock();
        for target in here.targets(self.target.as_deref())? {
            let name = target.name().to_owned();
            match here.reconciler.compare(target.as_ref()).await? {
                Ok(diff) => {
                    if !diff.is_none() {
                        code = ExitCode::FAILURE;
                    }
                    self.tell(&mut out, &name, &diff)?;
                }
                Err(why) => {
                    told(&name, &why);
                    return Ok(ExitCode::from(UNAVAILABLE));
                }
            }
        }
        Ok(code)
    }

    fn tell(&self, out: &mut impl Write, name: &str, diff: &Diff) -> anyhow::Result<()> {
        if self.json {
            let mut line = serde_json::to_value(diff)?;
            line["target"] = name.into();
            writeln!(out, "{line}")?;
            return Ok(());
        }
        writeln!(
            out,
            "{name}: {} alike, {} missing there, {} not known here",
            diff.same,
            diff.lost.len(),
            diff.foreign.len()
        )?;
        for lost in &diff.lost {
            let who = clean(&lost.identity.to_string());
            writeln!(out, "  missing there   {who}  {}", lost.incident)?;
        }
        for found in &diff.foreign {
            let who = clean(&found.identity.to_string());
            writeln!(out, "  not known here  {who}  ({})", found.subject.as_str())?;
        }
        Ok(())
    }
}

fn told(name: &str, why: &NoListing) -> ExitCode {
    eprintln!("arfd: {name}: {why}");
    ExitCode::from(UNAVAILABLE)
}

impl Settle {
    fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load()?;
        super::runtime()?.block_on(async {
            let here = Here::open(&settings).await?;
            let code = self.settle(&here, &settings).await;
            here.store.close().await;
            code
        })
    }

    async fn settle(&self, here: &Here, settings: &Settings) -> anyhow::Result<ExitCode> {
        let targets = here.targets(Some(&self.target))?;
        let Some(target) = targets.first() else {
            return Ok(ExitCode::FAILURE);
        };
        let diff = match here.reconciler.compare(target.as_ref()).await? {
            Ok(diff) => diff,
            Err(why) => return Ok(told(&self.target, &why)),
        };
        let drift = match self.lost {
            Lost::Repair => Drift::Repair,
            Lost::Release => Drift::Unlocked(settings.lock.cool_down.0.as_secs()),
        };
        let bar = super::bulk::bar(diff.lost.len());
        for lost in &diff.lost {
            let wish = Wish {
                actor: &self.trail.by,
                why: &self.trail.reason,
                now: SystemClock::default().now(),
            };
            let settled = here
                .store
                .settle_drift(lost.incident, &self.target, drift, &wish)
                .await?;
            let text = match settled {
                Ok(state) => state.as_str().to_owned(),
                Err(why) => why.to_string(),
            };
            let who = clean(&lost.identity.to_string());
            bar.suspend(|| println!("{who}  {text}"));
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(ExitCode::SUCCESS)
    }
}
