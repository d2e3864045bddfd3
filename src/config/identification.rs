//! The sections `[identification]` and `[own]`: how the customer behind a report is found, and what is ours.

use super::check::Problems;
use super::credentials::{DkimSettings, TokenSettings};
use super::maps::Maps;
use super::settings::Settings;
use crate::domain::attribution::{self, IdentificationMethod, Own, PRESETS, normal};
use crate::domain::identity::OutgoingUser;
use crate::domain::pattern::IdentityPattern;
use ipnet::IpNet;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::PathBuf;

/// How identities are found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identification {
    /// The methods in the order they are tried.
    pub methods: Vec<IdentificationMethod>,
    /// What to do when no identification header is found although some are configured.
    pub header_missing: HeaderMissing,
    /// Identification headers by the mail server that adds them.
    pub presets: Vec<String>,
    /// What becomes of `+tag` in an identity.
    pub plus_tags: PlusTags,
    /// Domains of own hosts, cut off identities.
    pub host_suffixes: Vec<String>,
    /// Patterns of identities that many customers are behind.
    pub shared: Vec<String>,
    /// Whether an identity that reads like a domain is shared.
    pub shared_domains: bool,
    /// A file of source networks and their owners.
    pub source_file: Option<PathBuf>,
    /// A file of accounts and web hosts and their owners.
    pub script_file: Option<PathBuf>,
    /// Whether an account or web host that is in no map is itself the identity.
    pub script_raw: bool,
    /// Whether an authenticated session's envelope sender is taken from our own Received line.
    pub trace_envelope_from: bool,
    /// Tokens.
    pub token: TokenSettings,
    /// Our own DKIM signatures.
    pub dkim: DkimSettings,
    /// The headers that your MTA adds.
    pub headers: Vec<Header>,
    /// Source networks and their owners.
    pub sources: Vec<Source>,
    /// Accounts and web hosts and their owners.
    pub scripts: Vec<Script>,
    /// What was read from the files.
    #[serde(skip)]
    pub maps: Maps,
}

impl Default for Identification {
    fn default() -> Self {
        Self {
            methods: vec![
                IdentificationMethod::IdentificationHeader,
                IdentificationMethod::AuthenticatingUser,
                IdentificationMethod::EnvelopeSender,
            ],
            header_missing: HeaderMissing::NextMethod,
            presets: Vec::new(),
            plus_tags: PlusTags::Keep,
            host_suffixes: Vec::new(),
            shared: Vec::new(),
            shared_domains: true,
            source_file: None,
            script_file: None,
            script_raw: false,
            trace_envelope_from: false,
            token: TokenSettings::default(),
            dkim: DkimSettings::default(),
            headers: Vec::new(),
            sources: Vec::new(),
            scripts: Vec::new(),
            maps: Maps::default(),
        }
    }
}

/// See [`crate::domain::attribution::HeaderMissing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderMissing {
    /// Try the next method.
    NextMethod,
    /// Leave the report unattributed.
    Stop,
}

/// What becomes of `+tag` in an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlusTags {
    /// It is part of the identity.
    Keep,
    /// It is cut off.
    Cut,
}

/// One identification header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// A regular expression; its first group is the identity, or the whole match when it has no group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
}

/// A network and who sends from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The network.
    pub network: IpNet,
    /// Who.
    pub identity: String,
    /// The outgoing user, as `NAME@DOMAIN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outgoing_user: Option<String>,
    /// Whether many customers are behind it.
    #[serde(default)]
    pub shared: bool,
}

/// An account or web host and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The user's number or the web host.
    pub key: String,
    /// Whose.
    pub identity: String,
    /// The outgoing user, as `NAME@DOMAIN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outgoing_user: Option<String>,
}

/// What is ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnSettings {
    /// Networks that our customers' mail leaves from.
    pub networks: Vec<IpNet>,
    /// Addresses of our own mail servers.
    pub relays: Vec<IpNet>,
    /// Names that our mail servers stamp.
    pub hosts: Vec<String>,
    /// Our domains and our customers'.
    pub domains: Vec<String>,
}

impl OwnSettings {
    /// As the domain knows it.
    pub fn to_own(&self) -> Own {
        let lower = |names: &[String]| {
            let names = names.iter().map(|name| normal::host(name).into_owned());
            names.collect::<Vec<_>>()
        };
        Own {
            networks: self.networks.clone(),
            relays: self.relays.clone(),
            hosts: lower(&self.hosts),
            domains: lower(&self.domains),
        }
    }
}

impl Identification {
    /// The normal form of identities.
    pub fn to_normal_form(&self) -> attribution::NormalForm {
        let suffixes = self.host_suffixes.iter();
        attribution::NormalForm {
            cut_plus_tags: self.plus_tags == PlusTags::Cut,
            host_suffixes: suffixes
                .map(|name| normal::host(name.trim_start_matches('.')).into_owned())
                .collect(),
        }
    }

    /// What is shared. What is no pattern is ruled out by [`super::check`].
    pub fn to_shared(&self) -> attribution::Shared {
        attribution::Shared {
            patterns: self.shared.iter().flat_map(|p| p.parse()).collect(),
            domains: self.shared_domains,
        }
    }
}

pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    let all = &settings.identification;
    problems.demand(
        !all.methods.is_empty(),
        "identification.methods",
        "must name at least one method",
    );
    let distinct: HashSet<_> = all.methods.iter().collect();
    problems.demand(
        distinct.len() == all.methods.len(),
        "identification.methods",
        "names a method twice",
    );
    let by_desk = [IdentificationMethod::ByHand, IdentificationMethod::Learnt];
    problems.demand(
        !all.methods.iter().any(|method| by_desk.contains(method)),
        "identification.methods",
        "names by_hand or learnt: these are the desk's own, and always on",
    );
    for (i, header) in all.headers.iter().enumerate() {
        let key = format!("identification.headers[{i}]");
        problems.demand(
            is_header(&header.name),
            format!("{key}.name"),
            format!("'{}' is not a header's name", header.name),
        );
        if let Some(Err(e)) = header.capture.as_deref().map(Regex::new) {
            problems.add(
                format!("{key}.capture"),
                format!("is not a regular expression: {e}"),
            );
        }
    }
    for preset in &all.presets {
        let known: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
        problems.demand(
            known.contains(&preset.as_str()),
            "identification.presets",
            format!(
                "there is no preset '{preset}'; there are {}",
                known.join(", ")
            ),
        );
    }
    for pattern in &all.shared {
        if let Err(error) = pattern.parse::<IdentityPattern>() {
            problems.add("identification.shared", format!("'{pattern}' {error}"));
        }
    }
    let users = all.sources.iter().map(|s| &s.outgoing_user).enumerate();
    let users = users.map(|(i, user)| (format!("identification.sources[{i}]"), user));
    let others = all.scripts.iter().map(|s| &s.outgoing_user).enumerate();
    let others = others.map(|(i, user)| (format!("identification.scripts[{i}]"), user));
    for (key, user) in users.chain(others) {
        if let Some(user) = user {
            problems.demand(
                OutgoingUser::parse(user).is_some(),
                format!("{key}.outgoing_user"),
                format!("'{user}' is not NAME@DOMAIN"),
            );
        }
    }
    super::credentials::check(settings, problems);
    needs(settings, problems);
    super::maps::check(all, problems);
    own(&settings.own, problems);
}

/// Methods that could never match as things stand.
fn needs(settings: &Settings, problems: &mut Problems) {
    let all = &settings.identification;
    let maps = &all.maps;
    for (method, there, needed) in [
        (
            IdentificationMethod::Token,
            !all.token.secret.is_empty() || !all.token.keys.is_empty(),
            "identification.token.secret_file (or secret)",
        ),
        (
            IdentificationMethod::Dkim,
            !all.dkim.domains.is_empty(),
            "identification.dkim.domains",
        ),
        (
            IdentificationMethod::ReceivedTrace,
            !settings.own.hosts.is_empty(),
            "own.hosts and own.relays",
        ),
        (
            IdentificationMethod::ScriptHeader,
            all.script_raw || all.script_file.is_some() || !all.scripts.is_empty(),
            "identification.script_file, [[identification.scripts]] or script_raw",
        ),
        (
            IdentificationMethod::SourceIp,
            all.source_file.is_some() || !all.sources.is_empty() || !maps.sources.is_empty(),
            "identification.source_file or [[identification.sources]]",
        ),
    ] {
        problems.demand(
            there || !all.methods.contains(&method),
            "identification.methods",
            format!("{} cannot match anything without {needed}", method.as_str()),
        );
    }
}

/// Printable, without a colon.
pub(super) fn is_header(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && c != ':')
}

fn own(own: &OwnSettings, problems: &mut Problems) {
    for (key, networks) in [("own.networks", &own.networks), ("own.relays", &own.relays)] {
        for net in networks.iter().filter(|net| super::check::too_wide(net)) {
            problems.add(
                key,
                format!("{net} is too wide: it would make everybody ours"),
            );
        }
    }
    let name = |name: &str| {
        let rest = name.strip_prefix("*.").unwrap_or(name);
        !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || "*@/".contains(c))
    };
    for (key, names) in [("own.hosts", &own.hosts), ("own.domains", &own.domains)] {
        for wrong in names.iter().filter(|n| !name(n)) {
            problems.add(key, format!("'{wrong}' is not a name"));
        }
    }
    for wrong in own.domains.iter().filter(|n| n.starts_with("*.")) {
        problems.add(
            "own.domains",
            format!("'{wrong}': leave out the *; a domain means all below it too"),
        );
    }
    problems.demand(
        own.hosts.is_empty() == own.relays.is_empty(),
        "own.relays",
        "and own.hosts belong together: a hop is ours by its name and by where it came from",
    );
}
