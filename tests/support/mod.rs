//! What several tests share.
pub mod filings;
pub mod postgres;
