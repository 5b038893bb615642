//! The one binary: arguments, exit codes, one call.

use std::process::ExitCode;

fn main() -> ExitCode {
    bulkhead::cli::main(std::env::args_os())
}
