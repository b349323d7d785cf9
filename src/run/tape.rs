//! `fewstep tape`: performs a tape, over a trace or live.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser};
use ratatui::buffer::Buffer;

use super::export::{failure, replay};
use super::looks;
use super::setup::Setup;
use super::work::Work;
use crate::app::state::{Looks, SPEEDS};
use crate::app::{Msg, State};
use crate::cli::RunArgs;
use crate::config::{Depth, Glyphs, Keymap, Theme};
use crate::error::Error;
use crate::record::digest::Digest;
use crate::record::output::{Output, Unfinished};
use crate::record::recording::{Options, Recording};
use crate::record::solo::SoloEngine;
use crate::record::stage::{Camera, Screen};
use crate::record::tape::{Settings, Tape, perform};
use crate::record::{Look, RecordError, Recorder, gif, png, screen, svg};
use crate::trace::io::Trace;

/// `fewstep tape`.
#[derive(Clone, Debug, Args)]
pub struct TapeArgs {
    /// The tape
    #[arg(value_name = "TAPE")]
    pub tape: PathBuf,

    /// Recordings besides those the tape names: .gif, .cast or .txt
    #[arg(short, long, value_name = "FILE")]
    pub output: Vec<PathBuf>,

    /// Overwrite files that exist
    #[arg(long)]
    pub force: bool,

    /// Also write down what the tape shows, for --check
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub lock: Option<PathBuf>,

    /// Write nothing; compare what the tape shows with what was written down by --lock
    #[arg(long, value_name = "FILE", conflicts_with = "output")]
    pub check: Option<PathBuf>,
}

/// Flags of a live run, so that a tape's settings are checked like a command line.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Flags {
    #[command(flatten)]
    run: RunArgs,
}

/// Performs the tape that `args` name.
pub fn tape(args: &TapeArgs) -> Result<(), Error> {
    let text = fs::read_to_string(&args.tape)
        .map_err(|error| Error::input(format!("{}: {error}; check the path", args.tape.display())))?;
    let tape = Tape::parse(&text, &args.tape).map_err(Error::input)?;
    let (mut stage, what) = stage(&tape)?;
    let mut work = Work::begin("performing");
    let mut digest = Digest::default();
    let done = record(args, &tape, &what, &mut stage, &mut digest, &mut work);
    work.end();
    done.map_err(|error| failure(error, &args.tape))?;
    let shown = Shown { tape: Digest::of(text.as_bytes()).hex(), screens: digest.hex(), what };
    match (&args.lock, &args.check) {
        (Some(lock), _) => shown.write(lock),
        (_, Some(lock)) => shown.compare(lock, &args.tape),
        _ => Ok(()),
    }
}

fn record(
    args: &TapeArgs,
    tape: &Tape,
    what: &str,
    stage: &mut Screen,
    digest: &mut Digest,
    work: &mut Work,
) -> Result<(), RecordError> {
    let settings = &tape.settings;
    let look = Look::of(&theme(settings).map_err(|error| RecordError::Request(error.to_string()))?);
    let name = args.tape.file_name().unwrap_or_default().to_string_lossy();
    let options = Options {
        title: Some(format!("{name} · {what}")),
        gif: gif::Options {
            px: settings.font,
            margin: png::margin(settings.font),
            fps: settings.fps,
            hold: settings.hold,
            canvas: Some(tape.largest()),
            ..gif::Options::default()
        },
        force: args.force,
        unfinished: Unfinished::Remove,
        ..Options::new(look.clone())
    };
    let dry = args.check.is_some();
    let paths = settings.outputs.iter().chain(&args.output).filter(|_| !dry);
    let mut recordings = paths.map(|path| Recording::start(path, options.clone())).collect::<Result<Vec<_>, _>>()?;
    let mut recorders: Vec<&mut dyn Recorder> = vec![digest];
    recorders.extend(recordings.iter_mut().map(|recording| recording as &mut dyn Recorder));
    let mut shutter = |path: &Path, screen: &Buffer| {
        if dry { Ok(()) } else { screenshot(path, screen, &look, settings, args.force) }
    };
    perform(tape, stage, &mut Camera::new(recorders), &mut shutter, work).map(drop)
}

/// The screen a tape is performed on, and what besides the tape decides what it shows.
fn stage(tape: &Tape) -> Result<(Screen, String), Error> {
    let settings = &tape.settings;
    let theme = theme(settings)?;
    let (state, engine, effects, what) = if let Some(path) = &settings.trace {
        let trace = Trace::open(path).map_err(Error::input)?;
        let mut state = replay(&trace, theme, settings.speed);
        let mut effects = Vec::new();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for run in trace.runs {
            effects.extend(crate::app::update(&mut state, Msg::Run(Box::new(run))));
        }
        (state, None, effects, name)
    } else {
        live(settings, theme)?
    };
    let screen = Screen::new(state, engine, settings.size, effects).map_err(Error::run)?;
    Ok((screen, what))
}

type Live = (State, Option<SoloEngine>, Vec<crate::app::Effect>, String);

fn live(settings: &Settings, theme: Theme) -> Result<Live, Error> {
    let flags = settings.run.iter().map(|(flag, value)| format!("--{flag}={value}"));
    let args = Flags::try_parse_from(flags)
        .map_err(|error| Error::input(error.to_string().lines().next().unwrap_or_default()))?;
    let setup = Setup::prepare(&args.run)?;
    let models = &setup.models;
    let network = models.load_network(&|_| ()).map_err(Error::input)?;
    let judge = models.load_judge(&|_| ()).map_err(Error::input)?;
    let spec = network.spec().clone();
    let looks = Looks { theme, glyphs: Glyphs::UNICODE, keymap: Arc::new(Keymap::default()) };
    let vocab = Some(Arc::clone(&models.vocab));
    let judge_name = models.judge.as_ref().map(|judge| judge.spec.name.clone());
    let mut state = State::live(looks, spec.name.clone(), vocab, spec, judge_name);
    if let Some(index) = SPEEDS.iter().position(|&speed| speed == settings.speed) {
        state.play.speed = index;
    }
    let effects = state.begin(setup.config.clone(), &setup.prompt);
    let engine = SoloEngine::new(network, judge, settings.step_time);
    let what = engine.name();
    Ok((state, Some(engine), effects, what))
}

fn theme(settings: &Settings) -> Result<Theme, Error> {
    looks::theme(settings.theme.as_deref().unwrap_or("dark"), Depth::True)
}

/// Writes a screen to a file, in the format of its extension.
fn screenshot(path: &Path, buffer: &Buffer, look: &Look, settings: &Settings, force: bool) -> Result<(), RecordError> {
    let mut output = Output::create(path, force, Unfinished::Remove)?;
    let done = match path.extension().and_then(|e| e.to_str()).unwrap_or("") {
        "svg" => output.write_all(svg::render(buffer, look, "fewstep").as_bytes()).map_err(RecordError::from),
        "png" => png::write(&mut output, buffer, look, settings.font),
        _ => output.write_all(screen::text(buffer).as_bytes()).map_err(RecordError::from),
    };
    done.map_err(|error| error.at(path))?;
    output.commit()
}

/// What a tape showed.
struct Shown {
    tape: String,
    screens: String,
    what: String,
}

impl Shown {
    fn write(&self, lock: &Path) -> Result<(), Error> {
        // Another CPU path shows other texts: what was written down for the same tape there stays.
        let mut lines: Vec<String> = vec![
            "# What a tape showed when its recording was made; compared by `fewstep tape --check`.".to_owned(),
            format!("tape {}", self.tape),
        ];
        let old = fs::read_to_string(lock).unwrap_or_default();
        if old.lines().any(|line| line == lines[1]) {
            let others = old.lines().filter(|line| line.starts_with("screens ") && !self.is_ours(line));
            lines.extend(others.map(str::to_owned));
        }
        lines.push(format!("screens {} {}", self.screens, self.what));
        let mut output = Output::create(lock, true, Unfinished::Remove).map_err(Error::input)?;
        let done = output.write_all((lines.join("\n") + "\n").as_bytes()).map_err(RecordError::from);
        done.and_then(|()| output.commit()).map_err(|error| Error::run(error.at(lock)))
    }

    fn is_ours(&self, line: &str) -> bool {
        line.splitn(3, ' ').nth(2) == Some(self.what.as_str())
    }

    fn compare(&self, lock: &Path, tape: &Path) -> Result<(), Error> {
        let text = fs::read_to_string(lock).map_err(|error| Error::input(RecordError::from(error).at(lock)))?;
        let changed = |what: &str| {
            let (tape, lock) = (tape.display(), lock.display());
            Err(Error::Run(format!(
                "{tape}: {what} since {lock} was written; make its recording again, with --lock {lock}"
            )))
        };
        if !text.lines().any(|line| line == format!("tape {}", self.tape)) {
            return changed("the tape has changed");
        }
        match text.lines().find(|line| line.starts_with("screens ") && self.is_ours(line)) {
            None => {
                // Texts differ between CPU paths, so there is nothing to compare with here.
                let _ = writeln!(
                    std::io::stderr(),
                    "fewstep: {} has no screens for {}; only the tape was checked",
                    lock.display(),
                    self.what
                );
                Ok(())
            }
            Some(line) if line.split(' ').nth(1) == Some(self.screens.as_str()) => Ok(()),
            Some(_) => changed("what it shows has changed"),
        }
    }
}
