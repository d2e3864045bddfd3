//! arfd takes abuse reports (ARF, RFC 5965) by SMTP, finds the customer identity that sent the reported
//! mail, and locks it at the outgoing filter once a rule is crossed.
//!
//! The house, from the pure inside to the outside (imports point inwards only):
//!
//! - [`domain`]: what a report, an identity, a feed, a rule, an incident and a lock order are. Pure.
//! - [`formats`]: bytes to a reading, one file a format. Pure.
//! - [`store`], [`lock`]: where reports are filed, and whom to ask for a lock.
//! - [`smtp`], [`http`], [`intake`], [`outbox`], [`expiry`], [`reconcile`]: the edges and the use cases, filing,
//!   locking, ending locks whose time is up, and comparing with the targets.
//! - [`proving`]: asks DNS what the proof of a feed needs; [`lookup`]: asks who an identity is.
//! - [`app`]: wires all of it; [`cli`]: what a person types.
//! - [`clock`], [`metrics`], [`pulse`], [`config`]: time, figures, whether the loops go round, settings.

#![forbid(unsafe_code)]

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod expiry;
pub mod formats;
pub mod http;
pub mod intake;
pub mod lock;
pub mod lookup;
pub mod metrics;
pub mod outbox;
pub mod proving;
pub mod pulse;
pub mod reconcile;
pub mod smtp;
pub mod store;
