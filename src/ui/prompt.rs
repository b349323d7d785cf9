//! The prompt editor, over the lower part of the passage.

use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::widgets::Widget;

use super::canvas::Canvas;
use super::frame;
use crate::app::State;
use crate::config::theme::Role;
use crate::text::safe;

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let Some(area) = state.prompt.area() else { return };
    let within = state.layout.main.unwrap_or(state.layout.passage).intersection(canvas.area());
    let lines = area.lines().len() as u16;
    let height = (lines + 2).clamp(4, 12).min(within.height);
    let window = Rect { y: within.bottom() - height, height, ..within };
    canvas.fill(window, canvas.theme().raised());
    frame::around(canvas, window);
    frame::title(canvas, window, window.y, "prompt");
    if let Some(error) = &state.prompt.error {
        let style = canvas.theme().role(Role::Error);
        let y = window.bottom().saturating_sub(1);
        let room = window.width.saturating_sub(4);
        canvas.text(window.x + 2, y, room, &format!(" {} ", safe(error)), style);
    }
    let inner = Rect {
        x: window.x + 2,
        y: window.y + 1,
        width: window.width.saturating_sub(4),
        height: window.height.saturating_sub(2),
    };
    if inner.is_empty() {
        return;
    }
    let mut area = area.clone();
    area.set_style(canvas.theme().raised());
    area.set_cursor_line_style(canvas.theme().raised());
    area.set_cursor_style(canvas.theme().selected().add_modifier(Modifier::BOLD));
    area.set_placeholder_text("what the text begins with; empty: nothing given");
    area.set_placeholder_style(canvas.theme().role(Role::Muted));
    (&area).render(inner, canvas.buffer());
    clean(canvas, inner);
}

/// The editor writes what was typed or pasted as it is; whatever is not harmless is replaced before it is shown.
fn clean(canvas: &mut Canvas<'_>, area: Rect) {
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            let cell = &mut canvas.buffer()[(x, y)];
            let symbol = safe(cell.symbol());
            if symbol != cell.symbol() {
                cell.set_symbol("?");
            }
        }
    }
}
