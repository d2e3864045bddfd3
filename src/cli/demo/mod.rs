//! `arfd demo`: the real daemon on a temporary store and loopback ports, a stand-in for the filter's API,
//! and samples sent over real SMTP from several feeds, with a narration of what happens and why.

mod mail;
pub mod stand_in;
mod story;

use crate::app::Daemon;
use crate::clock::SystemClock;
use crate::config::{self, Secret, SecretUrl, Settings, Span, Target};
use anyhow::Context;
use clap::Args;
use stand_in::StandIn;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use story::Story;

/// Where the desk, the filter and the feedback loop send their mail.
const ABUSE: &str = "abuse@hoster.example.org";
const FILTER_ALIAS: &str = "arf-k7q2m9@hoster.example.org";
const LOOP_ALIAS: &str = "fbl-x81hz4@hoster.example.org";
/// The stand-in's login.
const LOGIN: &str = "arfd-demo";

/// See the whole job in a few seconds: reports come in by SMTP, an identity crosses a rule, the lock order
/// is carried out at a stand-in for the filter's API and confirmed by its listing. Nothing outside a
/// temporary folder and loopback ports is touched.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arfd demo                                  stays up until Ctrl-C
  arfd demo --exit                           ends at once")]
pub struct Demo {
    /// End when the story is told, instead of staying up until Ctrl-C.
    #[arg(long)]
    exit: bool,
    /// Show the daemon's own log lines as well.
    #[arg(long)]
    log: bool,
}

impl Demo {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = tempfile::Builder::new().prefix("arfd-demo-").tempdir()?;
        super::runtime()?.block_on(async {
            let password = uuid::Uuid::new_v4().to_string();
            let filter = StandIn::start(LOGIN, &password)
                .await
                .context("stand-in filter")?;
            let settings = settings(folder.path(), &filter.url(), &password);
            let problems = config::check(&settings);
            anyhow::ensure!(problems.is_empty(), "demo settings: {problems:?}");
            if self.log {
                super::start_logging(&settings)?;
            }
            let file = folder.path().join("arfd.toml");
            std::fs::write(&file, settings.to_toml()?)?;
            let daemon = Daemon::start(&settings, Arc::new(SystemClock::default())).await?;
            let told = Story::new(&daemon, &filter, &settings).tell().await;
            if told.is_ok() && !self.exit {
                println!("\nThe daemon stays up until Ctrl-C. In another terminal:");
                println!("  curl http://{}/metrics", daemon.http);
                println!("  curl http://{}/readyz", daemon.http);
                // After `cargo run` the program is not on the search path.
                let arfd = std::env::current_exe().unwrap_or_else(|_| "arfd".into());
                for what in ["reports", "incidents", "orders"] {
                    println!("  {} list {what} -c {}", arfd.display(), file.display());
                }
                println!(
                    "  SMTP is on {}, the stand-in filter on {}",
                    daemon.smtp,
                    filter.url()
                );
                tokio::signal::ctrl_c().await?;
            }
            daemon.stop().await;
            told.map(|()| ExitCode::SUCCESS)
        })
    }
}

/// Two feeds proven by network and secret alias, and one rule that is soon crossed.
fn settings(folder: &Path, filter: &str, password: &str) -> Settings {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut settings = Settings::default();
    settings.smtp.listen = any_port.into();
    settings.smtp.recipients = [ABUSE, FILTER_ALIAS, LOOP_ALIAS]
        .map(str::to_owned)
        .to_vec();
    settings.http.listen = any_port;
    settings.store.url = SecretUrl::new(&format!("sqlite://{}", folder.join("arfd.db").display()));
    settings.identification.headers = vec![config::Header {
        name: "X-AuthUser".into(),
        capture: None,
    }];
    let feed = |name: &str, alias: &str, weight| config::Feed {
        name: name.into(),
        networks: vec![ipnet::IpNet::from(ipnet::Ipv4Net::new_assert(
            Ipv4Addr::LOCALHOST,
            8,
        ))],
        recipients: vec![alias.into()],
        trust_enclosed_user: true,
        weight,
        ..config::Feed::default()
    };
    settings.feeds = vec![
        feed("filter", FILTER_ALIAS, 1),
        feed("mailbox-loop", LOOP_ALIAS, 5),
    ];
    settings.rules = vec![config::Rule {
        name: "demo".into(),
        window: Span::secs(7200),
        min_weight: 15,
        min_messages: 8,
        min_complainants: 5,
        min_feeds: 2,
        ..config::Rule::default()
    }];
    // Nothing is new to a demonstration.
    settings.restraint.trial = Span::secs(0);
    settings.lock.target = Target::SpamExperts;
    settings.lock.spamexperts.url = filter.to_owned();
    settings.lock.spamexperts.login = LOGIN.to_owned();
    settings.lock.spamexperts.password = Secret::new(password);
    settings
}
