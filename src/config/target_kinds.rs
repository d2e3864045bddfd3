//! The sections of the kinds of target that only `[[targets]]` has: cPanel, map files, programs, KumoMTA. Each says
//! its defaults, what makes no sense in it, and what the target itself gets.

use super::check::Problems;
use super::targets::{api_url, reach};
use super::values::{Secret, SecretUrl, Size, Span};
use crate::domain::lock::{Action, Subject};
use crate::lock::{cpanel, exec, kumomta, map_file};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// cPanel / WHM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cpanel {
    /// The server, as in `https://host.example.net:2087`.
    pub url: String,
    /// The WHM user that the token belongs to.
    pub login: String,
    /// The API token.
    pub token: Secret,
    /// A file that holds the token, read instead of `token`.
    pub token_file: Option<PathBuf>,
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

impl Default for Cpanel {
    fn default() -> Self {
        Self {
            url: String::new(),
            login: "root".into(),
            token: Secret::default(),
            token_file: None,
            ca_file: None,
            proxy: None,
            timeout: Span::secs(10),
            connect_timeout: Span::secs(5),
            max_answer: Size(8 << 20),
        }
    }
}

impl Cpanel {
    /// As the target knows it.
    pub fn to_lock(&self, name: &str) -> cpanel::Settings {
        cpanel::Settings {
            name: name.to_owned(),
            url: self.url.clone(),
            login: self.login.clone(),
            token: self.token.to_secret_string(),
            reach: reach(
                self.timeout,
                self.connect_timeout,
                self.max_answer,
                &self.ca_file,
                &self.proxy,
            ),
        }
    }

    pub(super) fn check_access(&self, key: &str, problems: &mut Problems) {
        api_url(&self.url, &format!("{key}.url"), "WHM", problems);
        problems.demand(!self.login.is_empty(), format!("{key}.login"), "is needed");
        problems.demand(
            !self.token.is_empty(),
            format!("{key}.token"),
            "is needed (or token_file)",
        );
    }
}

/// A map file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MapFile {
    /// The file.
    pub path: PathBuf,
    /// How rows are written.
    pub format: MapFormat,
    /// What its keys are.
    pub keys: Subject,
    /// Whether keys without `@` may be written.
    pub bare_names: bool,
    /// What Postfix does with whom is locked.
    pub lock_action: String,
    /// What it does with whom is held.
    pub hold_action: String,
    /// The program that is run after each change, with its arguments.
    pub after: Vec<String>,
    /// How long it may take.
    pub timeout: Span,
    /// The largest file that is read.
    pub max_size: Size,
}

/// See [`map_file::Format`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MapFormat {
    /// Postfix's access map.
    #[default]
    Postfix,
    /// One key a line.
    Lines,
    /// Rspamd's map.
    Rspamd,
}

impl Default for MapFile {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            format: MapFormat::Postfix,
            keys: Subject::Identity,
            bare_names: false,
            lock_action: "REJECT locked after abuse reports".into(),
            hold_action: "HOLD abuse reports".into(),
            after: Vec::new(),
            timeout: Span::secs(30),
            max_size: Size(16 << 20),
        }
    }
}

impl MapFile {
    /// As the target knows it.
    pub fn to_lock(&self, name: &str) -> map_file::Settings {
        map_file::Settings {
            name: name.to_owned(),
            path: self.path.clone(),
            format: match self.format {
                MapFormat::Postfix => map_file::Format::Postfix,
                MapFormat::Lines => map_file::Format::Lines,
                MapFormat::Rspamd => map_file::Format::Rspamd,
            },
            subject: self.keys,
            bare_names: self.bare_names,
            lock_action: self.lock_action.clone(),
            hold_action: self.hold_action.clone(),
            after: self.after.clone(),
            timeout: self.timeout.0,
            max_size: self.max_size.0,
        }
    }

    pub(super) fn check(&self, key: &str, problems: &mut Problems) {
        problems.demand(
            self.path.is_absolute(),
            format!("{key}.path"),
            "must be an absolute path",
        );
        if let Some(program) = self.after.first() {
            problems.demand(
                Path::new(program).is_absolute(),
                format!("{key}.after"),
                "must begin with the absolute path of a program; there is no shell",
            );
        }
        for (name, action, wanted, words) in [
            (
                "lock_action",
                &self.lock_action,
                Action::Lock,
                "REJECT, DISCARD or a code that begins with 4 or 5",
            ),
            ("hold_action", &self.hold_action, Action::Hold, "HOLD"),
        ] {
            problems.demand(
                map_file::says(action, wanted) && !action.contains(['\n', '\r', '\0']),
                format!("{key}.{name}"),
                format!("must be one line that begins with {words}"),
            );
        }
    }
}

/// A program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exec {
    /// The program.
    pub program: PathBuf,
    /// Its arguments for an order.
    pub arguments: Vec<String>,
    /// Its arguments for the listing; empty: it has none.
    pub list_arguments: Vec<String>,
    /// Variables of the daemon's environment that it gets.
    pub environment: Vec<String>,
    /// Exit codes that mean done.
    pub done: Vec<i32>,
    /// Exit codes that mean to try again.
    pub later: Vec<i32>,
    /// Whether it can hold mail back, besides locking.
    pub hold: bool,
    /// How long it may take.
    pub timeout: Span,
    /// The most that is read of its output.
    pub max_output: Size,
}

impl Default for Exec {
    fn default() -> Self {
        Self {
            program: PathBuf::new(),
            arguments: Vec::new(),
            list_arguments: Vec::new(),
            environment: vec!["PATH".into()],
            done: vec![0],
            later: vec![75],
            hold: true,
            timeout: Span::secs(30),
            max_output: Size(1 << 20),
        }
    }
}

impl Exec {
    /// As the target knows it.
    pub fn to_lock(&self, name: &str) -> exec::Settings {
        exec::Settings {
            name: name.to_owned(),
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            list_arguments: self.list_arguments.clone(),
            environment: self.environment.clone(),
            done: self.done.clone(),
            later: self.later.clone(),
            hold: self.hold,
            timeout: self.timeout.0,
            max_output: usize::try_from(self.max_output.0).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn check(&self, key: &str, problems: &mut Problems) {
        problems.demand(
            self.program.is_absolute(),
            format!("{key}.program"),
            "must be an absolute path; there is no shell",
        );
        problems.demand(
            !self.done.is_empty(),
            format!("{key}.done"),
            "must name an exit code",
        );
        for code in self.done.iter().filter(|code| self.later.contains(code)) {
            problems.add(
                format!("{key}.later"),
                format!("{code} is one of done, too"),
            );
        }
    }
}

/// KumoMTA.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KumoMta {
    /// The server, as in `http://127.0.0.1:8000`.
    pub url: String,
    /// Login, where it asks for one.
    pub login: String,
    /// Password.
    pub password: Secret,
    /// A file that holds the password, read instead of `password`.
    pub password_file: Option<PathBuf>,
    /// What of an order is the tenant.
    pub tenant: Tenant,
    /// How long a suspension lasts.
    pub duration: Span,
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

/// See [`kumomta::Tenant`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tenant {
    /// The identity.
    #[default]
    Identity,
    /// The outgoing user's name.
    Username,
    /// The outgoing user's domain.
    Domain,
}

impl Default for KumoMta {
    fn default() -> Self {
        Self {
            url: String::new(),
            login: String::new(),
            password: Secret::default(),
            password_file: None,
            tenant: Tenant::Identity,
            duration: Span::secs(7 * 86_400),
            ca_file: None,
            proxy: None,
            timeout: Span::secs(10),
            connect_timeout: Span::secs(5),
            max_answer: Size(8 << 20),
        }
    }
}

impl KumoMta {
    /// As the target knows it.
    pub fn to_lock(&self, name: &str) -> kumomta::Settings {
        let login = (!self.login.is_empty())
            .then(|| (self.login.clone(), self.password.to_secret_string()));
        kumomta::Settings {
            name: name.to_owned(),
            url: self.url.clone(),
            login,
            tenant: match self.tenant {
                Tenant::Identity => kumomta::Tenant::Identity,
                Tenant::Username => kumomta::Tenant::Username,
                Tenant::Domain => kumomta::Tenant::Domain,
            },
            duration: format!("{} seconds", self.duration.0.as_secs()),
            reach: reach(
                self.timeout,
                self.connect_timeout,
                self.max_answer,
                &self.ca_file,
                &self.proxy,
            ),
        }
    }

    pub(super) fn check(&self, key: &str, problems: &mut Problems) {
        problems.demand(
            self.duration.0.as_secs() >= 60,
            format!("{key}.duration"),
            "must be at least 1m",
        );
    }

    pub(super) fn check_access(&self, key: &str, problems: &mut Problems) {
        api_url(
            &self.url,
            &format!("{key}.url"),
            "KumoMTA's HTTP listener",
            problems,
        );
        problems.demand(
            !self.login.contains(':'),
            format!("{key}.login"),
            "must not hold a colon",
        );
        problems.demand(
            self.login.is_empty() == self.password.is_empty(),
            format!("{key}.password"),
            "and login are needed together (or password_file)",
        );
    }
}
