//! The section of a SpamExperts / Spampanel target: `[lock.spamexperts]`, and `spamexperts` in a target of the
//! list. What the vendor does not document is a setting with a cautious default.

use super::check::Problems;
use super::targets::{Reach, api_url, reach};
use super::values::{Secret, SecretUrl, Size, Span};
use crate::lock::spamexperts as lock;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The filter's lock API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpamExperts {
    /// Where the API is, e.g. `https://filter.example.net/cgi-bin/api`.
    pub url: String,
    /// How calls are addressed below it.
    pub style: Style,
    /// Login.
    pub login: String,
    /// Password.
    pub password: Secret,
    /// A file that holds the password, read instead of `password`.
    pub password_file: Option<PathBuf>,
    /// Name of the call that locks.
    pub lock_call: String,
    /// Name of the call that lists what is locked.
    pub list_call: String,
    /// Name of the call that unlocks.
    pub unlock_call: String,
    /// Names of the calls that lock, unlock and list whole outgoing users; empty for none.
    pub lock_user_call: String,
    /// See `lock_user_call`.
    pub unlock_user_call: String,
    /// See `lock_user_call`.
    pub list_users_call: String,
    /// Names of the calls that blacklist, release and list sender addresses; empty for none.
    pub blacklist_call: String,
    /// See `blacklist_call`.
    pub unblacklist_call: String,
    /// See `blacklist_call`.
    pub list_senders_call: String,
    /// Further fixed parameters of the lock call.
    pub lock_parameters: BTreeMap<String, String>,
    /// Further fixed parameters of the list call.
    pub list_parameters: BTreeMap<String, String>,
    /// Whether domains are listed with `username=*`.
    pub list_all_users: bool,
    /// What a plain-text answer to the lock call looks like when it worked.
    pub success: String,
    /// What it looks like when the identity was locked already.
    pub already_locked: String,
    /// Answers that no retry will mend.
    pub refusals: Vec<String>,
    /// What a listing says in words when it is empty.
    pub nothing_listed: String,
    /// Parameters and texts of the other calls, where the built-in ones do not fit.
    pub texts: BTreeMap<CallName, Texts>,
    /// HTTP statuses that no retry will mend.
    pub refused_statuses: Vec<u16>,
    /// A file with certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The proxy to go through.
    pub proxy: Option<SecretUrl>,
    /// How long a call may take.
    pub timeout: Span,
    /// How long its connection may take.
    pub connect_timeout: Span,
    /// The longest answer that is read.
    pub max_answer: Size,
}

/// See [`lock::Style`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// `URL?call=NAME&domain=..`.
    #[default]
    Query,
    /// `URL/NAME/domain/..`.
    Path,
}

/// The calls whose texts may be given under `texts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallName {
    /// `unlock_call`.
    Unlock,
    /// `lock_user_call`.
    LockUser,
    /// `unlock_user_call`.
    UnlockUser,
    /// `list_users_call`.
    ListUsers,
    /// `blacklist_call`.
    Blacklist,
    /// `unblacklist_call`.
    Unblacklist,
    /// `list_senders_call`.
    ListSenders,
}

/// One call's parameters and texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Texts {
    /// Further fixed parameters.
    pub parameters: BTreeMap<String, String>,
    /// What the answer looks like when it worked.
    pub success: Option<String>,
    /// What it looks like when it was so before.
    pub already: Option<String>,
    /// Answers that no retry will mend, besides the common ones.
    pub refusals: Vec<String>,
}

impl Default for SpamExperts {
    fn default() -> Self {
        Self {
            url: String::new(),
            style: Style::Query,
            login: String::new(),
            password: Secret::default(),
            password_file: None,
            lock_call: "api_lock_outgoing_identity".into(),
            list_call: "api_list_locked_identities".into(),
            unlock_call: "api_unlock_outgoing_identity".into(),
            lock_user_call: String::new(),
            unlock_user_call: String::new(),
            list_users_call: String::new(),
            blacklist_call: "api_blacklist_outgoing_sender".into(),
            unblacklist_call: String::new(),
            list_senders_call: String::new(),
            lock_parameters: BTreeMap::new(),
            list_parameters: BTreeMap::new(),
            list_all_users: false,
            success: lock::SUCCESS.into(),
            already_locked: lock::ALREADY_LOCKED.into(),
            refusals: lock::REFUSED.map(str::to_owned).to_vec(),
            nothing_listed: lock::NOTHING.into(),
            texts: BTreeMap::new(),
            refused_statuses: Vec::new(),
            ca_file: None,
            proxy: None,
            timeout: Span::secs(20),
            connect_timeout: Span::secs(5),
            max_answer: Size(1 << 20),
        }
    }
}

impl SpamExperts {
    /// As the target knows it.
    ///
    /// # Errors
    /// When a pattern is not a regular expression, which [`super::check`] rules out.
    pub fn to_lock(&self, name: &str) -> Result<lock::Settings, regex::Error> {
        let call = |which: CallName, name: &String| {
            let releases = matches!(
                which,
                CallName::Unlock | CallName::UnlockUser | CallName::Unblacklist
            );
            let (success, already) = match releases {
                true => (lock::RELEASED, lock::ALREADY_RELEASED),
                false => (lock::LISTED, lock::ALREADY_LISTED),
            };
            let none = Texts::default();
            let texts = self.texts.get(&which).unwrap_or(&none);
            let mut call = lock::Call::new(
                name,
                texts.success.as_deref().unwrap_or(success),
                texts.already.as_deref().unwrap_or(already),
            )?;
            call.parameters = texts.parameters.clone();
            call.refused = patterns(&texts.refusals)?;
            Ok::<_, regex::Error>(call)
        };
        let Reach {
            timeout,
            connect_timeout,
            max_body,
            ca_file,
            proxy,
        } = reach(
            self.timeout,
            self.connect_timeout,
            self.max_answer,
            &self.ca_file,
            &self.proxy,
        );
        Ok(lock::Settings {
            name: name.to_owned(),
            url: self.url.clone(),
            style: match self.style {
                Style::Query => lock::Style::Query,
                Style::Path => lock::Style::Path,
            },
            login: self.login.clone(),
            password: self.password.to_secret_string(),
            lock_call: self.lock_call.clone(),
            list_call: self.list_call.clone(),
            unlock: call(CallName::Unlock, &self.unlock_call)?,
            lock_user: call(CallName::LockUser, &self.lock_user_call)?,
            unlock_user: call(CallName::UnlockUser, &self.unlock_user_call)?,
            list_users: call(CallName::ListUsers, &self.list_users_call)?,
            blacklist: call(CallName::Blacklist, &self.blacklist_call)?,
            unblacklist: call(CallName::Unblacklist, &self.unblacklist_call)?,
            list_senders: call(CallName::ListSenders, &self.list_senders_call)?,
            list_all_users: self.list_all_users,
            lock_parameters: self.lock_parameters.clone(),
            list_parameters: self.list_parameters.clone(),
            success: Regex::new(&self.success)?,
            already_locked: Regex::new(&self.already_locked)?,
            refused: patterns(&self.refusals)?,
            nothing: Regex::new(&self.nothing_listed)?,
            refused_statuses: self.refused_statuses.clone(),
            timeout,
            connect_timeout,
            max_body,
            ca_file,
            proxy,
        })
    }

    /// Patterns and parameters, used or not. `key` is the section.
    pub(super) fn check(&self, key: &str, problems: &mut Problems) {
        let refusals = self.refusals.iter().map(|r| ("refusals", r));
        let mut patterns: Vec<(String, &String)> = [
            ("success", &self.success),
            ("already_locked", &self.already_locked),
            ("nothing_listed", &self.nothing_listed),
        ]
        .into_iter()
        .chain(refusals)
        .map(|(name, pattern)| (name.to_owned(), pattern))
        .collect();
        let mut parameters = vec![
            ("lock_parameters".to_owned(), &self.lock_parameters),
            ("list_parameters".to_owned(), &self.list_parameters),
        ];
        for (name, texts) in &self.texts {
            // Its name as it is written.
            let name = serde_json::to_value(name).unwrap_or_default();
            let at = |what| format!("texts.{}.{what}", name.as_str().unwrap_or_default());
            patterns.extend(texts.success.iter().map(|p| (at("success"), p)));
            patterns.extend(texts.already.iter().map(|p| (at("already"), p)));
            patterns.extend(texts.refusals.iter().map(|p| (at("refusals"), p)));
            parameters.push((at("parameters"), &texts.parameters));
        }
        for (name, pattern) in patterns {
            if let Err(e) = Regex::new(pattern) {
                problems.add(
                    format!("{key}.{name}"),
                    format!("is not a regular expression: {e}"),
                );
            }
        }
        for (at, parameters) in parameters {
            for name in parameters.keys().filter(|name| is_reserved(name)) {
                problems.add(
                    format!("{key}.{at}"),
                    format!("'{name}' is said by the order itself and cannot be fixed"),
                );
            }
        }
    }

    /// Whether the API can be reached and spoken to. No value is repeated: people put secrets in the wrong
    /// places.
    pub(super) fn check_access(&self, key: &str, wanted: bool, problems: &mut Problems) {
        if wanted || !self.url.is_empty() {
            api_url(
                &self.url,
                &format!("{key}.url"),
                "the filter's API",
                problems,
            );
        }
        problems.demand(
            !self.login.contains(':'),
            format!("{key}.login"),
            "must not hold a colon",
        );
        problems.demand(
            !wanted || !self.login.is_empty(),
            format!("{key}.login"),
            "is needed",
        );
        problems.demand(
            !wanted || !self.password.is_empty(),
            format!("{key}.password"),
            "is needed (or password_file)",
        );
    }
}

fn patterns(texts: &[String]) -> Result<Vec<Regex>, regex::Error> {
    texts.iter().map(|text| Regex::new(text)).collect()
}

/// Parameters of a call that arfd fills in.
fn is_reserved(name: &str) -> bool {
    ["call", "domain", "username", "identity", "sender"]
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(name))
}
