//! `arfd ingest`: files messages without SMTP, from a mail system's pipe or from files.

use super::{ConfigFile, NO_INPUT, TRY_AGAIN};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::domain::feed::{Arrival, Security};
use crate::intake::prepare::{Judge, Prepared, Trial, name};
use crate::metrics::Metrics;
use crate::proving::Prover;
use crate::store::StoreError;
use anyhow::{Context, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// File messages without SMTP. Each message is durable before its line is printed; exit code 0 means all
/// are. When the store cannot take one, the exit code is 75, which makes a mail system keep it and retry.
///
/// Whoever can run this is trusted to say where a message comes from: give the feed's name with --feed, or
/// the client address and recipient that the feed's proof is to be held against.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arfd ingest -c arfd.toml --feed filter *.eml
  arfd ingest -c arfd.toml --client 192.0.2.17 --recipient arf@example.net - < report.eml
  abuse: \"|/usr/bin/arfd ingest -c /etc/arfd/arfd.toml --recipient abuse@example.net -\"   (an alias)

Exit codes: 0 all are durable; 66 a file could not be read; 75 try again.")]
pub struct Ingest {
    #[command(flatten)]
    file: ConfigFile,
    /// Count the messages as proven to be from this feed.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["client", "recipient"])]
    feed: Option<String>,
    /// Address of the SMTP client that brought the messages.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    client: IpAddr,
    /// Recipient that the messages were sent to; may be given several times.
    #[arg(long, value_name = "ADDRESS")]
    recipient: Vec<String>,
    /// Envelope sender; empty for the null sender.
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    sender: String,
    /// Files with one message each; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Ingest {
    /// Runs it. Whatever goes wrong with the configuration or the store, the code is 75: any other would make
    /// a mail system bounce what it hands us.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        self.file_all().or_else(|error| {
            eprintln!("arfd: {error:#}");
            Ok(ExitCode::from(TRY_AGAIN))
        })
    }

    fn file_all(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        let judge = app::judge(&settings)?;
        if let Some(name) = &self.feed
            && !judge.feeds.iter().any(|f| f.name == *name)
        {
            bail!("there is no feed '{name}' in the configuration");
        }
        let most = settings.smtp.max_message_size.0;
        super::runtime()?.block_on(async {
            let store = app::open_store(&settings).await?;
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
            let policy = app::policy(&settings, store.as_ref(), clock.now()).await?;
            let metrics = Arc::new(Metrics::new()?);
            let prover = app::prover(&settings, &clock, &metrics)?;
            judge.learnt.refresh(store.as_ref()).await?;
            let aliases = app::aliases(&settings, &clock, &metrics)?;
            let mut code = ExitCode::SUCCESS;
            for path in &self.files {
                let message = match read(path, most) {
                    Ok(message) => message,
                    Err(error) => {
                        eprintln!("arfd: {error:#}");
                        // Trying again matters more.
                        if code == ExitCode::SUCCESS {
                            code = ExitCode::from(NO_INPUT);
                        }
                        continue;
                    }
                };
                let prepared = self.prepared(&judge, &prover, &message, clock.now()).await;
                let waiting = |p: &Prepared| name(&p.filing.arrival, &message, None, true);
                let prepared = aliases.apply(prepared, SignedDuration::ZERO, waiting).await;
                let filing = prepared.filing;
                let trouble = filing.alias.as_ref().and_then(|a| a.trouble.as_deref());
                if let (Some(why), Some(_)) = (trouble, &self.feed) {
                    // Judged later it would be of no feed: only this command says that it is of one.
                    eprintln!("arfd: {}: aliases: {why}", path.display());
                    code = ExitCode::from(TRY_AGAIN);
                    continue;
                }
                let filed = store.file(std::slice::from_ref(&filing), &policy);
                let filed = tokio::time::timeout(settings.store.timeout.0, filed);
                match filed.await.unwrap_or(Err(StoreError::TooSlow)) {
                    Ok(filed) => {
                        for filed in filed {
                            let again = if filed.repeated {
                                " (filed before)"
                            } else {
                                ""
                            };
                            let standing = filed.standing.as_str();
                            // Whether anybody reads this does not change what is filed.
                            let _ = writeln!(
                                io::stdout(),
                                "{} {}: {standing}{again}",
                                filed.id,
                                path.display()
                            );
                        }
                    }
                    Err(error) => {
                        eprintln!("arfd: {}: {error}", path.display());
                        code = ExitCode::from(TRY_AGAIN);
                    }
                }
            }
            store.close().await;
            Ok(code)
        })
    }

    async fn prepared(
        &self,
        judge: &Judge,
        prover: &Prover,
        message: &[u8],
        now: Timestamp,
    ) -> Prepared {
        let arrival = Arrival {
            client: self.client,
            helo: "ingest".to_owned(),
            mail_from: self.sender.clone(),
            rcpt_to: self.recipient.clone(),
            security: Security::default(),
        };
        let as_feed = self
            .feed
            .as_deref()
            .and_then(|feed| judge.prepare_as(feed, arrival.clone(), message, now));
        if let Some(prepared) = as_feed {
            return prepared;
        }
        let checks = match judge.enquire(&arrival, message, now, false) {
            Some(enquiry) => Some(prover.find_out(&enquiry, &arrival, message, now).await),
            None => None,
        };
        let trial = Trial::first(checks.as_ref(), now);
        judge.prepare_with(arrival, message, trial)
    }
}

fn read(path: &PathBuf, most: u64) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let mut message = Vec::new();
    let mut bounded = |from: &mut dyn Read| from.take(most + 1).read_to_end(&mut message);
    if path.as_os_str() == "-" {
        bounded(&mut io::stdin().lock()).context("standard input")?;
    } else {
        let mut file = File::open(path).with_context(|| shown.to_string())?;
        bounded(&mut file).with_context(|| shown.to_string())?;
    }
    if message.len() as u64 > most {
        bail!("{shown}: larger than smtp.max_message_size");
    }
    Ok(message)
}
