//! The demonstration: the real daemon, a stand-in filter, and mail over real SMTP.

pub mod stand_in;
