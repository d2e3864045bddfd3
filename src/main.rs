//! The binary: hands the command line to the library and turns errors into exit codes.

use std::process::ExitCode;

fn main() -> ExitCode {
    arfd::cli::main()
}
