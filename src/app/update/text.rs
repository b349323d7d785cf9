//! The token cursor, scrolling, and what the colours mean.

use super::super::Action;
use super::super::state::{Overlay, State};

pub(super) fn act(state: &mut State, action: Action) {
    match action {
        Action::CursorLeft => by_token(state, -1),
        Action::CursorRight => by_token(state, 1),
        Action::CursorUp => by_line(state, -1),
        Action::CursorDown => by_line(state, 1),
        Action::PageUp => state.passage.page(-1),
        Action::PageDown => state.passage.page(1),
        Action::Overlay => {
            let all = Overlay::ALL;
            let at = all.iter().position(|o| *o == state.overlay).unwrap_or(0);
            state.overlay = all[(at + 1) % all.len()];
        }
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
