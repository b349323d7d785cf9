//! Windows over the screen: help, made from the keymap, and messages.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr;

use super::canvas::Canvas;
use super::frame;
use crate::app::state::Popup;
use crate::app::{State, Target};
use crate::config::Mode;
use crate::config::keys::Section;
use crate::config::theme::Role;
use crate::text::safe;

/// One line of a window, or of one of its columns.
enum Row {
    /// A heading.
    Heading(String),
    /// Keys, and what they do.
    Key(String, String),
    /// Text across the column.
    Text(String),
}

/// Columns of the keys in help.
const KEYS: u16 = 13;
/// From this width on help has two columns.
const TWO_COLUMNS: u16 = 104;

/// How far the window can be scrolled.
pub fn last_scroll(state: &State) -> usize {
    let Some(popup @ (Popup::Help | Popup::Message { .. })) = &state.popup else { return 0 };
    let inner = inner(window(state, popup));
    lines(state, popup, inner.width).len().saturating_sub(usize::from(inner.height))
}

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let Some(popup @ (Popup::Help | Popup::Message { .. })) = &state.popup else { return };
    let window = window(state, popup).intersection(canvas.area());
    canvas.fill(window, canvas.theme().raised());
    frame::around(canvas, window);
    let title = match popup {
        Popup::Message { title, .. } => safe(title).into_owned(),
        _ => "help".to_owned(),
    };
    frame::title(canvas, window, window.y, &title);
    canvas.hits.add(window, Target::Popup);
    let inner = inner(window);
    let lines = lines(state, popup, inner.width);
    let last = lines.len().saturating_sub(usize::from(inner.height));
    let scroll = state.popup_scroll.min(last);
    for (line, y) in lines.iter().skip(scroll).zip(inner.top()..inner.bottom()) {
        for (x, row) in line {
            let column = Rect { x: inner.x + x, width: inner.width.saturating_sub(*x), y, height: 1 };
            draw_row(row, column, canvas);
        }
    }
    if last > 0 {
        let end = window.right().saturating_sub(2);
        let style = canvas.theme().role(Role::Muted);
        let glyphs = canvas.glyphs();
        let above = if scroll > 0 { glyphs.more[0] } else { " " };
        let below = if scroll < last { glyphs.more[1] } else { " " };
        let bottom = window.bottom().saturating_sub(1);
        canvas.right(window.x + 1, end, bottom, &format!(" {above}{below} "), style);
    }
}

fn draw_row(row: &Row, area: Rect, canvas: &mut Canvas<'_>) {
    let theme = canvas.theme();
    match row {
        Row::Heading(text) => {
            let style = theme.role(Role::Text).add_modifier(Modifier::BOLD);
            canvas.text(area.x, area.y, area.width, text, style);
        }
        Row::Key(keys, text) => {
            canvas.text(area.x, area.y, area.width.min(KEYS), keys, theme.role(Role::Accent));
            canvas.text(area.x + KEYS, area.y, area.width.saturating_sub(KEYS), text, Style::new());
        }
        Row::Text(text) => drop(canvas.text(area.x, area.y, area.width, text, Style::new())),
    }
}

fn window(state: &State, popup: &Popup) -> Rect {
    let screen = state.layout.screen;
    let (width, rows) = match popup {
        Popup::Message { text, .. } => (64, wrap(text, 60.min(usize::from(screen.width.saturating_sub(4)))).len()),
        _ if screen.width >= TWO_COLUMNS + 6 => (136, usize::MAX),
        _ => (76, usize::MAX),
    };
    let width = width.min(screen.width);
    // Help is as high as it needs to be, and no higher than the screen.
    let rows = if rows == usize::MAX { lines(state, popup, width.saturating_sub(4)).len() } else { rows };
    let height = (rows.min(500) as u16 + 2).min(screen.height.saturating_sub(2));
    Rect { x: (screen.width - width) / 2, y: (screen.height - height) / 2, width, height }
}

fn inner(window: Rect) -> Rect {
    Rect {
        x: window.x + 2,
        y: window.y + 1,
        width: window.width.saturating_sub(4),
        height: window.height.saturating_sub(2),
    }
}

/// The lines of a window; a line is one row, or one a column.
type Line = Vec<(u16, Row)>;

fn lines(state: &State, popup: &Popup, width: u16) -> Vec<Line> {
    match popup {
        Popup::Message { text, .. } => across(plain(text, width)).collect(),
        _ => help(state, width),
    }
}

fn across(rows: impl IntoIterator<Item = Row>) -> impl Iterator<Item = Line> {
    rows.into_iter().map(|row| vec![(0, row)])
}

fn plain(text: &str, width: u16) -> Vec<Row> {
    wrap(text, usize::from(width)).into_iter().map(Row::Text).collect()
}

const ABOUT: &str = "A few-step diffusion language model writes the whole text at once: every step may change every \
token. A token's colour is the step of its last change, early to late; what changed in the step on screen is set off. \
Other overlays colour by other numbers; the legend says which.";

const MARKS: &str = "On the timeline ▾ marks the step after which perplexity fell most, ▲ one after which it rose, ↻ the last step \
of a uniform source: it draws every position afresh. In the map a bar is the share of a place that a step \
changed; where a row is many steps, it is scaled to the place with the most changes.";

const MOUSE: &str = "Mouse: click a token, a step of the timeline, a place of the map, a hint of the bottom line or a row \
of the list of runs, or outside a window to close it; drag along the timeline, or a time in its editor; the wheel scrolls the text and, over timeline and map, moves in time.";

fn help(state: &State, width: u16) -> Vec<Line> {
    let columns = if width >= TWO_COLUMNS { 2 } else { 1 };
    let gap = 3;
    let column = (width - gap * (columns - 1)) / columns;
    let mut sides: [Vec<Row>; 2] = [Vec::new(), Vec::new()];
    for section in state.looks.keymap.sections() {
        // The shorter column takes the next section.
        let side = usize::from(columns == 2 && sides[1].len() < sides[0].len());
        sides[side].extend(section_rows(section, column));
        sides[side].push(Row::Text(String::new()));
    }
    let [left, right] = sides;
    let mut out: Vec<Line> = across(plain(ABOUT, width)).collect();
    out.push(Vec::new());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    loop {
        let pair = [(0, left.next()), (column + gap, right.next())];
        let line: Line = pair.into_iter().filter_map(|(x, row)| Some((x, row?))).collect();
        if line.is_empty() {
            break;
        }
        out.push(line);
    }
    out.extend(across(plain(MARKS, width)));
    out.push(Vec::new());
    out.extend(across(plain(MOUSE, width)));
    out
}

fn section_rows(section: &Section, width: u16) -> Vec<Row> {
    let name = &section.name;
    let mut rows = vec![Row::Heading(match section.mode {
        Mode::Main => name.clone(),
        _ => format!("{name} (while open)"),
    })];
    for bind in section.binds.iter().filter(|b| !b.text.is_empty()) {
        let mut keys = if bind.chords.is_empty() { "–".to_owned() } else { bind.keys() };
        for line in wrap(&bind.text, usize::from(width.saturating_sub(KEYS).max(8))) {
            rows.push(Row::Key(std::mem::take(&mut keys), line));
        }
    }
    if !section.note.is_empty() {
        rows.extend(plain(&section.note, width));
    }
    rows
}

/// Own sentences and errors, broken at spaces; what is longer than a line is cut into pieces.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = safe(text);
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest = word;
        while !rest.is_empty() {
            let space = usize::from(used > 0);
            if used + space + rest.width() <= width {
                if let Some(line) = lines.last_mut() {
                    line.push_str(&" "[..space]);
                    line.push_str(rest);
                }
                used += space + rest.width();
                break;
            }
            if used > 0 {
                lines.push(String::new());
                used = 0;
                continue;
            }
            let cut = rest.char_indices().map(|(i, c)| i + c.len_utf8()).take(width).last().unwrap_or(rest.len());
            lines.pop();
            lines.push(rest[..cut].to_owned());
            lines.push(String::new());
            rest = &rest[cut..];
        }
    }
    if lines.len() > 1 && lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn sentences_break_at_spaces_and_long_words_are_cut() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("", 4), [""]);
        assert!(wrap("a\u{1b}[31mb", 40)[0].chars().all(|c| !c.is_control()));
    }
}
