//! The quiet lines around the panels, shared between neighbours.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::Canvas;
use super::legend;
use crate::app::State;
use crate::app::state::Side;
use crate::config::theme::Role;
use crate::text::safe;

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let layout = &state.layout;
    if let Some(area) = layout.main {
        around(canvas, area);
        title(canvas, area, area.y, &passage_title(state));
        if let Some(map) = layout.map {
            rule(canvas, area, map.y - 1);
            title(canvas, area, map.y - 1, "convergence map");
            let end = area.right().saturating_sub(2);
            let style = canvas.theme().role(Role::Muted);
            canvas.right(area.x + 20, end, map.y - 1, " positions → · steps ↓ ", style);
        }
        if let Some(lower) = layout.lower.filter(|_| layout.side.is_none() && layout.passage.height > 0) {
            rule(canvas, area, lower.y - 1);
            title(canvas, area, lower.y - 1, &lower_title(state));
        }
        // Where the step line has no room for the legend, it stands beside the title.
        if !legend::fits_timeline(state) {
            legend::draw_right(state, canvas, area);
        }
    }
    if let Some(area) = layout.side {
        around(canvas, area);
        title(canvas, area, area.y, "quality");
        if let Some(lower) = layout.lower {
            rule(canvas, area, lower.y - 1);
            title(canvas, area, lower.y - 1, &lower_title(state));
        }
    }
}

fn passage_title(state: &State) -> String {
    let (above, below) = state.passage.more();
    let glyphs = &state.looks.glyphs;
    let more = match (above, below) {
        (false, false) => String::new(),
        (true, false) => format!(" {}", glyphs.more[0]),
        (false, true) => format!(" {}", glyphs.more[1]),
        (true, true) => format!(" {}{}", glyphs.more[0], glyphs.more[1]),
    };
    if !state.edits.is_empty() {
        return format!("passage{more} {} {}", glyphs.dot, state.edits.summary());
    }
    if state.ghost && state.run().is_some_and(|run| run.ghost().is_some()) {
        return format!("passage{more} {} if the sampler stopped here", glyphs.dot);
    }
    let prompt = state.run().map(|r| r.prompt.as_ref()).unwrap_or_default();
    if prompt.is_empty() {
        return format!("passage{more}");
    }
    let shown: String = prompt.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = shown.chars().take(32).collect();
    let cut = if short.len() < shown.len() { glyphs.ellipsis } else { "" };
    format!("passage{more} {} after “{}{cut}”", glyphs.dot, safe(&short))
}

fn lower_title(state: &State) -> String {
    match (state.side, state.cursor) {
        (Side::Token, Some(at)) => format!("token {at}"),
        (Side::Token, None) => "token".to_owned(),
        (Side::Jumps, _) => "jumps".to_owned(),
        (Side::Charts, _) => "charts".to_owned(),
        (Side::Off, _) => String::new(),
    }
}

fn line_style(canvas: &Canvas<'_>) -> Style {
    canvas.theme().role(Role::Faint)
}

/// A frame of one cell.
pub(super) fn around(canvas: &mut Canvas<'_>, area: Rect) {
    if area.width < 2 || area.height < 2 {
        return;
    }
    let (glyphs, style) = (canvas.glyphs(), line_style(canvas));
    let (right, bottom) = (area.right() - 1, area.bottom() - 1);
    for x in area.x + 1..right {
        canvas.text(x, area.y, 1, glyphs.line[0], style);
        canvas.text(x, bottom, 1, glyphs.line[0], style);
    }
    for y in area.y + 1..bottom {
        canvas.text(area.x, y, 1, glyphs.line[1], style);
        canvas.text(right, y, 1, glyphs.line[1], style);
    }
    let corners = [(area.x, area.y), (right, area.y), (area.x, bottom), (right, bottom)];
    for ((x, y), glyph) in corners.into_iter().zip(glyphs.corner) {
        canvas.text(x, y, 1, glyph, style);
    }
}

/// A line across a frame.
fn rule(canvas: &mut Canvas<'_>, area: Rect, y: u16) {
    let (glyphs, style) = (canvas.glyphs(), line_style(canvas));
    for x in area.x + 1..area.right().saturating_sub(1) {
        canvas.text(x, y, 1, glyphs.line[0], style);
    }
    canvas.text(area.x, y, 1, glyphs.tee[0], style);
    canvas.text(area.right().saturating_sub(1), y, 1, glyphs.tee[1], style);
}

/// A title on a line of a frame.
pub(super) fn title(canvas: &mut Canvas<'_>, area: Rect, y: u16, text: &str) {
    if text.is_empty() {
        return;
    }
    let style = canvas.theme().role(Role::Muted);
    let room = area.width.saturating_sub(4);
    canvas.text(area.x + 1, y, room, &format!(" {text} "), style);
}
