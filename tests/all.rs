//! All integration tests in one binary, one module a subject.

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
mod outbox;
mod parse;
mod proving;
mod samples;
mod simulation;
mod smtp;
mod store;
mod support;
mod targets;
