//! The token cursor, and scrolling.

use super::super::Action;
use super::super::msg::Level;
use super::super::state::State;
use super::notify;
use crate::text::Kind;

pub(super) fn act(state: &mut State, action: Action) {
    match action {
        Action::CursorLeft => by_token(state, -1),
        Action::CursorRight => by_token(state, 1),
        Action::CursorUp => by_line(state, -1),
        Action::CursorDown => by_line(state, 1),
        Action::PageUp => state.passage.page(-1),
        Action::PageDown => state.passage.page(1),
        Action::WordBefore => jump(state, -1, &words(state), "no word"),
        Action::WordAfter => jump(state, 1, &words(state), "no word"),
        Action::ChangedBefore => jump(state, -1, &changed(state), "nothing changed"),
        Action::ChangedAfter => jump(state, 1, &changed(state), "nothing changed"),
        Action::LateBefore => jump(state, -1, &late(state), "nothing changed late"),
        Action::LateAfter => jump(state, 1, &late(state), "nothing changed late"),
        _ => {}
    }
}

/// Puts the cursor on a position, in sight.
pub(super) fn put(state: &mut State, position: u32) {
    let tokens = state.run().map_or(0, |r| r.config.tokens) as u32;
    if tokens > 0 {
        let position = position.min(tokens - 1);
        state.cursor = Some(position);
        state.passage.reveal(position);
    }
}

/// Where the cursor begins: at the first token in sight.
fn start(state: &State) -> u32 {
    let lines = &state.passage.wrapped().lines;
    let line = lines.get(state.passage.scroll());
    line.and_then(|l| l.glyphs.first()).map_or(0, |g| g.pos)
}

fn by_token(state: &mut State, by: i32) {
    let to = match state.cursor {
        Some(at) => at.saturating_add_signed(by),
        None => start(state),
    };
    put(state, to);
}

fn by_line(state: &mut State, by: isize) {
    let Some(at) = state.cursor else {
        let first = start(state);
        return put(state, first);
    };
    let wrapped = state.passage.wrapped();
    let Some((mut line, column)) = wrapped.locate(at) else { return };
    // Lines without any token in them are skipped.
    loop {
        let Some(next) = line.checked_add_signed(by).filter(|&l| l < wrapped.lines.len()) else {
            return;
        };
        line = next;
        if let Some(position) = wrapped.nearest(line, column) {
            return put(state, position);
        }
    }
}

/// The cursor to the next of some positions, around the end.
pub(super) fn jump(state: &mut State, by: isize, positions: &[u32], none: &str) {
    // Without a cursor the first in sight, whichever way.
    let at = state.cursor;
    let found = match at {
        None => positions.iter().find(|p| **p >= start(state)).or(positions.first()),
        Some(at) if by > 0 => positions.iter().find(|p| **p > at).or(positions.first()),
        Some(at) => positions.iter().rev().find(|p| **p < at).or(positions.last()),
    };
    match found {
        Some(&position) => put(state, position),
        None => notify(state, Level::Info, format!("{none} in this frame")),
    }
}

/// Positions that begin a word: after a space, or at the start of a line.
fn words(state: &State) -> Vec<u32> {
    let mut words = Vec::new();
    let mut fresh = true;
    for glyph in state.passage.wrapped().lines.iter().flat_map(|l| &l.glyphs) {
        let blank = glyph.text.trim().is_empty();
        let begins = (fresh || glyph.text.starts_with(' ')) && !blank;
        if begins && words.last() != Some(&glyph.pos) {
            words.push(glyph.pos);
        }
        fresh = glyph.text.ends_with(' ') || matches!(glyph.kind, Kind::Newline | Kind::Eos);
    }
    words
}

fn changed(state: &State) -> Vec<u32> {
    state.run().map(|run| run.timeline.changed(run.playhead).to_vec()).unwrap_or_default()
}

/// Positions whose last change was in the last quarter of the budget.
fn late(state: &State) -> Vec<u32> {
    let (Some(run), Some(frame)) = (state.run(), state.passage.frame()) else {
        return Vec::new();
    };
    let from = run.steps() - run.steps() / 4;
    (0..).zip(frame.last_change.iter()).filter(|(_, step)| **step > 0 && **step >= from).map(|(p, _)| p).collect()
}
