//! Who may log in: names and argon2id hashes. A password is tried off the threads that serve sessions, few at
//! a time, for each try takes the memory that its hash asks for; unknown names take as long as known ones.

use super::Credentials;
use super::throttle::Throttle;
use crate::clock::Clock;
use crate::metrics::Metrics;
use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use aws_lc_rs::rand;
use secrecy::{ExposeSecret, SecretSlice};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// The most memory that one try may take, in KiB, and the most passes over it.
const MOST_MEMORY: u32 = 1024 * 1024;
const MOST_PASSES: u32 = 100;
const MOST_LANES: u32 = 64;
/// What OWASP asks of argon2id at least (2025): 19 MiB and two passes, or as much work at less memory.
const LEAST_WORK: u64 = 19 * 1024 * 2;

/// An argon2id hash of a password, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(phc::PasswordHash);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// Why a hash cannot be used. No message repeats it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// It is of another kind, or a password in the clear.
    #[error(
        "is not an argon2id hash ($argon2id$v=19$...): make one with `arfd hash-password`; other kinds are \
         not taken"
    )]
    Kind,
    /// It begins well but cannot be read.
    #[error("is damaged: it has no salt, no hash or parameters out of bounds")]
    Damaged,
    /// To check it would take too much.
    #[error("asks for more than 1 GiB, 100 passes or 64 lanes for each try")]
    TooDear,
    /// The system's random numbers failed.
    #[error("the system gave no random numbers")]
    NoRandomness,
}

impl PasswordHash {
    /// Reads a PHC string.
    ///
    /// # Errors
    /// When it is not an argon2id hash that can be checked.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        if !text.starts_with("$argon2id$") {
            return Err(HashError::Kind);
        }
        let hash = phc::PasswordHash::new(text).map_err(|_| HashError::Damaged)?;
        let params = Params::try_from(&hash).map_err(|_| HashError::Damaged)?;
        let salt = hash.salt.as_ref().map_or(0, |salt| salt.len());
        let output = hash.hash.as_ref().map_or(0, |output| output.len());
        if salt < argon2::MIN_SALT_LEN || output < 16 || hash.version != Some(19) {
            return Err(HashError::Damaged);
        }
        if params.m_cost() > MOST_MEMORY
            || params.t_cost() > MOST_PASSES
            || params.p_cost() > MOST_LANES
        {
            return Err(HashError::TooDear);
        }
        Ok(Self(hash))
    }

    /// Whether it is cheaper to guess than it should be.
    pub fn is_weak(&self) -> bool {
        Params::try_from(&self.0).is_ok_and(|params| {
            let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
            params.m_cost() < 7 * 1024 || work < LEAST_WORK * 9 / 10
        })
    }

    /// Whether it is this password's. Takes long, on purpose.
    fn is_of(&self, password: &[u8]) -> bool {
        Argon2::default().verify_password(password, &self.0).is_ok()
    }
}

/// Makes a PHC string of a password, with the parameters that OWASP recommends (19 MiB, 2 passes, 1 lane).
///
/// # Errors
/// When there are no random numbers for the salt.
pub fn hash_password(password: &[u8]) -> Result<String, HashError> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(|_| HashError::NoRandomness)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let hash = argon2.hash_password_with_salt(password, &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|_| HashError::Damaged)
}

/// One who may log in.
#[derive(Clone, Debug)]
pub struct User {
    /// The name, compared exactly.
    pub name: String,
    /// The hash of the password.
    pub hash: PasswordHash,
}

/// How logging in is held within bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// Failures in one session, after which it is closed.
    pub max_failures: u32,
    /// Failures from one client network, after which it must wait.
    pub max_failures_per_client: u32,
    /// How long failures are remembered.
    pub failure_window: Duration,
    /// How long the answer to a wrong password is delayed.
    pub failure_delay: Duration,
    /// Passwords tried at a time.
    pub concurrency: usize,
    /// How long a try may wait for its turn.
    pub patience: Duration,
    /// Leading bits that make one client network, of IPv4 and IPv6.
    pub prefixes: (u8, u8),
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            max_failures: 3,
            max_failures_per_client: 20,
            failure_window: Duration::from_mins(15),
            failure_delay: Duration::from_secs(2),
            concurrency: 2,
            patience: Duration::from_secs(20),
            prefixes: (32, 64),
        }
    }
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the user of this name.
    Granted(String),
    /// It is not.
    Denied,
    /// There were too many failures from there.
    Throttled,
    /// It could not be found out just now.
    Busy,
}

/// The users.
pub struct Users {
    users: Arc<Vec<User>>,
    pub(in crate::smtp) settings: AuthSettings,
    turns: Arc<Semaphore>,
    throttle: Throttle,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.users.iter().map(|user| &user.name).collect();
        f.debug_tuple("Users").field(&names).finish()
    }
}

impl Users {
    /// These may log in, within these bounds. Without any there is no login at all.
    pub fn new(
        users: Vec<User>,
        settings: AuthSettings,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Option<Arc<Self>> {
        let (max, window) = (settings.max_failures_per_client, settings.failure_window);
        (!users.is_empty()).then(|| {
            for outcome in ["granted", "denied", "throttled", "busy"] {
                metrics.auth.with_label_values(&[outcome]);
            }
            Arc::new(Self {
                users: Arc::new(users),
                turns: Arc::new(Semaphore::new(settings.concurrency.max(1))),
                throttle: Throttle::new(max, window, settings.prefixes),
                settings,
                clock,
                metrics,
            })
        })
    }

    /// Tries a password. A wrong one is answered late.
    pub(in crate::smtp) async fn verify(
        &self,
        client: IpAddr,
        credentials: Credentials,
    ) -> Verdict {
        let verdict = self.attempt(client, credentials).await;
        let outcome = match &verdict {
            Verdict::Granted(_) => "granted",
            Verdict::Denied => "denied",
            Verdict::Throttled => "throttled",
            Verdict::Busy => "busy",
        };
        self.metrics.auth.with_label_values(&[outcome]).inc();
        if verdict == Verdict::Denied {
            sleep(self.settings.failure_delay).await;
        }
        verdict
    }

    async fn attempt(&self, client: IpAddr, credentials: Credentials) -> Verdict {
        let blocked = || self.throttle.blocks(client, self.clock.elapsed());
        if blocked() {
            return Verdict::Throttled;
        }
        let turn = Arc::clone(&self.turns).acquire_owned();
        let Ok(Ok(turn)) = timeout(self.settings.patience, turn).await else {
            return Verdict::Busy;
        };
        // Others from there may have failed while this one waited.
        if blocked() {
            return Verdict::Throttled;
        }
        let Credentials { name, password } = credentials;
        let users = Arc::clone(&self.users);
        // The turn goes with the work: a session that ends meanwhile does not free memory still in use.
        let tried = tokio::task::spawn_blocking(move || {
            let right = is_right(&users, &name, &password);
            (right, name, turn)
        });
        let Ok((right, name, turn)) = tried.await else {
            return Verdict::Busy;
        };
        let verdict = if right {
            self.throttle.forgive(client, &name);
            Verdict::Granted(name)
        } else {
            self.throttle.failed(client, &name, self.clock.elapsed());
            Verdict::Denied
        };
        // Only now, so that no more than so many tries go on beyond the limit.
        drop(turn);
        verdict
    }
}

/// Whether it is a user's password. An unknown name is held against some user's hash, always the same, so
/// that it takes its time as a known one does.
fn is_right(users: &[User], name: &str, password: &SecretSlice<u8>) -> bool {
    let known = users.iter().find(|user| user.name == name);
    let stand_in = || {
        let digest = blake3::hash(name.as_bytes());
        users.get(usize::from(digest.as_bytes()[0]) % users.len().max(1))
    };
    let matches = known
        .or_else(stand_in)
        .is_some_and(|user| user.hash.is_of(password.expose_secret()));
    known.is_some() && matches
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
