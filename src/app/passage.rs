//! The text on screen as lines: wrapped once whenever frame or width change, not at every draw.

use crate::engine::RunId;
use crate::text::{Glyphs, Vocab, Wrapped, pieces_with, wrap};
use crate::trace::{self, Timeline};

/// The wrapped text and which part of it is in sight.
#[derive(Debug, Default)]
pub struct Passage {
    key: Option<(RunId, u32, u16, bool)>,
    frame: Option<trace::State>,
    wrapped: Wrapped,
    scroll: usize,
    rows: usize,
}

impl Passage {
    /// Wraps the frame `step` of run `run` anew, unless that is what is here already.
    pub fn set(
        &mut self,
        (run, timeline, step): (RunId, &Timeline, u32),
        vocab: Option<&Vocab>,
        glyphs: Glyphs,
        (width, rows): (u16, u16),
    ) {
        self.rows = usize::from(rows);
        let key = Some((run, step, width, vocab.is_some()));
        if self.key != key {
            self.key = key;
            let frame = timeline.state(step);
            self.wrapped = match vocab {
                Some(vocab) => wrap(&pieces_with(vocab, &frame.ids, glyphs), width),
                None => Wrapped::default(),
            };
            self.frame = Some(frame);
        }
        self.scroll_by(0);
    }

    /// Forgets what is here.
    pub fn clear(&mut self) {
        self.key = None;
        self.frame = None;
        self.wrapped = Wrapped::default();
        self.scroll = 0;
    }

    /// The lines.
    pub fn wrapped(&self) -> &Wrapped {
        &self.wrapped
    }

    /// Ids, last changes and revisions of the frame on screen.
    pub fn frame(&self) -> Option<&trace::State> {
        self.frame.as_ref()
    }

    /// The first line in sight.
    pub fn scroll(&self) -> usize {
        self.scroll
    }

    /// Whether there are lines above and below those in sight.
    pub fn more(&self) -> (bool, bool) {
        (self.scroll > 0, self.scroll + self.rows < self.wrapped.lines.len())
    }

    /// Scrolls by so many lines, as far as there are any.
    pub fn scroll_by(&mut self, lines: isize) {
        let last = self.wrapped.lines.len().saturating_sub(self.rows);
        self.scroll = self.scroll.saturating_add_signed(lines).min(last);
    }

    /// Scrolls by so many panels; one line stays for context.
    pub fn page(&mut self, pages: isize) {
        self.scroll_by(pages * (self.rows.max(2) as isize - 1));
    }

    /// Scrolls as little as needed to have position `position` in sight.
    pub fn reveal(&mut self, position: u32) {
        if let Some((line, _)) = self.wrapped.locate(position) {
            self.scroll = self.scroll.clamp((line + 1).saturating_sub(self.rows), line);
        }
    }
}
