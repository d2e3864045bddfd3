//! `arfd attribute` and `arfd forget`: a person names the sender of a report that nobody was named for, and what
//! reports like it will be taken for.

use super::{ConfigFile, NO_INPUT, NOT_SO, TRY_AGAIN};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::domain::alias::Answer;
use crate::domain::attribution::Attribution;
use crate::domain::feed::{Arrival, Security};
use crate::domain::filing::Policy;
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::ids::ReportId;
use crate::domain::learnt::{Choice, Key, MOST_HEADERS, MOST_MAPPINGS, by_hand};
use crate::domain::standing::Standing;
use crate::formats;
use crate::intake::aliases::Aliases;
use crate::intake::prepare::{Judge, Trial};
use crate::metrics::Metrics;
use crate::store::{Attributed, Lesson, NamedByHand, ReportFilter, ReportRow, Store, StoreError};
use clap::Args;
use jiff::Timestamp;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;
use uuid::Uuid;

/// Reports that are looked through for the key of a lesson.
const LOOKED_THROUGH: u32 = 2_000;

/// Name the sender of a report that nobody could be named for. The report then counts, at the time it was received
/// and by what its feed may do now, and what it crosses is ordered. Said twice, it is done once. Reports that count
/// already, or that no name could make count, are left alone.
///
/// With --learn, what stands in this report is remembered: later reports of the same feed with the same value, which
/// no method names, are taken for this identity until `arfd forget`. Every daemon takes that up within seconds.
#[derive(Debug, Args)]
#[command(after_help = "\
What --learn can look at:
  source-ip        the address that the message came from. Not for an address that several customers share
  outgoing-user    the login at the filter, a whole server's too
  sender-domain    the domain of the envelope sender; anybody may write that
  header:NAME      a header of the enclosed message with its value

Examples:
  arfd list unattributed -c arfd.toml
  arfd attribute 619c5318-bae1-8e11-8f78-afef6eb0765d --identity shop@customer.example \\
      --user relay@customer.example --learn source-ip --reason \"their new server\" -c arfd.toml

Exit codes: 0 done, or done before; 65 not as things are; 66 no such report; 75 try again.")]
pub struct Attribute {
    /// The report's id, as in `arfd list reports` and `arfd list unattributed`.
    #[arg(value_name = "REPORT")]
    report: Uuid,
    /// The identity, as the filter knows it.
    #[arg(long, value_name = "IDENTITY")]
    identity: String,
    /// The outgoing user that it is under; a lock needs it. Without this it is the report's own, where it has one.
    #[arg(long, value_name = "USERNAME@DOMAIN")]
    user: Option<String>,
    /// What in the report stands for the identity from now on.
    #[arg(long, value_name = "source-ip|outgoing-user|sender-domain|header:NAME")]
    learn: Option<String>,
    /// Why, for the audit trail.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who, for the audit trail.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "desk")]
    by: String,
    #[command(flatten)]
    file: ConfigFile,
}

/// Forget what was learnt from a report. Later reports are not taken for its identity any more; those that were stay
/// as they are.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  arfd list learnt -c arfd.toml\n  \
    arfd forget 714beef0-a5c6-8df3-8b55-9f8d65eb1d63 --reason \"the server is another customer's now\" -c arfd.toml")]
pub struct Forget {
    /// The mapping's id, as in `arfd list learnt`.
    #[arg(value_name = "ID")]
    id: Uuid,
    /// Why, for the audit trail.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who, for the audit trail.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "desk")]
    by: String,
    #[command(flatten)]
    file: ConfigFile,
}

impl Forget {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let now = SystemClock::default().now();
            let forgotten = store.forget(self.id, &self.by, &self.reason, now).await;
            store.close().await;
            if forgotten? {
                println!("forgotten {}", self.id);
                return Ok(ExitCode::SUCCESS);
            }
            eprintln!("arfd: nothing that is in force was learnt as {}", self.id);
            Ok(ExitCode::from(NO_INPUT))
        })
    }
}

/// Why a report is not attributed, and with which code that ends.
struct Refusal(u8, String);

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unavailable(_) | StoreError::TooSlow => TRY_AGAIN,
            _ => 1,
        };
        Self(code, error.to_string())
    }
}

fn not_so(why: impl Into<String>) -> Refusal {
    Refusal(NOT_SO, why.into())
}

impl Attribute {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        let choice = self.learn.as_deref().map(str::parse::<Choice>).transpose();
        let choice = choice.map_err(|error| anyhow::anyhow!("--learn {error}"))?;
        let judge = app::judge(&settings)?;
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
            let aliases = app::aliases(&settings, &clock, &Arc::new(Metrics::new()?))?;
            let policy = app::policy(&settings, store.as_ref(), clock.now()).await?;
            let task = Task {
                what: &self,
                choice,
                judge,
                aliases,
                policy,
                settings: &settings,
                store: store.as_ref(),
                now: clock.now(),
            };
            let done = task.run().await;
            store.close().await;
            Ok(match done {
                Ok(()) => ExitCode::SUCCESS,
                Err(Refusal(code, why)) => {
                    eprintln!("arfd: {why}");
                    ExitCode::from(code)
                }
            })
        })
    }
}

/// One report to be attributed, with all that it takes.
struct Task<'a> {
    what: &'a Attribute,
    choice: Option<Choice>,
    judge: Judge,
    aliases: Aliases,
    policy: Policy,
    settings: &'a Settings,
    store: &'a dyn Store,
    now: Timestamp,
}

impl Task<'_> {
    async fn run(&self) -> Result<(), Refusal> {
        let id = ReportId(self.what.report);
        let Some(row) = self.store.report(id).await? else {
            return Err(Refusal(NO_INPUT, format!("there is no report {id}")));
        };
        let Some(feed) = row.feed.as_deref() else {
            return Err(not_so(barred(&row.standing, &row.attribution)));
        };
        let Some(message) = self.store.evidence(id).await? else {
            return Err(not_so(format!(
                "the message of report {id} is not kept any more"
            )));
        };
        let identity = self.identity(&row)?;
        let by_hand = by_hand(identity, &self.what.by);
        let trial = Trial {
            checks: None,
            received_at: row.received_at,
            at: self.now,
            tries: 1,
            finally: true,
            known_as: Some(id),
        };
        let arrival = arrival(&row);
        let judged = self
            .judge
            .prepare_by_hand(feed, arrival, &message, by_hand, trial);
        let Some(judged) = judged else {
            return Err(not_so(format!(
                "the report is from feed '{feed}', which is not in the configuration any more"
            )));
        };
        let mut filing = judged.filing;
        if filing.standing != Standing::Counted {
            return Err(not_so(barred(filing.standing.as_str(), &row.attribution)));
        }
        let identity = filing.attribution.identity().cloned();
        let identity = identity.ok_or_else(|| not_so("nobody was named"))?;
        let answer = self.aliases.lookup.find(&identity).await;
        if let Answer::Trouble(why) = &answer {
            let why = format!("the look-up of aliases has trouble: {why}; try again");
            return Err(Refusal(TRY_AGAIN, why));
        }
        self.aliases.put(&mut filing, answer);
        if filing.standing != Standing::Counted {
            return Err(not_so(barred(filing.standing.as_str(), &row.attribution)));
        }
        let lesson = match &self.choice {
            None => None,
            // As it was named: whom that is known as may change.
            Some(choice) => Some(self.lesson(feed, choice, &message, identity).await?),
        };
        let by_hand = NamedByHand {
            filing: &filing,
            actor: &self.what.by,
            why: &self.what.reason,
            lesson: lesson.as_ref(),
        };
        let done = self.store.attribute(by_hand, &self.policy, self.now);
        let done = tokio::time::timeout(self.settings.store.timeout.0, done).await;
        let done = done.unwrap_or(Err(StoreError::TooSlow))?;
        let who = filing.attribution.identity();
        let who = who.map(ToString::to_string).unwrap_or_default();
        let learnt = match done {
            Attributed::Done(filed, learnt) => {
                println!("{id}: {} for {who}", filed.standing.as_str());
                if let Some(opened) = filed.opened {
                    println!("incident {} opened: rule {}", opened.incident, opened.rule);
                }
                learnt
            }
            Attributed::Already(learnt) => {
                println!("{id}: was attributed to {who} before");
                learnt
            }
            Attributed::NotWaiting {
                standing,
                attribution,
            } => return Err(not_so(barred(&standing, &attribution))),
            Attributed::OtherwiseLearnt(other) => {
                return Err(not_so(format!(
                    "{} {} of feed {} stands for {} already, learnt from report {} by {}; \
                     `arfd forget {}` first. Nothing was written",
                    other.choice,
                    other.value,
                    other.feed,
                    other.identity,
                    other.report,
                    other.by,
                    other.id
                )));
            }
            Attributed::NoRoom => {
                return Err(not_so(format!(
                    "no more can be learnt: {MOST_MAPPINGS} mappings in all, {MOST_HEADERS} header names a feed; \
                     `arfd forget` some. Nothing was written"
                )));
            }
            Attributed::Missing => return Err(not_so(format!("there is no report {id}"))),
        };
        if let (Some(learnt), Some(lesson)) = (learnt, lesson) {
            println!(
                "learnt {learnt}: {} of feed {feed} stands for {who}",
                lesson.key
            );
        }
        Ok(())
    }

    /// The identity that is meant. Its outgoing user is the one that is given, or else the report's own.
    fn identity(&self, row: &ReportRow) -> Result<Identity, Refusal> {
        let text = &self.what.identity;
        let form = &self.judge.methods.normal;
        let value = form
            .of(text)
            .ok_or_else(|| not_so(format!("'{text}' is no identity")))?;
        let outgoing_user = match &self.what.user {
            Some(user) => {
                let parsed = OutgoingUser::parse(user);
                Some(
                    parsed
                        .ok_or_else(|| not_so(format!("--user '{user}' is not USERNAME@DOMAIN")))?,
                )
            }
            None => match serde_json::from_value(row.attribution.clone()) {
                Ok(Attribution::Unattributed { outgoing_user, .. }) => outgoing_user,
                Ok(Attribution::Identified { identity, .. }) => identity.outgoing_user,
                Err(_) => None,
            },
        };
        if outgoing_user.is_none() {
            eprintln!("arfd: note: without --user it can be counted but not locked at the filter");
        }
        Ok(Identity {
            outgoing_user,
            value,
        })
    }

    /// What is to be learnt. Refused where the same stands in reports of others: it is shared, and would name the
    /// wrong customer.
    async fn lesson(
        &self,
        feed: &str,
        choice: &Choice,
        message: &[u8],
        identity: Identity,
    ) -> Result<Lesson, Refusal> {
        let trust = |name: &str| {
            let mut feeds = self.judge.feeds.iter();
            feeds.any(|feed| feed.name == name && feed.trust_enclosed_user)
        };
        let key = |message: &[u8], of: &str| Key::of(choice, &formats::read(message), trust(of));
        let Some((key_here, _)) = key(message, feed) else {
            return Err(not_so(format!(
                "--learn {choice}: the report has no such thing, or says two different ones"
            )));
        };
        let filter = ReportFilter {
            feed: Some(feed.to_owned()),
            ..ReportFilter::default()
        };
        for row in self.store.find_reports(&filter, LOOKED_THROUGH).await? {
            let Ok(Attribution::Identified {
                identity: other, ..
            }) = serde_json::from_value(row.attribution)
            else {
                continue;
            };
            if other.id() == identity.id() {
                continue;
            }
            let Some(message) = self.store.evidence(row.id).await? else {
                continue;
            };
            if key(&message, feed).is_some_and(|(key, _)| key == key_here) {
                return Err(not_so(format!(
                    "--learn {choice}: report {} has the same ({}) and names {other}: it does not stand for one \
                     sender. Nothing was written",
                    row.id, key_here.value
                )));
            }
        }
        Ok(Lesson {
            feed: feed.to_owned(),
            key: key_here,
            identity,
        })
    }
}

/// What is known of how the report came; its feed is proven already.
fn arrival(row: &ReportRow) -> Arrival {
    Arrival {
        client: row
            .client
            .parse()
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        helo: String::new(),
        mail_from: String::new(),
        rcpt_to: Vec::new(),
        security: Security::default(),
    }
}

/// Why a report of that standing is left alone.
fn barred(standing: &str, attribution: &serde_json::Value) -> String {
    let named = || {
        let who = serde_json::from_value::<Attribution>(attribution.clone()).ok();
        let who = who.and_then(|a| a.identity().map(ToString::to_string));
        who.unwrap_or_else(|| "somebody".to_owned())
    };
    let known = Standing::ALL.into_iter().find(|s| s.as_str() == standing);
    let why = match known {
        Some(Standing::Counted) => format!("it counts already, for {}", named()),
        Some(Standing::Duplicate) => {
            format!(
                "it is a duplicate of one that counts already, for {}",
                named()
            )
        }
        Some(Standing::OverCap) => {
            format!(
                "it names {} already; its feed had as many counted as it may",
                named()
            )
        }
        Some(Standing::NotAReport) => "it is no report".to_owned(),
        Some(Standing::Unproven) => {
            "no feed's proof holds, so anybody may have sent it; no name makes it count".to_owned()
        }
        Some(Standing::Pending) => "it is not judged yet; it is tried again by itself".to_owned(),
        Some(Standing::NeverCounts) => "its feedback type never counts".to_owned(),
        Some(Standing::Weightless) => "its feed gives its feedback type no weight".to_owned(),
        Some(Standing::Shared) => {
            "the identity is one of many customers (a whole server or domain), which is never counted".to_owned()
        }
        Some(Standing::NotOurs) => {
            "its message was never ours; if it was, complete [own] in the configuration".to_owned()
        }
        Some(Standing::Forwarded) => "its message only came through us: it was forwarded".to_owned(),
        Some(Standing::Unattributed) | None => format!("its standing is {standing}"),
    };
    format!("the report cannot be attributed: {why}")
}
