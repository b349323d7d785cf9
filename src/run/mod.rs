//! One file a verb: what the program does once the arguments are parsed.

pub mod infill;
pub mod setup;

use std::io::{self, IsTerminal, Write};

use clap::CommandFactory;

use crate::cli::{Cli, SampleArgs, Verb};
use crate::error::Error;

/// Does what the command line asks for.
pub fn dispatch(cli: Cli) -> Result<(), Error> {
    match cli.verb {
        None if io::stdout().is_terminal() => tui::run(&cli.run, &cli.screen),
        None => headless::sample(&SampleArgs::plain(cli.run)),
        Some(Verb::Sample(args)) => headless::sample(&args),
        Some(Verb::Probe(args)) => probe::run(&args),
        Some(Verb::Completions { shell }) => {
            let mut page = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "fewstep", &mut page);
            print(&page)
        }
        Some(Verb::Man) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(Error::run)?;
            print(&page)
        }
    }
}

fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Error::output("standard output", &error))
}
