//! `arfd parse`: shows how files are read, without a server or a store. For people a card a message, for
//! programs one JSON object or one CSV row a line, in the order of the arguments (schemas/report.schema.json). Folders,
//! Maildirs and mboxes end in a table of what was in them.

mod card;
mod sources;
mod summary;

use crate::domain::report::Reading;
use crate::formats;
use anyhow::Context;
use card::{card, shown};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sources::{Sources, messages};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use summary::{CSV_HEAD, Summary, csv};

/// How many defects there are: a table holds all of them.
const DEFECTS: usize = formats::defects::ALL.len();
/// A file could not be read: EX_NOINPUT of sysexits.h.
const NO_INPUT: u8 = 66;

/// Reads messages and shows what the daemon would make of them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is no report is shown as format \"none\"; that is no error. A field under
\"derived\" was not stated by the report but recovered from the enclosed
message. \"defects\" lists where the report departs from RFC 5965.

Examples:
  arfd parse report.eml                      a card for people
  arfd parse --json *.eml | jq .report       one JSON object a line
  arfd parse ~/Maildir                       a table of what is in a folder
  arfd parse --csv abuse.mbox > abuse.csv    one row a message of a mailbox

From folders and mailboxes only a table is shown; --json and --csv give every
message. Links to folders are not followed.

Exit codes: 0 all files were read; 66 at least one could not be opened.")]
pub struct Parse {
    /// One JSON object a line, in the order of the files (schemas/report.schema.json)
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// One CSV row a message under a head line; lists inside a value are separated by blanks
    #[arg(long)]
    csv: bool,
    /// Every FILE is an mbox, whatever its name; otherwise those named *.mbox and *.mbx are, and
    /// those without an ending that begin like one (/var/mail/kim)
    #[arg(long)]
    mbox: bool,
    /// Messages as they came by mail (.eml), folders, Maildirs, mboxes; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(flatten)]
    reading: &'a Reading<'a>,
}

impl Parse {
    /// Reads every message; files that cannot be read are named on standard error and the rest is still done.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let sources = Sources::of(&self.files, self.mbox);
        let mut code = ExitCode::SUCCESS;
        for error in &sources.errors {
            eprintln!("arfd parse: {error}");
            code = ExitCode::from(NO_INPUT);
        }
        let mut out = BufWriter::new(io::stdout().lock());
        if self.csv && !written(write!(out, "{CSV_HEAD}\r\n"))? {
            return Ok(code);
        }
        let bar = progress(&sources, self.json || self.csv);
        let mut summary = Summary::default();
        let mut read = 0_u64;
        let cards = !(self.json || self.csv || sources.many);
        for (path, mailbox) in &sources.files {
            let mut each = |file: &str, bytes: &[u8]| {
                let reading = formats::read(bytes);
                summary.add(&reading);
                if !bar.is_hidden() {
                    read += 1;
                    bar.set_message(read.to_string());
                    bar.inc(bytes.len() as u64);
                }
                let reading = &reading;
                if self.json {
                    let line = serde_json::to_string(&Line { file, reading })?;
                    writeln!(out, "{line}")?;
                } else if self.csv {
                    csv(&mut out, file, reading)?;
                } else if cards {
                    card(&mut out, file, reading)?;
                }
                Ok(true)
            };
            match messages(path, *mailbox, &mut each) {
                Ok(result) => {
                    if !written(result.map(|_| ()))? {
                        return Ok(code);
                    }
                }
                Err(error) => {
                    bar.suspend(|| eprintln!("arfd parse: {error:#}"));
                    code = ExitCode::from(NO_INPUT);
                }
            }
        }
        bar.finish_and_clear();
        if sources.many && !(self.json || self.csv) {
            written(summary.write(&mut out, sources.passed_over))?;
        } else if sources.many && io::stderr().is_terminal() {
            written(summary.write(&mut io::stderr().lock(), sources.passed_over))?;
        }
        written(out.flush())?;
        Ok(code)
    }
}

/// Whether somebody still reads. Other trouble with the output is an error.
fn written(result: io::Result<()>) -> anyhow::Result<bool> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).context("standard output"),
    }
}

/// A bar over the bytes, on standard error and only where that is a terminal and no rows run over it.
fn progress(sources: &Sources, rows: bool) -> ProgressBar {
    let crossed = rows && io::stdout().is_terminal();
    if !sources.many || crossed || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{bar:40} {percent:>3}%, {msg} messages, {eta} left";
    let bar = ProgressBar::new(sources.bytes());
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
