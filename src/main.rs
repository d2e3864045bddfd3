//! Temporary wiring of `arfd parse`.
use clap::Parser;

#[derive(clap::Parser)]
enum Arfd {
    Parse(arfd::cli::parse::Parse),
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    match Arfd::parse() {
        Arfd::Parse(parse) => parse.run(),
    }
}
