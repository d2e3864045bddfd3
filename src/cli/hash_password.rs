//! `arfd hash-password`: the hash of a password, so that the password itself stands nowhere.

use crate::smtp::hash_password;
use anyhow::{Context, ensure};
use clap::Args;
use console::Term;
use secrecy::{ExposeSecret, SecretString};
use std::io::{self, Read};
use std::process::ExitCode;

/// A longer line of AUTH would not be taken.
const MOST: u64 = 1000;

/// Make the argon2id hash of a password, for a user under [[smtp.users]]. At a terminal the password is asked
/// for twice and not shown; otherwise it is the first line of standard input. It is never an argument, which
/// others on the machine could see. The hash goes to standard output.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arfd hash-password
  openssl rand -base64 24 | tee password | arfd hash-password > password-hash")]
pub struct HashPassword {}

impl HashPassword {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let terminal = Term::stderr();
        let password = if io::IsTerminal::is_terminal(&io::stdin()) && terminal.is_term() {
            ask(&terminal)?
        } else {
            read()?
        };
        let password = password.expose_secret();
        ensure!(!password.is_empty(), "the password is empty");
        ensure!(
            password.len() as u64 <= MOST,
            "the password is longer than {MOST} octets"
        );
        println!("{}", hash_password(password.as_bytes())?);
        Ok(ExitCode::SUCCESS)
    }
}

fn ask(terminal: &Term) -> anyhow::Result<SecretString> {
    let line = |prompt| -> io::Result<SecretString> {
        terminal.write_str(prompt)?;
        terminal.flush()?;
        terminal.read_secure_line().map(SecretString::from)
    };
    let password = line("Password: ")?;
    let again = line("Once more: ")?;
    ensure!(
        password.expose_secret() == again.expose_secret(),
        "the two are not the same"
    );
    Ok(password)
}

fn read() -> anyhow::Result<SecretString> {
    let mut text = String::new();
    io::stdin()
        .take(MOST + 2)
        .read_to_string(&mut text)
        .context("standard input")?;
    let line = text.split('\n').next().unwrap_or_default();
    Ok(line.strip_suffix('\r').unwrap_or(line).into())
}
