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

/// A line: text in a left column, text in a right one.
struct Row {
    key: String,
    text: String,
    heading: bool,
}

/// Columns of the keys in help.
const KEYS: usize = 12;

/// How far the window can be scrolled.
pub fn last_scroll(state: &State) -> usize {
    let Some(popup) = &state.popup else { return 0 };
    let window = window(state, popup);
    rows(state, popup, inner(window).width).len().saturating_sub(usize::from(inner(window).height))
}

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let Some(popup) = &state.popup else { return };
    let window = window(state, popup).intersection(canvas.area());
    canvas.fill(window, canvas.theme().raised());
    frame::around(canvas, window);
    let title = match popup {
        Popup::Help => "help".to_owned(),
        Popup::Message { title, .. } => safe(title).into_owned(),
    };
    frame::title(canvas, window, window.y, &title);
    canvas.hits.add(window, Target::Popup);
    let inner = inner(window);
    let rows = rows(state, popup, inner.width);
    let last = rows.len().saturating_sub(usize::from(inner.height));
    let scroll = state.popup_scroll.min(last);
    for (row, y) in rows.iter().skip(scroll).zip(inner.top()..inner.bottom()) {
        draw_row(row, inner, y, canvas);
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

fn draw_row(row: &Row, area: Rect, y: u16, canvas: &mut Canvas<'_>) {
    let theme = canvas.theme();
    if row.heading {
        let style = theme.role(Role::Text).add_modifier(Modifier::BOLD);
        canvas.text(area.x, y, area.width, &row.text, style);
        return;
    }
    let mut x = area.x;
    if !row.key.is_empty() {
        canvas.text(x, y, area.width, &row.key, theme.role(Role::Accent));
    }
    if row.key != NO_KEYS {
        x += KEYS as u16 + 1;
    }
    canvas.text(x, y, area.right().saturating_sub(x), &row.text, Style::new());
}

/// Marks rows without a column for keys.
const NO_KEYS: &str = "\0";

fn window(state: &State, popup: &Popup) -> Rect {
    let screen = state.layout.screen;
    let (width, lines) = match popup {
        Popup::Help => (72, usize::MAX),
        Popup::Message { text, .. } => (64, wrap(text, 60.min(usize::from(screen.width.saturating_sub(4)))).len()),
    };
    let width = width.min(screen.width);
    let height = (lines.saturating_add(2).min(usize::from(u16::MAX)) as u16).min(screen.height.saturating_sub(2));
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

fn rows(state: &State, popup: &Popup, width: u16) -> Vec<Row> {
    match popup {
        Popup::Help => help(state, usize::from(width)),
        Popup::Message { text, .. } => plain(text, usize::from(width)).collect(),
    }
}

fn plain(text: &str, width: usize) -> impl Iterator<Item = Row> {
    wrap(text, width).into_iter().map(|text| Row { key: NO_KEYS.to_owned(), text, heading: false })
}

fn help(state: &State, width: usize) -> Vec<Row> {
    let blank = || Row { key: String::new(), text: String::new(), heading: false };
    let mut rows: Vec<Row> = plain(ABOUT, width).collect();
    for section in state.looks.keymap.sections() {
        rows.push(blank());
        rows.extend(section_rows(section, width));
    }
    rows.push(blank());
    rows.extend(plain(MOUSE, width));
    rows
}

const ABOUT: &str = "A few-step diffusion language model writes the whole text at once: every step may change every \
token. A token's colour is the step of its last change; what changed in the step on screen is set off.";

const MOUSE: &str = "Mouse: click a token, a step of the timeline, a place of the map or a hint of the bottom line; drag \
along the timeline; the wheel scrolls the text and, over timeline and map, moves in time.";

fn section_rows(section: &Section, width: usize) -> Vec<Row> {
    let mut rows = vec![Row {
        key: String::new(),
        text: match section.mode {
            Mode::Main => section.name.clone(),
            Mode::Popup | Mode::Prompt => format!("{} (while open)", section.name),
        },
        heading: true,
    }];
    for bind in section.binds.iter().filter(|b| !b.text.is_empty()) {
        let mut keys = if bind.chords.is_empty() { "–".to_owned() } else { bind.keys() };
        for line in wrap(&bind.text, width.saturating_sub(KEYS + 1).max(8)) {
            rows.push(Row { key: std::mem::take(&mut keys), text: line, heading: false });
        }
    }
    if !section.note.is_empty() {
        rows.extend(plain(&section.note, width));
    }
    rows
}

/// Own sentences and errors, broken at spaces; what is longer than a line is cut into pieces.
fn wrap(text: &str, width: usize) -> Vec<String> {
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
