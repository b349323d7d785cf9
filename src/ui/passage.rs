//! The text, each token coloured by what the overlay says.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use crate::app::state::Overlay;
use crate::app::{Run, State, Target};
use crate::config::theme::{LEVELS, Role, Token, level};
use crate::text::Kind;

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let area = state.layout.passage;
    canvas.hits.add(area, Target::Passage);
    let Some(run) = state.run() else { return };
    if state.vocab.is_none() {
        let style = canvas.theme().role(Role::Muted);
        canvas.text(area.x, area.y, area.width, "reading the vocabulary", style);
        return;
    }
    let looks = Colours::new(state, run);
    let lines = state.passage.wrapped().lines.iter().skip(state.passage.scroll());
    for (line, y) in lines.zip(area.top()..area.bottom()) {
        for glyph in &line.glyphs {
            let token = looks.token(state, glyph.pos, glyph.count, glyph.kind);
            let x = area.x + glyph.col;
            canvas.text(x, y, area.right().saturating_sub(x), &glyph.text, canvas.theme().token(token));
            canvas.hits.add(Rect::new(x, y, glyph.width, 1), Target::Token(glyph.pos));
        }
    }
}

/// What decides the colours of the frame on screen.
struct Colours<'a> {
    run: &'a Run,
    by_position: &'a [u32],
    overlay: Overlay,
}

impl<'a> Colours<'a> {
    fn new(state: &'a State, run: &'a Run) -> Self {
        let by_position = match (state.passage.frame(), state.overlay) {
            (None, _) => &[],
            (Some(frame), Overlay::Revisions) => &frame.revisions[..],
            (Some(frame), Overlay::LastChange | Overlay::ChangedNow) => &frame.last_change[..],
        };
        Self { run, by_position, overlay: state.overlay }
    }

    fn token(&self, state: &State, first: u32, count: u32, kind: Kind) -> Token {
        let positions = first..first + count;
        let changed = self.run.timeline.changed(self.run.playhead);
        let now = self.run.playhead > 0 && positions.clone().any(|p| changed.binary_search(&p).is_ok());
        let value = positions.clone().filter_map(|p| self.by_position.get(p as usize).copied()).max().unwrap_or(0);
        let steps = self.run.steps();
        let level = match self.overlay {
            Overlay::LastChange => (value > 0).then(|| level(value, steps)),
            Overlay::Revisions => (value > 0).then(|| (value - 1).min(LEVELS as u32 - 1) as u8),
            Overlay::ChangedNow => now.then(|| level(value, steps)),
        };
        let frozen = &self.run.config.frozen;
        Token {
            level,
            now,
            odd: first % 2 == 1,
            frozen: frozen.binary_search_by_key(&first, |(p, _)| *p).is_ok(),
            cursor: state.cursor.is_some_and(|c| positions.contains(&c)),
            placeholder: kind != Kind::Text,
            differs: false,
        }
    }
}
