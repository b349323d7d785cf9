//! The text, each token coloured by what the overlay says.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use crate::app::{Overlay, Run, State, Target};
use crate::config::theme::{Role, Token};
use crate::text::{Kind, safe};

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let area = state.layout.passage;
    canvas.hits.add(area, Target::Passage);
    let Some(run) = state.run() else { return waiting(state, canvas) };
    if state.vocab.is_none() {
        let style = canvas.theme().role(Role::Muted);
        canvas.text(area.x, area.y, area.width, "reading the vocabulary", style);
        return;
    }
    let lines = state.passage.wrapped().lines.iter().skip(state.passage.scroll());
    for (line, y) in lines.zip(area.top()..area.bottom()) {
        for glyph in &line.glyphs {
            let token = token(state, run, glyph.pos, glyph.count, glyph.kind);
            let x = area.x + glyph.col;
            canvas.text(x, y, area.right().saturating_sub(x), &glyph.text, canvas.theme().token(token));
            canvas.hits.add(Rect::new(x, y, glyph.width, 1), Target::Token(glyph.pos));
        }
    }
}

/// Where runs will come from, as long as there is none.
fn waiting(state: &State, canvas: &mut Canvas<'_>) {
    let area = state.layout.passage;
    if let Some(from) = &state.waiting {
        let style = canvas.theme().role(Role::Muted);
        canvas.text(area.x, area.y, area.width, &format!("waiting for {}", safe(from)), style);
    }
}

/// What decides the looks of a token that covers `count` positions.
fn token(state: &State, run: &Run, first: u32, count: u32, kind: Kind) -> Token {
    let mut positions = first..first + count;
    let changed = run.timeline.changed(run.playhead);
    let now = run.playhead > 0 && positions.clone().any(|p| changed.binary_search(&p).is_ok());
    let level = state.passage.frame().and_then(|frame| {
        // Bytes that make a character together show the latest, or the most.
        positions.clone().filter_map(|p| state.overlay.level(run, frame, p, now)).max()
    });
    let frozen = run.config.frozen.binary_search_by_key(&first, |(p, _)| *p).is_ok();
    Token {
        level,
        // The chip of what changed just now belongs to the colours of changes.
        now: now && matches!(state.overlay, Overlay::LastChange | Overlay::ChangedNow) && !state.ghost,
        odd: first % 2 == 1,
        frozen: frozen || state.edits.pinned.contains(&first),
        cursor: state.cursor.is_some_and(|c| positions.contains(&c)),
        placeholder: kind != Kind::Text,
        differs: positions.any(|p| state.passage.differs(p)),
    }
}
