//! All integration tests in one binary, one module a subject.

mod adversary;
mod architecture;
mod cli;
mod clients;
mod config;
mod deploy;
mod end_to_end;
mod golden;
mod hostile;
mod http;
mod kill;
mod lookup;
mod month;
mod outbox;
mod own_signature;
mod parse;
mod proving;
mod replay;
mod samples;
mod simulation;
mod smtp;
mod store;
mod support;
mod targets;
mod token;
mod truth_table;

// The month is a benchmark, too, which has them at its root.
use support::letters;
