//! Maps of whose is what, from the configuration and from CSV files: source networks, and the accounts and web hosts of
//! scripts. Bounded, and what is wrong is told with file and line.

use super::check::Problems;
use super::identification::{Identification, Script, Source};
use crate::domain::attribution::{Owner, Scripts, SourceMap};
use crate::domain::identity::OutgoingUser;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest file, in octets.
const LARGEST: u64 = 16 << 20;
/// The most lines.
const MOST: usize = 200_000;

/// What was read from files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Maps {
    /// Of `source_file`.
    pub sources: Vec<Source>,
    /// Of `script_file`.
    pub scripts: Vec<Script>,
    /// What was wrong: the key, and the file and line with what is wrong there.
    pub(super) problems: Vec<(&'static str, String)>,
}

impl Maps {
    /// Reads what the settings name.
    pub(super) fn read(settings: &Identification) -> Self {
        let mut maps = Self::default();
        if let Some(path) = &settings.source_file {
            let key = "identification.source_file";
            maps.problems.extend(rows(path, key, 4, |row| {
                maps.sources.push(source(row)?);
                Ok(())
            }));
        }
        if let Some(path) = &settings.script_file {
            let key = "identification.script_file";
            let scripts = &mut maps.scripts;
            let problems = rows(path, key, 3, |row| {
                scripts.push(script(row)?);
                Ok(())
            });
            maps.problems.extend(problems);
        }
        maps
    }
}

/// `network,identity[,outgoing user[,shared]]`
fn source(row: &[&str]) -> Result<Source, String> {
    let network = row[0];
    let host = |ip: std::net::IpAddr| ipnet::IpNet::from(ip);
    let network = network
        .parse()
        .ok()
        .or_else(|| network.parse().ok().map(host))
        .ok_or_else(|| format!("'{network}' is not a network such as 192.0.2.0/24"))?;
    let shared = match row.get(3).copied().unwrap_or_default() {
        "" | "no" | "false" => false,
        "shared" | "yes" | "true" => true,
        other => return Err(format!("'{other}' is neither 'shared' nor empty")),
    };
    Ok(Source {
        network,
        identity: identity(row)?,
        outgoing_user: user(row.get(2))?,
        shared,
    })
}

/// `key,identity[,outgoing user]`
fn script(row: &[&str]) -> Result<Script, String> {
    Ok(Script {
        key: row[0].to_owned(),
        identity: identity(row)?,
        outgoing_user: user(row.get(2))?,
    })
}

fn identity(row: &[&str]) -> Result<String, String> {
    let identity = row.get(1).copied().unwrap_or_default();
    match identity {
        "" => Err("the second column, the identity, is missing".to_owned()),
        identity => Ok(identity.to_owned()),
    }
}

fn user(cell: Option<&&str>) -> Result<Option<String>, String> {
    match cell.copied().unwrap_or_default() {
        "" => Ok(None),
        user if OutgoingUser::parse(user).is_some() => Ok(Some(user.to_owned())),
        user => Err(format!("'{user}' is not an outgoing user, NAME@DOMAIN")),
    }
}

/// Reads a file row by row; returns what was wrong, of which the first few are told.
fn rows(
    path: &Path,
    key: &'static str,
    columns: usize,
    mut take: impl FnMut(&[&str]) -> Result<(), String>,
) -> Vec<(&'static str, String)> {
    const TOLD: usize = 5;
    let name = path.display();
    let text = match read(path) {
        Ok(text) => text,
        Err(cause) => return vec![(key, format!("{name}: {cause}"))],
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut problems = Vec::new();
    for (at, row) in reader.records().enumerate() {
        let (line, taken) = match &row {
            Err(cause) => (
                cause.position().map_or(0, csv::Position::line),
                Err(cause.to_string()),
            ),
            Ok(row) => {
                let line = row.position().map_or(0, csv::Position::line);
                let cells: Vec<&str> = row.iter().collect();
                let taken = match cells.len() {
                    _ if at >= MOST => Err(format!("more than {MOST} lines")),
                    n if n > columns => Err(format!("has {n} columns; {columns} at most")),
                    _ => take(&cells),
                };
                (line, taken)
            }
        };
        if let Err(why) = taken {
            problems.push((key, format!("{name}:{line}: {why}")));
            if problems.len() >= TOLD || at >= MOST {
                break;
            }
        }
    }
    problems
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        let most = super::Size(LARGEST);
        return Err(io::Error::other(format!("is larger than {most}")));
    }
    Ok(text)
}

pub(super) fn check(settings: &Identification, problems: &mut Problems) {
    for (key, problem) in &settings.maps.problems {
        problems.add(*key, problem.clone());
    }
    let form = settings.to_normal_form();
    for (key, identity) in settings
        .sources
        .iter()
        .map(|s| ("sources", &s.identity))
        .chain(settings.scripts.iter().map(|s| ("scripts", &s.identity)))
        .chain(
            settings
                .maps
                .sources
                .iter()
                .map(|s| ("source_file", &s.identity)),
        )
        .chain(
            settings
                .maps
                .scripts
                .iter()
                .map(|s| ("script_file", &s.identity)),
        )
    {
        if form.of(identity).is_none() {
            problems.add(
                format!("identification.{key}"),
                format!(
                    "'{identity}' cannot be an identity: it is empty, too long, or has spaces in it"
                ),
            );
        }
    }
    if let Err(twice) = settings.to_sources() {
        problems.add("identification.sources", twice);
    }
    if let Err(twice) = settings.to_scripts() {
        problems.add("identification.scripts", twice);
    }
}

fn owner(identity: &str, user: Option<&String>, shared: bool) -> Owner {
    Owner {
        identity: identity.to_owned(),
        outgoing_user: user.and_then(|user| OutgoingUser::parse(user)),
        shared,
    }
}

impl Identification {
    /// Source networks and their owners.
    ///
    /// # Errors
    /// When a network has two owners; a check rules that out.
    pub fn to_sources(&self) -> Result<SourceMap, String> {
        let mut map = SourceMap::default();
        for source in self.sources.iter().chain(&self.maps.sources) {
            let owner = owner(
                &source.identity,
                source.outgoing_user.as_ref(),
                source.shared,
            );
            if map
                .add(source.network, owner.clone())
                .is_some_and(|old| old != owner)
            {
                return Err(format!("{} has two owners", source.network));
            }
        }
        Ok(map)
    }

    /// Accounts and web hosts and their owners.
    ///
    /// # Errors
    /// When one has two owners; a check rules that out.
    pub fn to_scripts(&self) -> Result<Scripts, String> {
        let mut owners = HashMap::new();
        for script in self.scripts.iter().chain(&self.maps.scripts) {
            let owner = owner(&script.identity, script.outgoing_user.as_ref(), false);
            let key = script.key.to_ascii_lowercase();
            let old = owners.insert(key, owner.clone());
            if old.is_some_and(|old| old != owner) {
                return Err(format!("{} has two owners", script.key));
            }
        }
        Ok(Scripts {
            owners,
            raw: self.script_raw,
        })
    }
}
