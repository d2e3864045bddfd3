//! `arfd token`: makes the tokens that a mail server puts into its mail, and says what a token is worth.

use super::ConfigFile;
use crate::clock::{Clock, SystemClock};
use crate::domain::attribution::token::{
    self, Bearer, Claim, Failure, LONGEST_LOCAL_PART, candidates, day,
};
use crate::domain::attribution::{NormalForm, Tokens};
use crate::domain::identity::OutgoingUser;
use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::io::{self, Read};
use std::process::ExitCode;

/// The most that is read from standard input.
const MOST: u64 = 1 << 20;
/// The longest life of a token, in days.
const LONGEST_LIFE: u16 = 3650;

/// Make and check tokens: words that only you can make and that name the sender, for a VERP return path, the plus-tag
/// of the address that reports go to, CFBL-Feedback-ID (RFC 9477), Message-ID or any header. They survive redaction.
///
/// The keys come from the configuration ([identification.token]), never from the command line.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token.
    Make(Make),
    /// Say what the tokens in a text are worth. Exit code 1 when there is none, or a bad one.
    Check(Check),
}

/// Make a token, and print it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arfd token make -c arfd.toml --identity bob@example.com
  arfd token make -c arfd.toml --identity bob@example.com --address fbl@example.net
  arfd token make -c arfd.toml --reference 4711 --days 365

A local part holds 64 octets; an identity of up to 21 octets with 'fbl+' in front fits. For longer ones put a
reference there, and let it be the name that the filter and your alias list know.")]
pub struct Make {
    /// The sender, as the filter knows it.
    #[arg(long, value_name = "IDENTITY", required_unless_present = "reference")]
    identity: Option<String>,
    /// Its outgoing user at the filter, as NAME@DOMAIN: needed to lock where reports do not state it.
    #[arg(long, value_name = "NAME@DOMAIN", requires = "identity")]
    user: Option<String>,
    /// An opaque name of the customer instead.
    #[arg(long, conflicts_with = "identity")]
    reference: Option<String>,
    /// How many days it is good for. Complaints come for weeks.
    #[arg(long, default_value_t = 90)]
    days: u16,
    /// The number of the key, if not the current one.
    #[arg(long, value_name = "NUMBER")]
    key: Option<u8>,
    /// Print this address with the token as its plus-tag.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

/// Check the tokens in a text: a token, an address, a header's value. Without any, standard input.
#[derive(Debug, Args)]
pub struct Check {
    /// The texts.
    texts: Vec<String>,
    /// As of when, as 2026-01-31T00:00:00Z. Now, if not given.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// One JSON object a token.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

impl Token {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let now = SystemClock::default().now();
        match self {
            Self::Make(make) => make.run(now),
            Self::Check(check) => check.run(now),
        }
    }
}

fn tokens(file: &ConfigFile) -> anyhow::Result<(Tokens, NormalForm)> {
    let settings = file.load_without_target()?;
    let tokens = settings.identification.token.to_tokens();
    ensure!(
        !tokens.keys.is_empty(),
        "no key is configured: set identification.token.secret_file (or secret)"
    );
    Ok((tokens, settings.identification.to_normal_form()))
}

impl Make {
    fn run(self, now: Timestamp) -> anyhow::Result<ExitCode> {
        let (tokens, normal) = tokens(&self.file)?;
        ensure!(
            (1..=LONGEST_LIFE).contains(&self.days),
            "--days must be from 1 to {LONGEST_LIFE}"
        );
        let name = |text: &str| {
            normal.of(text).with_context(|| {
                format!("'{text}' cannot be an identity: it is too long, or has spaces in it")
            })
        };
        let user = self.user.as_deref().map(|user| {
            OutgoingUser::parse(user).with_context(|| format!("--user {user}: is not NAME@DOMAIN"))
        });
        let bearer = match (&self.identity, &self.reference) {
            (Some(identity), _) => Bearer::Identity(name(identity)?, user.transpose()?),
            (None, Some(reference)) => Bearer::Reference(name(reference)?),
            (None, None) => bail!("give --identity or --reference"),
        };
        let last_day = u16::try_from(day(now) + i64::from(self.days))
            .context("the clock is beyond what tokens can say")?;
        let made = tokens.keys.make(&bearer, last_day, self.key)?;
        let Some(address) = &self.address else {
            println!("{made}");
            return Ok(ExitCode::SUCCESS);
        };
        let (local, domain) = address
            .rsplit_once('@')
            .with_context(|| format!("--address {address}: is not an address"))?;
        let local = format!("{local}+{made}");
        ensure!(
            local.len() <= LONGEST_LOCAL_PART,
            "the local part would have {} octets, and {LONGEST_LOCAL_PART} are allowed (RFC 5321): take --reference with a \
             short name",
            local.len()
        );
        println!("{local}@{domain}");
        Ok(ExitCode::SUCCESS)
    }
}

impl Check {
    fn run(self, now: Timestamp) -> anyhow::Result<ExitCode> {
        let (tokens, _) = tokens(&self.file)?;
        let at = self.at.unwrap_or(now);
        let mut texts = self.texts;
        if texts.is_empty() {
            let mut text = String::new();
            io::stdin()
                .take(MOST)
                .read_to_string(&mut text)
                .context("standard input")?;
            texts.push(text);
        }
        let found: Vec<&str> = texts.iter().flat_map(|text| candidates(text)).collect();
        if found.is_empty() {
            eprintln!("arfd: there is no token in it");
            return Ok(ExitCode::FAILURE);
        }
        let mut good = true;
        for token in found {
            let checked = tokens.keys.check(token, at);
            good &= checked.is_ok();
            match self.json {
                true => println!("{}", json(token, &checked)),
                false => println!("{token}\n  {}", sentence(&checked)),
            }
        }
        Ok(if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn json(token: &str, checked: &Result<Claim, Failure>) -> serde_json::Value {
    match checked {
        Ok(claim) => serde_json::json!({ "token": token, "good": true, "claim": claim }),
        Err(failure) => serde_json::json!({ "token": token, "good": false, "failure": failure }),
    }
}

fn sentence(checked: &Result<Claim, Failure>) -> String {
    let claim = match checked {
        Err(failure) => return format!("bad ({}): {failure}", failure.as_str()),
        Ok(claim) => claim,
    };
    let who = match &claim.bearer {
        Bearer::Identity(value, None) => format!("identity {value}"),
        Bearer::Identity(value, Some(user)) => format!("identity {value}, outgoing user {user}"),
        Bearer::Reference(text) => format!("reference {text}"),
    };
    let last = token::last_second(claim.last_day);
    format!("good: {who}; key {}; until {last}", claim.key)
}
