//! Searching the text, and the line it is typed in.

use super::super::Action;
use super::super::line::{Line, Purpose};
use super::super::msg::Level;
use super::super::state::State;
use super::{notify, text, whatif};
use crate::text::pieces;

pub(super) fn act(state: &mut State, action: Action) {
    match action {
        Action::Search => state.line = Some(Line::new(Purpose::Search)),
        _ if state.query.is_empty() => notify(state, Level::Info, "search first: /".to_owned()),
        action => {
            let by = if action == Action::SearchAfter { 1 } else { -1 };
            let found = places(state, &state.query);
            let none = format!("no \u{201c}{}\u{201d}", state.query);
            text::jump(state, by, &found, &none);
            place(state, &found);
        }
    }
}

/// What the line was given.
pub(super) fn line(state: &mut State, action: Action) {
    match (action, state.line.take()) {
        (Action::Accept, Some(Line { purpose: Purpose::Search, text, .. })) => {
            state.query = text;
            let found = places(state, &state.query);
            place(state, &found);
            if !state.query.is_empty() && found.is_empty() {
                notify(state, Level::Info, format!("no \u{201c}{}\u{201d} in this frame", state.query));
            }
        }
        (Action::Accept, Some(line)) => whatif::replace(state, line),
        (Action::Close, _) => {}
        (_, line) => state.line = line,
    }
}

/// Says which of the places found the cursor is at.
fn place(state: &mut State, found: &[u32]) {
    if let Some(index) = found.iter().position(|position| Some(*position) == state.cursor) {
        notify(state, Level::Info, format!("place {} of {}", index + 1, found.len()));
    }
}

/// The first place found comes in sight while typing.
pub(super) fn typed(state: &mut State) {
    let Some(Line { purpose: Purpose::Search, text, .. }) = &state.line else { return };
    let found = places(state, &text.clone());
    let from = state.cursor.unwrap_or(0);
    if let Some(&position) = found.iter().find(|p| **p >= from).or(found.first()) {
        text::put(state, position);
    }
}

/// The positions at which the text on screen has a query, letters of either case alike.
fn places(state: &State, query: &str) -> Vec<u32> {
    let (Some(vocab), false) = (&state.vocab, query.is_empty()) else {
        return Vec::new();
    };
    let query = query.to_lowercase();
    let mut text = String::new();
    let mut starts: Vec<(usize, u32)> = Vec::new();
    for piece in pieces(vocab, state.passage.ids()) {
        starts.push((text.len(), piece.first));
        text.push_str(&piece.text.to_lowercase());
    }
    let position = |at: usize| starts[starts.partition_point(|(start, _)| *start <= at) - 1].1;
    let mut found: Vec<u32> = text.match_indices(&query).map(|(at, _)| position(at)).collect();
    found.dedup();
    found
}
