//! A month of a hoster, simulated: its customers and those who pretend to be reporters act on a clock of their own, the
//! reports go as bytes through the real judge and the real store under the shipped rules, and what is locked is held
//! against what was true. Deterministic by its seed.

pub mod acts;
pub mod hoster;
pub mod people;
pub mod run;
pub mod score;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Mailboxes of the hoster's customers.
    pub identities: usize,
    /// Days.
    pub days: u32,
    /// The seed.
    pub seed: u64,
    /// `restraint.trial` of the configuration.
    pub trial: String,
    /// Rules in place of the shipped ones, as `[[rules]]` of a configuration; empty for those.
    pub rules: String,
}
