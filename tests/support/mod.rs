//! What several tests share.

pub mod filings;
pub mod memory_store;
pub mod postgres;
