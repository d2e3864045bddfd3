//! What the benchmarks of whole processes share.

pub mod daemon;
pub mod process;
pub mod report;
