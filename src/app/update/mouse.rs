//! Clicks, drags and the wheel. What they hit comes with them, from what was drawn.

use super::super::msg::{Effect, MouseKind, Target};
use super::super::state::{Popup, State};
use super::{act, list, popup, text, time};
use crate::config::Mode;

/// Lines the wheel scrolls.
const WHEEL: isize = 3;

pub(super) fn update(state: &mut State, kind: MouseKind, target: Option<Target>, effects: &mut Vec<Effect>) {
    match kind {
        MouseKind::Down => {
            (state.held, state.dragging) = (target, false);
            press(state, target, effects);
        }
        // A drag goes on with what it began on: leaving the timeline does not put the cursor on a token.
        MouseKind::Drag => match (state.held, target) {
            (Some(Target::Step(_)), Some(Target::Step(_)))
            | (Some(Target::Cell { .. }), Some(Target::Cell { .. }))
            | (Some(Target::Time(_)), Some(Target::Time(_)))
            | (Some(Target::Token(_)), Some(Target::Token(_))) => {
                state.dragging = true;
                press(state, target, effects);
            }
            _ => {}
        },
        MouseKind::Up => state.held = None,
        MouseKind::WheelUp => wheel(state, target, -1),
        MouseKind::WheelDown => wheel(state, target, 1),
    }
}

fn press(state: &mut State, target: Option<Target>, effects: &mut Vec<Effect>) {
    if state.mode() == Mode::Popup {
        if target != Some(Target::Popup) {
            state.popup = None;
        }
        return;
    }
    if state.mode() == Mode::List {
        return in_list(state, target, effects);
    }
    match target {
        Some(Target::Key(action)) => act(state, action, effects),
        _ if state.mode() == Mode::Prompt => {}
        Some(Target::Token(position)) => text::put(state, position),
        Some(Target::Step(step)) => time::go(state, step),
        Some(Target::Cell { position, step }) => {
            time::go(state, step);
            text::put(state, position);
        }
        Some(Target::Passage | Target::Popup | Target::Row(_) | Target::Time(_)) | None => {}
    }
}

/// A click in a list or an editor; outside it closes.
fn in_list(state: &mut State, target: Option<Target>, effects: &mut Vec<Effect>) {
    match (target, &mut state.popup) {
        (Some(Target::Row(row)), Some(Popup::Runs)) => list::go_to_run(state, row),
        (Some(Target::Row(row)), _) => state.row = row,
        (Some(Target::Time(thousandths)), Some(Popup::Grid(editor))) => {
            let t = f64::from(thousandths) / 1000.0;
            // The press takes hold of the nearest time, the drag moves it.
            if state.dragging {
                editor.put(t);
            } else {
                editor.choose_near(t);
            }
        }
        (Some(Target::Key(action)), _) => act(state, action, effects),
        (Some(_), _) => {}
        (None, _) => state.popup = None,
    }
}

fn wheel(state: &mut State, target: Option<Target>, by: isize) {
    match (state.mode(), target) {
        (Mode::Popup, _) => popup::scroll(state, by * WHEEL),
        (Mode::Main, Some(Target::Token(_) | Target::Passage)) => state.passage.scroll_by(by * WHEEL),
        (Mode::Main, Some(Target::Step(_) | Target::Cell { .. })) => {
            if let Some(at) = state.run().map(|r| r.playhead) {
                time::go(state, at.saturating_add_signed(by as i32));
            }
        }
        _ => {}
    }
}
