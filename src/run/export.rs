//! `fewstep export`: a trace as a page, a picture, a recording, a figure for TeX, or text.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::looks;
use super::work::{Work, ask};
use crate::app::state::{Looks, SPEEDS};
use crate::app::{Msg, State};
use crate::config::{Depth, Glyphs, Keymap, Theme};
use crate::error::Error;
use crate::record::cast::{Cast, Header, Version};
use crate::record::figure::{Figure, spread};
use crate::record::gif::{self, Gif};
use crate::record::html::{self, Scheme};
use crate::record::output::{Output, Unfinished};
use crate::record::stage::{Camera, Screen, play};
use crate::record::{Look, RecordError, Recorder, ansi, png, svg, tex};
use crate::text::{plain, safe};
use crate::trace::Timeline;
use crate::trace::io::{Trace, diffusers};

/// `fewstep export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// The trace
    #[arg(value_name = "TRACE")]
    pub trace: PathBuf,

    /// Where to write; the extension chooses the format (`-`: standard output, with --format)
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// Format [default: by extension]
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// Which run of the trace, by its number [default: the last]
    #[arg(long, value_name = "N")]
    pub run: Option<u32>,

    /// Which step [default: the last]
    #[arg(long, value_name = "N")]
    pub step: Option<u32>,

    /// Several steps below each other, evenly spread: svg, png, ansi
    #[arg(long, value_name = "COUNT", conflicts_with = "step", value_parser = clap::value_parser!(u32).range(2..=64))]
    pub strip: Option<u32>,

    /// Columns [default: 100; gif and cast: 120]
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(1..=500))]
    pub width: Option<u16>,

    /// Rows of the screen: gif, cast
    #[arg(long, value_name = "ROWS", default_value_t = 36, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub height: u16,

    /// Font size in pixels: png, gif
    #[arg(long, value_name = "PIXELS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(6..=64))]
    pub size: u16,

    /// dark, light, or the path of a theme [default: light for figures, dark for the screen, the reader's for pages]
    #[arg(long, value_name = "THEME")]
    pub theme: Option<String>,

    /// Playing speed: gif, cast
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,

    /// Most frames a second: gif
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=50))]
    pub fps: u16,

    /// Version 2 of the format, for older players: cast
    #[arg(long)]
    pub cast_v2: bool,

    /// Overwrite a file that exists
    #[arg(long)]
    pub force: bool,
}

/// What a trace can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A page to scrub through, in one file
    Html,
    /// The text coloured by last change, as vectors
    Svg,
    /// The same as pixels
    Png,
    /// The screen playing the run, as a picture
    Gif,
    /// The screen playing the run, as an asciicast
    Cast,
    /// The text in coloured boxes, for papers
    Tex,
    /// The text
    Txt,
    /// The text coloured by last change, for terminals
    Ansi,
    /// The animation JSON of diffusers' discrete-diffusion example
    Json,
}

fn speed(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|speed| SPEEDS.contains(speed)).ok_or("expected 0.25, 0.5, 1, 2, 4 or 8".to_owned())
}

/// Exports a trace as `args` ask.
pub fn export(args: &ExportArgs) -> Result<(), Error> {
    let format = format(args)?;
    if args.strip.is_some() && !matches!(format, Format::Svg | Format::Png | Format::Ansi) {
        let name = format.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        return Err(Error::Input(format!("--strip: {name} has no strips; use svg, png or ansi")));
    }
    let themes = Themes::of(args, format)?;
    let mut output = Sink::open(&args.output, args.force)?;
    let trace = Trace::open(&args.trace).map_err(Error::input)?;
    if let Some(notice) = &trace.notice {
        let _ = writeln!(io::stderr(), "fewstep: {notice}");
    }
    let chosen = choose(args, &trace.runs)?;
    let mut work = Work::begin("exporting");
    let done = write((args, format, &themes), &trace, chosen, &mut output, &mut work).and_then(|()| output.commit());
    work.end();
    done.map_err(|error| failure(error, &args.output))
}

/// The top-level error for an export or a recording that failed.
pub(super) fn failure(error: RecordError, path: &Path) -> Error {
    match error {
        RecordError::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Error::Closed,
        RecordError::Cancelled => Error::Interrupted,
        error @ (RecordError::Request(_) | RecordError::Size(_) | RecordError::Tape { .. }) => Error::input(error),
        error => Error::run(error.at(path)),
    }
}

fn format(args: &ExportArgs) -> Result<Format, Error> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    let extension = args.output.extension().and_then(|e| e.to_str()).unwrap_or("");
    Format::from_str(extension, true).map_err(|_| {
        let names = "html, svg, png, gif, cast, tex, txt, ansi or json";
        let path = args.output.display().to_string();
        Error::Input(format!(
            "{}: no format ends in {extension:?}; end the name in .{names}, or give --format",
            safe(&path)
        ))
    })
}

/// The colours of an export.
struct Themes {
    theme: Theme,
    scheme: Scheme,
}

impl Themes {
    fn of(args: &ExportArgs, format: Format) -> Result<Self, Error> {
        let default = if matches!(format, Format::Gif | Format::Cast) { "dark" } else { "light" };
        let name = args.theme.as_deref();
        let theme = looks::theme(name.unwrap_or(default), Depth::True)?;
        let scheme = match name {
            None => Scheme::Auto,
            Some("light") => Scheme::Light,
            Some("dark") => Scheme::Dark,
            Some(_) if format != Format::Html => Scheme::Auto,
            Some(_) => {
                return Err(Error::Input("--theme: a page has both themes; use dark or light, or neither".to_owned()));
            }
        };
        Ok(Self { theme, scheme })
    }
}

/// The index of the run that is asked for, with its step checked.
fn choose(args: &ExportArgs, runs: &[Timeline]) -> Result<usize, Error> {
    let numbers = || runs.iter().map(|run| run.meta().run.to_string()).collect::<Vec<_>>().join(", ");
    let index = match args.run {
        None => runs.len().checked_sub(1),
        Some(number) => runs.iter().position(|run| run.meta().run == number),
    };
    let index = index.ok_or_else(|| {
        Error::Input(format!("--run {}: the trace has the runs {}", args.run.unwrap_or(0), numbers()))
    })?;
    let newest = runs[index].newest();
    match args.step {
        Some(step) if step > newest => Err(Error::Input(format!("--step {step}: the run ends at step {newest}"))),
        _ => Ok(index),
    }
}

fn write(
    (args, format, themes): (&ExportArgs, Format, &Themes),
    trace: &Trace,
    index: usize,
    sink: &mut Sink,
    work: &mut Work,
) -> Result<(), RecordError> {
    let timeline = &trace.runs[index];
    let step = args.step.unwrap_or(timeline.newest());
    let figure = Figure { vocab: &trace.vocab, timeline, theme: &themes.theme, width: args.width.unwrap_or(100) };
    let drawn = || match args.strip {
        Some(count) => figure.strip(&spread(timeline, count)),
        None => figure.at(step),
    };
    let look = Look::of(&themes.theme);
    let mut out = BufWriter::new(sink.writer()?);
    match format {
        Format::Html => {
            let all: Vec<&Timeline> = trace.runs.iter().collect();
            let (runs, open) = if args.run.is_some() { (vec![timeline], 0) } else { (all, index) };
            html::write(&mut out, &trace.vocab, &runs, (open, args.step), themes.scheme, work)?;
        }
        Format::Svg => {
            let title = crate::record::figure::about(timeline);
            out.write_all(svg::render(&drawn(), &look, &title).as_bytes())?;
        }
        Format::Png => png::write(&mut out, &drawn(), &look, args.size)?,
        Format::Ansi => out.write_all(ansi::lines(&drawn()).as_bytes())?,
        Format::Tex => out.write_all(tex::render(&figure, step).as_bytes())?,
        Format::Txt => {
            let text = plain(&trace.vocab, &timeline.ids(step));
            writeln!(out, "{}", text.trim_end_matches('\n'))?;
        }
        Format::Json => diffusers::export(&mut out, timeline, &trace.vocab)?,
        Format::Gif | Format::Cast => {
            let title = crate::record::figure::about(timeline);
            if format == Format::Gif {
                let options = gif::Options {
                    px: args.size,
                    margin: png::margin(args.size),
                    fps: args.fps,
                    comment: Some(title),
                    ..gif::Options::default()
                };
                let mut gif = Gif::new(&mut out, options, look);
                playback(args, trace, timeline, &themes.theme, &mut gif, work)?;
                if gif.is_full() {
                    let _ = writeln!(
                        io::stderr(),
                        "fewstep: the GIF was cut at its largest size; use a smaller --size or --fps"
                    );
                }
            } else {
                let version = if args.cast_v2 { Version::V2 } else { Version::V3 };
                let header = Header { title: Some(title), ..Header::default() };
                let mut cast = Cast::new(&mut out, version, header, look);
                playback(args, trace, timeline, &themes.theme, &mut cast, work)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

/// Plays the run on the real screen, into a recorder.
fn playback(
    args: &ExportArgs,
    trace: &Trace,
    timeline: &Timeline,
    theme: &Theme,
    recorder: &mut dyn Recorder,
    work: &mut Work,
) -> Result<(), RecordError> {
    let mut state = replay(trace, theme.clone(), args.speed);
    let effects = crate::app::update(&mut state, Msg::Run(Box::new(timeline.clone())));
    let size = (args.width.unwrap_or(120), args.height);
    let mut screen = Screen::new(state, None, size, effects)?;
    play(&mut screen, &mut Camera::new(vec![recorder]), work)
}

/// A screen for the runs of a trace.
pub(super) fn replay(trace: &Trace, theme: Theme, speed: f64) -> State {
    let looks = Looks { theme, glyphs: Glyphs::UNICODE, keymap: Arc::new(Keymap::default()) };
    let model = safe(&trace.header.model.name).into_owned();
    let mut state = State::replay(looks, model, Arc::clone(&trace.vocab));
    if let Some(index) = SPEEDS.iter().position(|&s| s == speed) {
        state.play.speed = index;
    }
    state
}

/// Where an export goes.
enum Sink {
    File(Output),
    Stdout,
}

impl Sink {
    fn open(path: &Path, force: bool) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let force =
            force || (path.is_file() && ask(&format!("{} exists; replace it?", safe(&path.display().to_string()))));
        Output::create(path, force, Unfinished::Remove).map(Self::File).map_err(Error::input)
    }

    fn writer(&self) -> Result<Box<dyn Write>, RecordError> {
        Ok(match self {
            Self::File(output) => Box::new(output.handle()?) as Box<dyn Write>,
            Self::Stdout => Box::new(io::stdout()),
        })
    }

    fn commit(self) -> Result<(), RecordError> {
        match self {
            Self::File(output) => output.commit(),
            Self::Stdout => Ok(()),
        }
    }
}
