//! One file a verb: what the program does once the arguments are parsed.

pub mod bench;
pub mod export;
mod headless;
pub mod infill;
mod interrupt;
mod keep;
pub mod looks;
pub mod probe;
mod progress;
mod replay;
pub mod setup;
pub mod tape;
pub mod tui;
mod work;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use clap::CommandFactory;

use crate::cli::{BenchArgs, Cli, ProbeArgs, Verb};
use crate::error::Error;
use crate::model::{Precision, synthetic};
use crate::text;

/// Does what the command line asks for.
pub fn dispatch(cli: Cli) -> Result<(), Error> {
    match cli.verb {
        None if io::stdout().is_terminal() => tui::run(&cli.run, &cli.screen),
        None if cli.screen.record.is_some() => {
            let why = "--record: records the screen, and standard output is no terminal; use fewstep tape, or export";
            Err(Error::Input(why.to_owned()))
        }
        None => headless::sample(&headless::plainly(cli.run)),
        Some(Verb::Sample(args)) => headless::sample(&args),
        Some(Verb::Replay(args)) => replay::replay(&args.trace, &args.screen),
        Some(Verb::Follow(args)) => replay::follow(&args.trace, &args.screen),
        Some(Verb::Demo(args)) => replay::demo(args.name.as_deref(), &args.screen),
        Some(Verb::Export(args)) => export::export(&args),
        Some(Verb::Tape(args)) => tape::tape(&args),
        Some(Verb::Probe(args)) => run_probe(&args),
        Some(Verb::Bench(args)) => run_bench(&args),
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

fn run_probe(args: &ProbeArgs) -> Result<(), Error> {
    let model = &args.model;
    let threads = setup::set_threads(model.threads)?;
    let probed = probe::probe(&probe::ProbeArgs {
        model: model.place(),
        options: model.options(),
        // A probe is for comparing with other implementations, which the reference path is made for.
        precision: if model.precision == Precision::Auto { Precision::F32 } else { model.precision },
        place: model.device,
        threads,
        input: args.input.clone(),
        output: args.output.clone(),
    })
    .map_err(Error::input)?;
    let [batch, positions, rows] = probed.shape;
    let line = format!("{}, {}: logits ({batch}, {positions}, {rows})", probed.model, probed.precision);
    print(format!("{}\n", text::safe(&line)).as_bytes())
}

fn run_bench(args: &BenchArgs) -> Result<(), Error> {
    let (network, judge, threads) = if let Some(shape) = &args.shape {
        let spec = bench::made_up(shape).map_err(Error::input)?;
        (Arc::new(synthetic::model(spec, 1, false)), None, setup::set_threads(args.model.threads)?)
    } else {
        let models = setup::Models::open(&args.model)?;
        (models.network, models.judge, models.threads)
    };
    let longest = network.spec.length;
    if let Some(tokens) = args.tokens.iter().find(|&&tokens| tokens == 0 || tokens > longest) {
        return Err(Error::input(format!("--tokens {tokens}: this model writes 1 to {longest}")));
    }
    let known: Vec<usize> = bench::LENGTHS.into_iter().filter(|&tokens| tokens <= longest).collect();
    let precisions = match args.model.precision {
        Precision::Auto => vec![Precision::Auto, Precision::F32],
        one => vec![one],
    };
    let plan = bench::Plan {
        network: &network,
        judge: judge.as_deref(),
        precisions: &precisions,
        place: args.model.device,
        lengths: if args.tokens.is_empty() { &known } else { &args.tokens },
        threads,
        rounds: args.rounds.into(),
    };
    let watched = io::stderr().is_terminal();
    let mut say = |what: &str| {
        if watched {
            // Only a courtesy: a closed standard error must not fail the run.
            let _ = writeln!(io::stderr(), "{}", text::safe(what));
        }
    };
    let report = bench::measure(&plan, &mut say).map_err(Error::run)?;
    print(report.to_string().as_bytes())
}

fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Error::output("standard output", &error))
}
