//! `arfd rules list`: the rules as they take effect, for people a table, for machines a JSON object a line.

use crate::cli::ConfigFile;
use crate::cli::table::write_table;
use crate::config::Span;
use crate::domain::strength::Strength;
use crate::domain::threshold::Rule;
use clap::Args;
use std::io::{self, Write};
use std::process::ExitCode;

/// List the rules as they take effect, in configured order. The strongest action that is crossed is taken, and
/// of several the first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    arfd rules list -c arfd.toml\n  \
    arfd rules list --json | jq .name")]
pub struct List {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

const HEADS: [&str; 8] = [
    "rule",
    "action",
    "window",
    "weight",
    "messages",
    "complainants",
    "feeds",
    "only",
];

impl List {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        let rules = settings.to_policy().rules;
        let mut out = io::stdout().lock();
        if self.json {
            for rule in &rules {
                writeln!(out, "{}", serde_json::to_string(rule)?)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let heads = HEADS.map(str::to_owned).to_vec();
        let table: Vec<Vec<String>> = std::iter::once(heads)
            .chain(rules.iter().map(cells))
            .collect();
        write_table(&mut out, &table)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn cells(rule: &Rule) -> Vec<String> {
    vec![
        rule.name.clone(),
        rule.action.as_str().to_owned(),
        Span::secs(rule.window_seconds).to_string(),
        rule.min_weight.to_string(),
        rule.min_messages.to_string(),
        rule.min_complainants.to_string(),
        rule.min_feeds.to_string(),
        only(rule),
    ]
}

/// What narrows a rule.
fn only(rule: &Rule) -> String {
    let mut parts = Vec::new();
    let mut add = |what: &str, values: Vec<String>| {
        if !values.is_empty() {
            parts.push(format!("{what} {}", values.join(", ")));
        }
    };
    let texts = |patterns: &[crate::domain::pattern::IdentityPattern]| -> Vec<String> {
        patterns.iter().map(ToString::to_string).collect()
    };
    add("feeds", rule.feeds.clone());
    let kinds = rule.feedback_types.iter();
    add(
        "types",
        kinds.map(|kind| kind.as_str().to_owned()).collect(),
    );
    add("classes", rule.classes.clone());
    add("identities", texts(&rule.identities));
    add("users", texts(&rule.outgoing_users));
    add("not", texts(&rule.except));
    if rule.min_strength > Strength::Claimed {
        add(
            "provenance",
            vec![format!("{} or better", rule.min_strength.as_str())],
        );
    }
    match parts.is_empty() {
        true => "-".to_owned(),
        false => parts.join("; "),
    }
}
