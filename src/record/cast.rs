//! asciicast, the recording format of asciinema, versions 2 and 3.
//!
//! Line 1 is a header object; then one `[time, code, data]` array a line: `o` output, `r` resize, `m` marker, and in
//! version 3 `x` for the exit status. Version 2 counts time from the start, version 3 from the event before. Input is
//! never recorded. Every event is flushed, so that a file cut short plays up to its last whole line.

use std::io::Write;
use std::time::Duration;

use ratatui::buffer::Buffer;
use serde_json::{Map, Value, json};

use super::{Look, RecordError, Recorder, ansi};

/// Which version of the format is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Version {
    /// Read by every player.
    V2,
    /// The current version.
    #[default]
    V3,
}

/// What the header says besides the size.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// Title shown by players.
    pub title: Option<String>,
    /// When the recording was made, seconds since 1970; none for recordings that are to be the same every time.
    pub timestamp: Option<u64>,
    /// Longest pause that players should keep.
    pub idle_limit: Option<Duration>,
}

/// Writes a cast; the header follows with the first screen, whose size it needs.
#[derive(Debug)]
pub struct Cast<W> {
    out: W,
    version: Version,
    header: Header,
    look: Look,
    last: Option<Buffer>,
    /// Time of the last event in the unit of the version: microseconds (2) or milliseconds (3).
    ///
    /// An interval is the difference of two rounded times, not a rounded difference, so errors never add up.
    clock: u64,
    ended: bool,
}

impl<W: Write> Cast<W> {
    /// A cast that will be written to `out`.
    pub fn new(out: W, version: Version, header: Header, look: Look) -> Self {
        Self { out, version, header, look, last: None, clock: 0, ended: false }
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn start(&mut self, screen: &Buffer) -> Result<(), RecordError> {
        let (cols, rows) = (screen.area.width, screen.area.height);
        if cols == 0 || rows == 0 {
            return Err(RecordError::Size(format!("a cast needs at least one cell, and this screen is {cols}x{rows}")));
        }
        let palette: Vec<String> = self.look.ansi.iter().map(|color| color.hex()).collect();
        let theme = json!({ "fg": self.look.fg.hex(), "bg": self.look.bg.hex(), "palette": palette.join(":") });
        let mut header = Map::new();
        match self.version {
            Version::V2 => {
                header.insert("version".into(), 2.into());
                header.insert("width".into(), cols.into());
                header.insert("height".into(), rows.into());
                header.insert("theme".into(), theme);
            }
            Version::V3 => {
                header.insert("version".into(), 3.into());
                let term = json!({ "cols": cols, "rows": rows, "type": "xterm-256color", "theme": theme });
                header.insert("term".into(), term);
            }
        }
        if let Some(timestamp) = self.header.timestamp {
            header.insert("timestamp".into(), timestamp.into());
        }
        if let Some(limit) = self.header.idle_limit {
            header.insert("idle_time_limit".into(), limit.as_secs_f64().into());
        }
        if let Some(title) = &self.header.title {
            header.insert("title".into(), title.as_str().into());
        }
        self.line(&Value::Object(header).to_string())
    }

    fn event(&mut self, at: Duration, code: char, data: &str) -> Result<(), RecordError> {
        let now = match self.version {
            Version::V2 => at.as_micros(),
            Version::V3 => (at.as_micros() + 500) / 1000,
        };
        // A clock that went back counts as one that stood still.
        let now = u64::try_from(now).unwrap_or(u64::MAX).max(self.clock);
        let time = match self.version {
            Version::V2 => format!("{}.{:06}", now / 1_000_000, now % 1_000_000),
            Version::V3 => {
                let interval = now - self.clock;
                format!("{}.{:03}", interval / 1000, interval % 1000)
            }
        };
        self.clock = now;
        self.line(&format!("[{time}, \"{code}\", {}]", Value::from(data)))
    }

    fn line(&mut self, line: &str) -> Result<(), RecordError> {
        // One write a line: whoever kills the program leaves whole lines.
        self.out.write_all(format!("{line}\n").as_bytes())?;
        self.out.flush()?;
        Ok(())
    }
}

impl<W: Write> Recorder for Cast<W> {
    fn frame(&mut self, at: Duration, screen: &Buffer) -> Result<(), RecordError> {
        let size = (screen.area.width, screen.area.height);
        let bytes = match self.last.as_ref() {
            None => {
                self.start(screen)?;
                format!("{}{}", ansi::HIDE_CURSOR, ansi::full(screen))
            }
            Some(last) if (last.area.width, last.area.height) != size => {
                self.event(at, 'r', &format!("{}x{}", size.0, size.1))?;
                ansi::full(screen)
            }
            Some(last) => ansi::diff(last, screen),
        };
        if !bytes.is_empty() {
            self.event(at, 'o', &bytes)?;
            self.last = Some(screen.clone());
        }
        Ok(())
    }

    fn marker(&mut self, at: Duration, label: &str) -> Result<(), RecordError> {
        // Before the first screen there is no header yet, and nothing to mark.
        if self.last.is_none() {
            return Ok(());
        }
        let label: String = label.chars().filter(|&c| !super::screen::is_harmful(c)).collect();
        self.event(at, 'm', &label)
    }

    fn finish(&mut self, at: Duration) -> Result<(), RecordError> {
        let Some(last) = self.last.as_ref() else {
            return Err(RecordError::Request("nothing was drawn, so there is nothing to record".to_owned()));
        };
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        // The last screen stays; the cursor reappears below it.
        let leave = format!("\x1b[{};1H{}", last.area.height, ansi::SHOW_CURSOR);
        self.event(at, 'o', &leave)?;
        if self.version == Version::V3 {
            self.event(at, 'x', "0")?;
        }
        Ok(())
    }
}
