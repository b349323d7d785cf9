//! Windows over the screen.

use super::super::Action;
use super::super::state::{Popup, State};

pub(super) fn open_help(state: &mut State) {
    state.popup_scroll = 0;
    state.popup = Some(Popup::Help);
}

pub(super) fn act(state: &mut State, action: Action) {
    let page = usize::from(state.size.1 / 2).max(1);
    match action {
        Action::Close => state.popup = None,
        Action::CursorUp => scroll(state, -1),
        Action::CursorDown => scroll(state, 1),
        Action::PageUp => scroll(state, -(page as isize)),
        Action::PageDown => scroll(state, page as isize),
        Action::First => state.popup_scroll = 0,
        Action::Last => state.popup_scroll = usize::MAX,
        _ => {}
    }
}

/// Scrolls the window. How far it can go depends on how its text wraps, so the view has the last word.
pub(super) fn scroll(state: &mut State, by: isize) {
    let most = crate::ui::popup::last_scroll(state);
    state.popup_scroll = state.popup_scroll.min(most).saturating_add_signed(by).min(most);
}
