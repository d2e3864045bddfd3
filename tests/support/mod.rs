//! What several tests share.

pub mod daemon;
pub mod filings;
pub mod mail;
pub mod memory_store;
pub mod postgres;
