//! `arfd lock`: holds or locks somebody by hand, one or many.

use super::bulk::{Line, bar, lines};
use super::which::Trail;
use super::{BAD_CONFIG, ConfigFile, NO_INPUT};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{Settings, Span};
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::incident::{NotAllowed, Step};
use crate::domain::lock::{Action, Subject};
use crate::domain::routing::Routing;
use crate::store::{ByHand, Store, Wish};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// Lock an identity by hand, at every target that takes orders. The running daemon carries it out; `arfd why`
/// shows how it went. Who is protected (restraint.protected) is refused without --force. An open incident of the
/// identity is raised to the lock; who is locked already stays so.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    arfd lock shop@customer.example --user mta@customer.example --reason \"phishing, ticket 4711\"\n  \
    arfd lock mta@customer.example --of outgoing-user --reason \"server broken into\"\n  \
    arfd lock --from list.txt --user mta@customer.example --reason \"leaked passwords\"\n\n\
    A file has one IDENTITY or IDENTITY USER@DOMAIN a line; - is standard input. Running it again does no harm.\n\
    Exit codes: 0 all are ordered or were so already; 1 at least one was refused; 66 a line or file makes no sense;\n\
    78 no target takes orders.")]
pub struct Lock {
    /// The identity; with --of outgoing-user the user as NAME@DOMAIN, with --of sender the sender's address.
    #[arg(value_name = "IDENTITY", required_unless_present = "from")]
    what: Option<String>,
    /// Whom to lock: one line each, - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "what")]
    from: Option<PathBuf>,
    /// The outgoing user that the identity belongs to.
    #[arg(long, value_name = "NAME@DOMAIN")]
    user: Option<String>,
    /// What is named.
    #[arg(long, value_enum, default_value_t = Of::Identity)]
    of: Of,
    /// Keep the mail back instead of refusing it.
    #[arg(long)]
    hold: bool,
    /// How long it lasts once confirmed, as in 24h; without it until a person ends it.
    #[arg(long = "for", value_name = "SPAN")]
    lasts: Option<Span>,
    /// Lock also who is protected.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    trail: Trail,
    #[command(flatten)]
    file: ConfigFile,
}

/// What is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Of {
    /// One identity of an outgoing user.
    Identity,
    /// The whole outgoing user, and all behind it.
    OutgoingUser,
    /// A sender's address, whoever uses it.
    Sender,
}

impl Of {
    fn subject(self) -> Subject {
        match self {
            Self::Identity => Subject::Identity,
            Self::OutgoingUser => Subject::OutgoingUser,
            Self::Sender => Subject::Sender,
        }
    }
}

impl Lock {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        let routing = settings.to_routing();
        if routing.is_empty() {
            eprintln!("arfd: lock.target is \"observe\": nobody would be locked");
            return Ok(ExitCode::from(BAD_CONFIG));
        }
        let all = match (&self.from, &self.what) {
            (Some(file), _) => lines(file)?,
            (None, what) => vec![Line {
                number: 1,
                what: what.clone().unwrap_or_default(),
                more: None,
            }],
        };
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let code = self.lock(store.as_ref(), &settings, &routing, &all).await;
            store.close().await;
            code
        })
    }

    async fn lock(
        &self,
        store: &dyn Store,
        settings: &Settings,
        routing: &Routing,
        all: &[Line],
    ) -> anyhow::Result<ExitCode> {
        let bar = bar(all.len());
        let (mut refused, mut senseless) = (0, 0);
        for line in all {
            let told = match self.who(line) {
                Some(identity) => self.one(store, settings, routing, &identity).await?,
                None => Told::Senseless,
            };
            let text = match &told {
                Told::Done(text) => text.clone(),
                Told::Refused(why) => format!("refused: {why}"),
                Told::Senseless => format!(
                    "line {}: an identity and its outgoing user (--user NAME@DOMAIN) are needed",
                    line.number
                ),
            };
            bar.suspend(|| println!("{}  {text}", super::list::clean(&line.what)));
            bar.inc(1);
            match told {
                Told::Done(_) => {}
                Told::Refused(_) => refused += 1,
                Told::Senseless => senseless += 1,
            }
        }
        bar.finish_and_clear();
        if store.lock_switch().await?.paused {
            println!("locks are paused: nothing is sent before arfd resume");
        }
        Ok(match (senseless, refused) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::FAILURE,
            _ => ExitCode::from(NO_INPUT),
        })
    }

    fn who(&self, line: &Line) -> Option<Identity> {
        let value = line.what.trim().to_lowercase();
        let user = match self.of {
            Of::OutgoingUser => OutgoingUser::parse(&line.what)?,
            _ => OutgoingUser::parse(line.more.as_ref().or(self.user.as_ref())?)?,
        };
        // An empty name would reach every user of the domain at some targets.
        if value.is_empty() || user.username.is_empty() || user.username.contains('*') {
            return None;
        }
        Some(Identity {
            outgoing_user: Some(user),
            value,
        })
    }

    async fn one(
        &self,
        store: &dyn Store,
        settings: &Settings,
        routing: &Routing,
        identity: &Identity,
    ) -> anyhow::Result<Told> {
        let protected = settings.restraint.to_restraints().protected;
        let pattern = protected.iter().find(|p| p.matches(identity));
        if let Some(pattern) = pattern
            && !self.force
        {
            let why = format!("it is protected by {pattern}; --force locks it all the same");
            return Ok(Told::Refused(why));
        }
        let step = if self.hold { Step::Hold } else { Step::Lock };
        let action = if self.hold {
            Action::Hold
        } else {
            Action::Lock
        };
        let targets = routing.targets(action, self.of.subject(), identity);
        if targets.is_empty() {
            return Ok(Told::Refused(
                "no target takes such an order about it".to_owned(),
            ));
        }
        let what = ByHand {
            identity: identity.clone(),
            subject: self.of.subject(),
            step,
            despite: pattern.map(ToString::to_string),
            timeout_seconds: self.lasts.map(|span| span.0.as_secs()).filter(|s| *s > 0),
            targets: targets.into_iter().map(str::to_owned).collect(),
        };
        let wish = Wish {
            actor: &self.trail.by,
            why: &self.trail.reason,
            now: SystemClock::default().now(),
        };
        Ok(match store.order_by_hand(&what, &wish).await? {
            Ok((incident, _)) => Told::Done(format!("ordered: {incident}")),
            Err(NotAllowed::Already) => Told::Done("it is so already".to_owned()),
            Err(why) => Told::Refused(why.to_string()),
        })
    }
}

/// What a line came to.
enum Told {
    Done(String),
    Refused(String),
    Senseless,
}
