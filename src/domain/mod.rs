//! The core of arfd: what a report is, whose mail it is about, whether its source is believed, and when
//! enough is enough. Everything here is a function of its arguments: no I/O, no async, no clock. Time comes
//! in as a [`jiff::Timestamp`], randomness as a number.

pub mod alias;
pub mod attribution;
pub mod audit;
pub mod class;
pub mod comparison;
pub mod complaint;
pub mod course;
pub mod explain;
pub mod feed;
pub mod feedback;
pub mod filing;
pub mod headers;
pub mod identity;
pub mod ids;
pub mod incident;
pub mod learnt;
pub mod life;
pub mod lock;
pub mod pace;
pub mod pattern;
pub mod reconcile;
pub mod replay;
pub mod report;
pub mod restraint;
pub mod results;
pub mod routing;
pub mod rule;
pub mod standing;
pub mod strength;
pub mod threshold;
pub mod unattributed;
