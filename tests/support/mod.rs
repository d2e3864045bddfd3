//! What several tests share.

pub mod memory_store;
