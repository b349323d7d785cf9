//! The `fewstep` program: parse, dispatch, exit codes.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use fewstep::cli::Cli;
use fewstep::error::Error;
use fewstep::{run, text};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    match run::dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, Error::Closed) {
                // If even standard error is gone, the exit code still tells.
                let _ = writeln!(std::io::stderr(), "fewstep: {}", text::safe(&error.to_string()));
            }
            error.exit_code()
        }
    }
}

// clap repeats what the user typed, which may hold control characters.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let message = error.render().to_string();
        for line in message.lines() {
            let _ = writeln!(std::io::stderr(), "{}", text::safe(line));
        }
        ExitCode::from(2)
    } else {
        let _ = error.print();
        ExitCode::SUCCESS
    }
}
