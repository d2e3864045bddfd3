//! What can be set about a SpamExperts target. The vendor documents neither its texts nor some of its calls,
//! so all of them are settings; the defaults are cautious.

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
        })
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
