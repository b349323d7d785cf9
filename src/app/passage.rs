//! The text on screen as lines: wrapped once whenever frame or width change, not at every draw.

use std::sync::Arc;

use super::edits::Edits;
use super::run::Run;
use crate::engine::RunId;
use crate::text::{Glyphs, Vocab, Wrapped, pieces_with, wrap};
use crate::trace;

/// Which text is to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The run; its playhead says which frame.
    pub run: &'a Run,
    /// What it would end with now, instead of the frame.
    pub ghost: bool,
    /// Edits that are not yet a branch.
    pub edits: &'a Edits,
    /// The run that differences are marked against.
    pub against: Option<&'a Run>,
}

/// All that decides the lines: while it stays the same, so do they.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    run: RunId,
    step: u32,
    width: u16,
    vocab: bool,
    ghost: bool,
    edits: Edits,
    against: Option<(RunId, u32)>,
}

/// The wrapped text and which part of it is in sight.
#[derive(Debug, Default)]
pub struct Passage {
    key: Option<Key>,
    frame: Option<trace::State>,
    ids: Arc<[u32]>,
    other: Option<Arc<[u32]>>,
    wrapped: Wrapped,
    scroll: usize,
    rows: usize,
}

impl Passage {
    /// Wraps the frame `step` of run `run` anew, unless that is what is here already.
    pub fn set(&mut self, shown: Shown<'_>, vocab: Option<&Vocab>, glyphs: Glyphs, (width, rows): (u16, u16)) {
        self.rows = usize::from(rows);
        let run = shown.run;
        let step = run.playhead;
        let ghost = shown.ghost.then(|| run.ghost()).flatten();
        let against = shown.against.map(|other| (other, other.step_at(run.timeline.t(step))));
        let key = Key {
            run: run.id,
            step,
            width,
            vocab: vocab.is_some(),
            ghost: ghost.is_some(),
            edits: shown.edits.clone(),
            against: against.map(|(other, step)| (other.id, step)),
        };
        if self.key.as_ref() != Some(&key) {
            let frame = run.timeline.state(step);
            let edited = || shown.edits.apply(&frame.ids).into();
            self.ids =
                ghost.unwrap_or_else(|| if shown.edits.replaced.is_empty() { frame.ids.clone() } else { edited() });
            self.other = against.map(|(other, step)| other.timeline.ids(step));
            self.wrapped = match vocab {
                Some(vocab) => wrap(&pieces_with(vocab, &self.ids, glyphs), width),
                None => Wrapped::default(),
            };
            self.frame = Some(frame);
            self.key = Some(key);
        }
        self.scroll_by(0);
    }

    /// Forgets what is here.
    pub fn clear(&mut self) {
        self.key = None;
        self.frame = None;
        self.ids = Arc::default();
        self.other = None;
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

    /// The ids shown: the frame's, unless they were edited or are a ghost's.
    pub fn ids(&self) -> &Arc<[u32]> {
        &self.ids
    }

    /// Whether what is shown at a position is not what the frame, or the run compared with, has there.
    pub fn differs(&self, position: u32) -> bool {
        let at = position as usize;
        let of = |ids: &[u32]| ids.get(at).copied();
        let shown = of(&self.ids);
        let frame = self.frame.as_ref().is_some_and(|f| of(&f.ids) != shown);
        frame || self.other.as_ref().is_some_and(|other| of(other) != shown)
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
        if self.rows == 0 {
            return;
        }
        if let Some((line, _)) = self.wrapped.locate(position) {
            self.scroll = self.scroll.clamp((line + 1).saturating_sub(self.rows), line);
        }
    }
}
