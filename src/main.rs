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

/// What cannot be parsed: one line. clap repeats what the user typed, which may hold control characters.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let message = error.render().to_string();
        let lines: Vec<&str> = message.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:")).collect();
        let lines = lines.iter().filter(|line| !line.is_empty() && !line.starts_with("For more information"));
        let line = lines.copied().collect::<Vec<_>>().join(" ");
        let line = line.strip_prefix("error: ").unwrap_or(&line);
        let _ = writeln!(std::io::stderr(), "fewstep: {}; see fewstep --help", text::safe(line));
        ExitCode::from(2)
    } else {
        let _ = error.print();
        ExitCode::SUCCESS
    }
}
