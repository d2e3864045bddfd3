//! What several tests share.

use std::io::Write;

pub mod filings;
pub mod memory_store;
pub mod postgres;

/// Says what is left out and why, past the test harness, which keeps what passing tests print.
pub fn skipped(for_want_of: &str) {
    let mut stderr = std::io::stderr().lock();
    // A test does not fail because nobody listens.
    let _ = writeln!(stderr, "SKIPPED for want of {for_want_of}");
}
