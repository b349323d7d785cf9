//! Tapes: scripts of keys, waits and pictures, one command a line. `docs/tape.md` is their manual.
//!
//! Here a tape is read and, against a [`Stage`], performed. The clock is the tape's own, so that a tape over a trace
//! gives the same screens at the same times everywhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;

use super::stage::{Camera, Stage};
use super::{Progress, RecordError, screen};
use crate::config::Chord;

/// A tape, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Tape {
    /// Its name in errors.
    pub name: PathBuf,
    /// What is set at its beginning.
    pub settings: Settings,
    /// What is done, in order.
    pub commands: Vec<(Place, Command)>,
}

/// Where in a tape something stands, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// What a tape does.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Types a text, a character at a time.
    Type(String),
    /// Presses a key, so many times.
    Key(Chord, u32),
    /// Lets time pass.
    Sleep(Duration),
    /// Until the step on screen is this one.
    WaitStep(u32),
    /// Until the run on screen is at its end.
    WaitEnd,
    /// Until the screen shows this text.
    WaitText(String),
    /// Changes the size of the screen.
    Resize(u16, u16),
    /// Writes the screen as it is to a file: `.txt`, `.svg` or `.png`.
    Screenshot(PathBuf),
}

/// What a tape sets before it begins. What is not set is up to whoever runs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Columns and rows.
    pub size: (u16, u16),
    /// Name of the theme.
    pub theme: Option<String>,
    /// Playing speed.
    pub speed: f64,
    /// Time after each key.
    pub delay: Duration,
    /// How long a wait may take.
    pub timeout: Duration,
    /// Time a live step takes.
    pub step_time: Duration,
    /// Font size of pictures, in pixels.
    pub font: u16,
    /// Most frames a second of a GIF.
    pub fps: u16,
    /// How long the last frame of a GIF stays.
    pub hold: Duration,
    /// A trace to show.
    pub trace: Option<PathBuf>,
    /// Flags of a live run: `steps`, `seed`, `tokens`, `prompt`, `model`, `judge`, `solver`, `precision`.
    pub run: BTreeMap<String, String>,
    /// Recordings: `.gif`, `.cast` or `.txt`.
    pub outputs: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            size: (120, 36),
            theme: None,
            speed: 1.0,
            delay: Duration::from_millis(80),
            timeout: Duration::from_secs(60),
            step_time: Duration::from_millis(60),
            font: 16,
            fps: 25,
            hold: Duration::from_secs(3),
            trace: None,
            run: BTreeMap::new(),
            outputs: Vec::new(),
        }
    }
}

/// Flags of a live run that a tape may set, as they are called on the command line.
const RUN_FLAGS: [(&str, &str); 8] = [
    ("Steps", "steps"),
    ("Seed", "seed"),
    ("Tokens", "tokens"),
    ("Prompt", "prompt"),
    ("Model", "model"),
    ("Judge", "judge"),
    ("Solver", "solver"),
    ("Precision", "precision"),
];

const COMMANDS: &str = "Set, Output, Type, Key, Wait, Sleep, Resize or Screenshot";

/// A word of a line: bare, or between quotes.
#[derive(Clone, Debug, PartialEq)]
struct Word {
    place: Place,
    text: String,
    quoted: bool,
}

impl Tape {
    /// Reads a tape; errors name `name`, line and column.
    pub fn parse(text: &str, name: &Path) -> Result<Self, RecordError> {
        let mut tape = Self { name: name.to_owned(), settings: Settings::default(), commands: Vec::new() };
        for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
            let words = words(line, index + 1).map_err(|(place, problem)| tape.error(place, problem))?;
            let end = Place { line: index + 1, column: line.chars().count() + 1 };
            let mut line = Line { words: words.into_iter(), end };
            let Some(first) = line.words.next() else { continue };
            tape.command(&first, &mut line).map_err(|(place, problem)| tape.error(place, problem))?;
        }
        Ok(tape)
    }

    /// An error at a place of this tape.
    pub fn error(&self, place: Place, problem: impl Into<String>) -> RecordError {
        let Place { line, column } = place;
        RecordError::Tape { tape: self.name.clone(), line, column, problem: problem.into() }
    }

    /// The largest size the screen gets.
    pub fn largest(&self) -> (u16, u16) {
        let resizes = self.commands.iter().filter_map(|(_, command)| match command {
            Command::Resize(width, height) => Some((*width, *height)),
            _ => None,
        });
        resizes.fold(self.settings.size, |(w, h), (width, height)| (w.max(width), h.max(height)))
    }

    fn command(&mut self, first: &Word, line: &mut Line) -> Result<(), Mistake> {
        let command = match first.text.as_str() {
            "Set" | "Output" if !self.commands.is_empty() => {
                return Err((first.place, format!("{} must come before the first key or wait", first.text)));
            }
            "Set" => return self.set(line),
            "Output" => {
                let path = line.word("a file name")?;
                self.settings.outputs.push(file(&path, &["gif", "cast", "txt"])?);
                return line.done();
            }
            "Type" => Command::Type(line.quoted("a text in quotes")?.text),
            "Key" => {
                let key = line.word("a key")?;
                let chord = Chord::parse(&key.text).ok_or_else(|| {
                    (key.place, format!("{:?} is no key; try space, right, ctrl-r or a letter", key.text))
                })?;
                let times = match line.words.next() {
                    None => 1,
                    Some(times) => number(&times, 1..=1000, "how many times, 1 to 1000")?,
                };
                Command::Key(chord, times)
            }
            "Sleep" => Command::Sleep(time(&line.word("a time")?)?),
            "Wait" => wait(line)?,
            "Resize" => {
                let (width, height) = size(&line.word("a size")?)?;
                Command::Resize(width, height)
            }
            "Screenshot" => Command::Screenshot(file(&line.word("a file name")?, &["txt", "svg", "png"])?),
            other => return Err((first.place, format!("{other:?} is no command; expected {COMMANDS}"))),
        };
        self.commands.push((first.place, command));
        line.done()
    }

    fn set(&mut self, line: &mut Line) -> Result<(), Mistake> {
        let name = line.word("a setting")?;
        let value = line.word("a value")?;
        let set = &mut self.settings;
        match name.text.as_str() {
            "Size" => set.size = size(&value)?,
            "Theme" => set.theme = Some(value.text),
            "Speed" => {
                let speed = value.text.parse().ok().filter(|speed| crate::app::state::SPEEDS.contains(speed));
                set.speed = speed.ok_or((value.place, "expected 0.25, 0.5, 1, 2, 4 or 8".to_owned()))?;
            }
            "Delay" => set.delay = time(&value)?,
            "Timeout" => set.timeout = time(&value)?,
            "StepTime" => set.step_time = time(&value)?,
            "FontSize" => {
                let sizes = super::raster::SIZES;
                let range = u32::from(*sizes.start())..=u32::from(*sizes.end());
                set.font = number(&value, range, "a font size in pixels, 6 to 64")? as u16;
            }
            "Fps" => set.fps = number(&value, 1..=50, "frames a second, 1 to 50")? as u16,
            "Hold" => set.hold = time(&value)?,
            "Trace" => set.trace = Some(PathBuf::from(value.text)),
            other => {
                let Some((_, flag)) = RUN_FLAGS.iter().find(|(name, _)| *name == other) else {
                    let flags: Vec<&str> = RUN_FLAGS.iter().map(|(name, _)| *name).collect();
                    let known = "Size, Theme, Speed, Delay, Timeout, StepTime, FontSize, Fps, Hold, Trace";
                    let problem = format!("{other:?} is no setting; expected {known}, {}", flags.join(", "));
                    return Err((name.place, problem));
                };
                set.run.insert((*flag).to_owned(), value.text);
            }
        }
        line.done()
    }
}

/// What a `Wait` waits for.
fn wait(line: &mut Line) -> Result<Command, Mistake> {
    let what = line.word("step N, end, text \"…\" or time 400ms")?;
    match what.text.as_str() {
        "step" => Ok(Command::WaitStep(number(&line.word("a step")?, 0..=65_536, "a step from 0 on")?)),
        "end" => Ok(Command::WaitEnd),
        "text" => {
            let text = line.quoted("a text in quotes")?;
            if text.text.is_empty() {
                return Err((text.place, "an empty text is everywhere; say what to wait for".to_owned()));
            }
            Ok(Command::WaitText(text.text))
        }
        "time" => Ok(Command::Sleep(time(&line.word("a time")?)?)),
        other => Err((what.place, format!("cannot wait for {other:?}; expected step, end, text or time"))),
    }
}

/// A mistake and where it is.
type Mistake = (Place, String);

/// The rest of a line.
struct Line {
    words: std::vec::IntoIter<Word>,
    end: Place,
}

impl Line {
    fn word(&mut self, what: &str) -> Result<Word, Mistake> {
        self.words.next().ok_or((self.end, format!("expected {what}")))
    }

    fn quoted(&mut self, what: &str) -> Result<Word, Mistake> {
        let word = self.word(what)?;
        if word.quoted { Ok(word) } else { Err((word.place, format!("expected {what}"))) }
    }

    fn done(&mut self) -> Result<(), Mistake> {
        match self.words.next() {
            None => Ok(()),
            Some(word) => Err((word.place, format!("{:?} is too much", word.text))),
        }
    }
}

/// Splits a line into words; `#` begins a comment where a word could begin.
fn words(line: &str, number: usize) -> Result<Vec<Word>, Mistake> {
    let mut words = Vec::new();
    let mut chars = line.chars().zip(1..).peekable();
    while let Some((c, column)) = chars.next() {
        let place = Place { line: number, column };
        match c {
            '#' if !ends_key(&words) => break,
            c if c.is_whitespace() => {}
            // `Key "` presses the quote key.
            '"' if !(ends_key(&words) && chars.peek().is_none_or(|(c, _)| c.is_whitespace())) => {
                let mut text = String::new();
                loop {
                    match chars.next() {
                        None => return Err((place, "this quote is not closed".to_owned())),
                        Some(('"', _)) => break,
                        Some(('\\', column)) => match chars.next() {
                            Some(('n', _)) => text.push('\n'),
                            Some((c @ ('"' | '\\'), _)) => text.push(c),
                            _ => {
                                let place = Place { line: number, column };
                                return Err((place, "after \\ expected n, \" or \\".to_owned()));
                            }
                        },
                        Some((c, _)) => text.push(c),
                    }
                }
                words.push(Word { place, text, quoted: true });
            }
            c => {
                let mut text = String::from(c);
                while let Some((c, _)) = chars.next_if(|(c, _)| !c.is_whitespace()) {
                    text.push(c);
                }
                words.push(Word { place, text, quoted: false });
            }
        }
    }
    Ok(words)
}

/// Whether the next word is the key of a `Key`, which may be any character.
fn ends_key(words: &[Word]) -> bool {
    matches!(words, [word] if word.text == "Key")
}

fn number(word: &Word, range: std::ops::RangeInclusive<u32>, what: &str) -> Result<u32, Mistake> {
    let value = word.text.parse().ok().filter(|value| range.contains(value));
    value.ok_or((word.place, format!("expected {what}")))
}

fn time(word: &Word) -> Result<Duration, Mistake> {
    let units = [("ms", 1e-3), ("s", 1.0)];
    let seconds = units.iter().find_map(|(unit, factor)| {
        let value: f64 = word.text.strip_suffix(unit)?.parse().ok()?;
        let seconds = value * factor;
        (0.0..=3600.0).contains(&seconds).then_some(seconds)
    });
    let seconds = seconds.ok_or((word.place, "expected a time such as 400ms or 1.5s, at most an hour".to_owned()))?;
    Ok(Duration::from_micros((seconds * 1e6).round() as u64))
}

fn size(word: &Word) -> Result<(u16, u16), Mistake> {
    let parts = word.text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parts
        .filter(|&(w, h): &(u16, u16)| (1..=500).contains(&w) && (1..=500).contains(&h))
        .ok_or((word.place, "expected a size such as 100x30, at most 500x500".to_owned()))
}

fn file(word: &Word, extensions: &[&str]) -> Result<PathBuf, Mistake> {
    let path = PathBuf::from(&word.text);
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    if extensions.contains(&extension.as_str()) {
        return Ok(path);
    }
    Err((word.place, format!("expected a file name ending in .{}", extensions.join(", ."))))
}

/// Writes a screenshot; the path is as the tape says it.
pub type Shutter<'a> = dyn FnMut(&Path, &Buffer) -> Result<(), RecordError> + 'a;

/// Performs a tape: its keys go to the stage, the stage's screens to the camera.
pub fn perform(
    tape: &Tape,
    stage: &mut dyn Stage,
    camera: &mut Camera<'_>,
    shutter: &mut Shutter<'_>,
    progress: &mut dyn Progress,
) -> Result<Duration, RecordError> {
    let mut show = Show { tape, stage, camera, now: Duration::ZERO };
    show.pass(Duration::ZERO)?;
    let total = tape.commands.len() as u64;
    for ((place, command), done) in tape.commands.iter().zip(0..) {
        progress.at(done, total)?;
        if show.stage.has_quit() {
            return Err(tape.error(*place, "the program has quit before this"));
        }
        show.command(*place, command, shutter)?;
    }
    show.camera.finish(show.now)?;
    Ok(show.now)
}

struct Show<'a, 'c> {
    tape: &'a Tape,
    stage: &'a mut dyn Stage,
    camera: &'a mut Camera<'c>,
    now: Duration,
}

impl Show<'_, '_> {
    fn command(&mut self, place: Place, command: &Command, shutter: &mut Shutter<'_>) -> Result<(), RecordError> {
        match command {
            Command::Type(text) => {
                for c in text.chars() {
                    let code = if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
                    self.press(KeyEvent::new(code, KeyModifiers::NONE))?;
                }
                Ok(())
            }
            Command::Key(chord, times) => (0..*times).try_for_each(|_| self.press(chord.event())),
            Command::Sleep(time) => self.pass(*time),
            Command::WaitStep(step) => {
                self.until(place, &format!("step {step} did not come"), |stage, _| stage.step().0 == *step)
            }
            Command::WaitEnd => self.until(place, "the end of the run did not come", |stage, _| {
                let (step, steps) = stage.step();
                steps > 0 && step == steps
            }),
            Command::WaitText(text) => {
                let missing = format!("{text:?} did not appear");
                self.until(place, &missing, |_, screen| screen::text(screen).contains(text.as_str()))
            }
            Command::Resize(width, height) => {
                self.stage.resize(*width, *height)?;
                self.pass(self.tape.settings.delay)
            }
            Command::Screenshot(path) => shutter(path, self.stage.draw()),
        }
    }

    fn press(&mut self, key: KeyEvent) -> Result<(), RecordError> {
        self.stage.key(key)?;
        self.pass(self.tape.settings.delay)
    }

    /// Lets time pass, and records whatever changes meanwhile when it changes.
    fn pass(&mut self, time: Duration) -> Result<(), RecordError> {
        let end = self.now + time;
        self.camera.shoot(self.now, self.stage)?;
        while let Some(next) = self.stage.wake_at().filter(|&next| next < end) {
            self.now = next.max(self.now + Duration::from_millis(1)).min(end);
            self.stage.advance(self.now)?;
            self.camera.shoot(self.now, self.stage)?;
        }
        self.now = end;
        self.stage.advance(self.now)?;
        self.camera.shoot(self.now, self.stage)
    }

    fn until(
        &mut self,
        place: Place,
        missing: &str,
        done: impl Fn(&dyn Stage, &Buffer) -> bool,
    ) -> Result<(), RecordError> {
        let limit = self.now + self.tape.settings.timeout;
        loop {
            self.camera.shoot(self.now, self.stage)?;
            if self.camera.last().is_some_and(|screen| done(self.stage, screen)) {
                return Ok(());
            }
            match self.stage.wake_at() {
                Some(next) if next <= limit => {
                    self.now = next.max(self.now + Duration::from_millis(1));
                    self.stage.advance(self.now)?;
                }
                Some(_) => {
                    let timeout = self.tape.settings.timeout.as_secs_f64();
                    return Err(self.tape.error(place, format!("{missing} within {timeout} s")));
                }
                None => return Err(self.tape.error(place, format!("{missing}, and nothing more will happen"))),
            }
        }
    }
}
