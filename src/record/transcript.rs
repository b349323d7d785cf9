//! The screens of a recording as plain text, one after the other: what a tape is compared by.

use std::io::Write;
use std::time::Duration;

use ratatui::buffer::Buffer;

use super::{RecordError, Recorder, screen};

/// Writes every distinct screen with its time.
#[derive(Debug)]
pub struct Transcript<W> {
    out: W,
    title: Option<String>,
    last: Option<String>,
}

impl<W: Write> Transcript<W> {
    /// A transcript that will be written to `out`, headed by `title`.
    pub fn new(out: W, title: Option<String>) -> Self {
        Self { out, title, last: None }
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write> Recorder for Transcript<W> {
    fn frame(&mut self, at: Duration, screen: &Buffer) -> Result<(), RecordError> {
        if let Some(title) = self.title.take() {
            writeln!(self.out, "# {}", crate::text::safe(&title))?;
        }
        let text = screen::text(screen);
        if self.last.as_ref() != Some(&text) {
            let (width, height) = (screen.area.width, screen.area.height);
            writeln!(self.out, "── {:.3} s · {width}×{height} ──", at.as_secs_f64())?;
            self.out.write_all(text.as_bytes())?;
            self.last = Some(text);
        }
        Ok(())
    }

    fn finish(&mut self, at: Duration) -> Result<(), RecordError> {
        writeln!(self.out, "── {:.3} s · end ──", at.as_secs_f64())?;
        self.out.flush()?;
        Ok(())
    }
}
