//! What several tests share.

pub mod bombs;
pub mod daemon;
pub mod directory;
pub mod dns;
pub mod filings;
pub mod letters;
pub mod mail;
pub mod memory_incidents;
pub mod memory_store;
pub mod postgres;
pub mod signed;

use std::io::Write;

/// Says what is left out and why, past the test harness, which keeps what passing tests print.
pub fn skipped(for_want_of: &str) {
    let mut stderr = std::io::stderr().lock();
    // A test does not fail because nobody listens.
    let _ = writeln!(stderr, "SKIPPED for want of {for_want_of}");
}
