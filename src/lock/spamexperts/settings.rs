//! What can be set about a SpamExperts target. The vendor documents neither its texts nor some of its calls,
//! so all of them are settings; the defaults are cautious.

use super::super::call::Reach;
use regex::Regex;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The default of [`Settings::success`].
pub const SUCCESS: &str = r"(?i)^\W*(ok|true|1|success(ful(ly)?)?)\W*$|^success\b|\b(has|have) been (successfully )?locked\b|\bsuccessfully locked\b|\blocked successfully\b";
/// The default of [`Settings::already_locked`].
pub const ALREADY_LOCKED: &str = r"(?i)\balready\b.{0,40}\blocked\b";
/// The default of [`Settings::refused`]: texts that no later try will change.
pub const REFUSED: [&str; 4] = [
    r"(?i)\bno such (domain|user|outgoing user)\b",
    r"(?i)\bhas status '?inactive\b",
    r"(?i)\bincorrect usage of api\b",
    r"(?i)\b(unknown|invalid) (call|method|parameter)\b",
];

/// The default pattern for what a call that releases answers when it worked.
pub const RELEASED: &str = r"(?i)^\W*(ok|true|1|success(ful(ly)?)?)\W*$|^success\b|\b(has|have) been (successfully )?(unlocked|released|removed)\b|\bsuccessfully (unlocked|released|removed)\b";
/// The default pattern for what it answers when there was nothing to release.
pub const ALREADY_RELEASED: &str = r"(?i)\b(is not|isn't|was not|not) (currently )?(locked|blacklisted|listed)\b|\balready (un|not )";
/// The default pattern for what a call that blacklists answers when it worked.
pub const LISTED: &str = r"(?i)^\W*(ok|true|1|success(ful(ly)?)?)\W*$|^success\b|\b(has|have) been (successfully )?(locked|blacklisted|added)\b";
/// The default pattern for what it answers when that was so before.
pub const ALREADY_LISTED: &str = r"(?i)\balready\b";
/// The default of [`Settings::nothing`]: what a listing says in words when it is empty.
pub const NOTHING: &str = r"(?i)^\W*(no (locked )?(identities|identity|users?|senders?)( (are|is))?( locked| found| blacklisted)?|none|nothing (is )?(locked|found)|empty)\W*$";

/// How the API is addressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// `URL?call=NAME&domain=..`, as at `/cgi-bin/api`.
    #[default]
    Query,
    /// `URL/NAME/domain/../identity/..`.
    Path,
}

/// One call whose name or texts are not documented.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name; empty: there is none, and what needs it is refused.
    pub call: String,
    /// Fixed parameters that go with it.
    pub parameters: BTreeMap<String, String>,
    /// Text that means success.
    pub success: Regex,
    /// Text that means that it was so before, which is as good.
    pub already: Regex,
    /// Texts after which no further try is made, besides [`Settings::refused`].
    pub refused: Vec<Regex>,
}

impl Call {
    /// A call of that name, with these texts.
    ///
    /// # Errors
    /// When a pattern does not compile.
    pub fn new(call: &str, success: &str, already: &str) -> Result<Self, regex::Error> {
        Ok(Self {
            call: call.to_owned(),
            parameters: BTreeMap::new(),
            success: Regex::new(success)?,
            already: Regex::new(already)?,
            refused: Vec::new(),
        })
    }
}

/// How one filter is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The target's name, as in orders and metrics.
    pub name: String,
    /// The base address, without a query: `https://HOST/cgi-bin/api`.
    pub url: String,
    /// The API's login.
    pub login: String,
    /// Its password.
    pub password: SecretString,
    /// The call that locks.
    pub lock_call: String,
    /// The call that lists what is locked.
    pub list_call: String,
    /// How the API is addressed.
    pub style: Style,
    /// The call that unlocks an identity.
    pub unlock: Call,
    /// The calls that lock and unlock a whole outgoing user.
    pub lock_user: Call,
    /// See [`Settings::lock_user`].
    pub unlock_user: Call,
    /// The call that lists locked outgoing users, if there is one: with it their locks are confirmed.
    pub list_users: Call,
    /// The calls that put a sender on the blacklist and take it off.
    pub blacklist: Call,
    /// See [`Settings::blacklist`].
    pub unblacklist: Call,
    /// The call that lists blacklisted senders, if there is one.
    pub list_senders: Call,
    /// Whether a whole domain may be listed with `username=*`. Nothing is ever locked with it.
    pub list_all_users: bool,
    /// What a listing says in words when it is empty.
    pub nothing: Regex,
    /// Fixed parameters that go with each lock call.
    pub lock_parameters: BTreeMap<String, String>,
    /// Fixed parameters that go with each listing.
    pub list_parameters: BTreeMap<String, String>,
    /// Text that means success.
    pub success: Regex,
    /// Text that means that the identity was locked before, which is as good.
    pub already_locked: Regex,
    /// Texts after which no further try is made.
    pub refused: Vec<Regex>,
    /// HTTP statuses after which no further try is made; none by default, for even wrong credentials are
    /// put right by a person, and then the order should go out by itself.
    pub refused_statuses: Vec<u16>,
    /// The longest time for one call.
    pub timeout: Duration,
    /// The longest time for its connection.
    pub connect_timeout: Duration,
    /// The longest body that is read, in octets; the listing of a large domain must fit.
    pub max_body: usize,
    /// Certificates to trust besides the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// The proxy to go through.
    pub proxy: Option<SecretString>,
}

impl Settings {
    /// The documented calls and cautious patterns.
    ///
    /// # Errors
    /// When a default pattern does not compile, which a test rules out.
    pub fn new(
        name: &str,
        url: &str,
        login: &str,
        password: SecretString,
    ) -> Result<Self, regex::Error> {
        Ok(Self {
            name: name.to_owned(),
            url: url.to_owned(),
            login: login.to_owned(),
            password,
            lock_call: "api_lock_outgoing_identity".to_owned(),
            list_call: "api_list_locked_identities".to_owned(),
            style: Style::Query,
            unlock: Call::new("api_unlock_outgoing_identity", RELEASED, ALREADY_RELEASED)?,
            lock_user: Call::new("", LISTED, ALREADY_LISTED)?,
            unlock_user: Call::new("", RELEASED, ALREADY_RELEASED)?,
            list_users: Call::new("", LISTED, ALREADY_LISTED)?,
            blacklist: Call::new("api_blacklist_outgoing_sender", LISTED, ALREADY_LISTED)?,
            unblacklist: Call::new("", RELEASED, ALREADY_RELEASED)?,
            list_senders: Call::new("", LISTED, ALREADY_LISTED)?,
            list_all_users: false,
            nothing: Regex::new(NOTHING)?,
            lock_parameters: BTreeMap::new(),
            list_parameters: BTreeMap::new(),
            success: Regex::new(SUCCESS)?,
            already_locked: Regex::new(ALREADY_LOCKED)?,
            refused: REFUSED
                .iter()
                .map(|text| Regex::new(text))
                .collect::<Result<_, _>>()?,
            refused_statuses: Vec::new(),
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            max_body: 1 << 20,
            ca_file: None,
            proxy: None,
        })
    }

    pub(super) fn reach(&self) -> Reach {
        Reach {
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            max_body: self.max_body,
            ca_file: self.ca_file.clone(),
            proxy: self.proxy.clone(),
        }
    }

    /// The longest that one try can take: listing, lock, listing. The outbox's lease must be longer.
    pub fn longest_try(&self) -> Duration {
        self.timeout.saturating_mul(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_patterns() {
        let s = Settings::new("filter", "https://f.example/", "u", "p".into()).unwrap();
        for text in [
            "OK",
            "success",
            "True\n",
            "Identity … has been locked.",
            "Success: locked",
        ] {
            assert!(s.success.is_match(text), "{text}");
        }
        for text in [
            "",
            "could not be locked",
            "not OK",
            "unsuccessful",
            "Locking failed",
            "no permissions",
        ] {
            assert!(!s.success.is_match(text), "{text}");
        }
        assert!(s.already_locked.is_match("Identity is already locked"));
        for text in ["The identity has been unlocked", "ok", "Success: removed"] {
            assert!(s.unlock.success.is_match(text), "{text}");
        }
        for text in ["could not be unlocked", "The identity has been locked"] {
            assert!(!s.unlock.success.is_match(text), "{text}");
        }
        for text in ["The identity is not locked", "is already unlocked"] {
            assert!(s.unlock.already.is_match(text), "{text}");
        }
        assert!(!s.unlock.already.is_match("You are not allowed"));
        for text in [
            "No such domain",
            "Domain has status 'inactive'",
            "Incorrect usage of API",
        ] {
            assert!(s.refused.iter().any(|r| r.is_match(text)), "{text}");
        }
        for text in ["Supplied credential is invalid.", "no permissions"] {
            assert!(!s.refused.iter().any(|r| r.is_match(text)), "{text}");
        }
        assert!(
            !format!(
                "{:?}",
                Settings::new("f", "https://f/", "u", "hunter2".into())
            )
            .contains("hunter2")
        );
    }
}
