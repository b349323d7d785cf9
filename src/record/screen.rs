//! Reading a drawn buffer: which symbol stands where, and what a terminal would paint for it.

use std::borrow::Cow;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::look::{Look, Rgb};

/// A cell that starts a symbol; the cells that a wide symbol covers are not listed.
#[derive(Clone, Copy, Debug)]
pub struct Spot<'a> {
    /// Column, from the buffer's left edge.
    pub x: u16,
    /// Columns covered: 1 or 2.
    pub width: u16,
    /// The cell itself.
    pub cell: &'a Cell,
}

/// The symbols of row `y` (counted from the buffer's top), left to right.
pub fn row(buffer: &Buffer, y: u16) -> impl Iterator<Item = Spot<'_>> {
    let columns = buffer.area.width;
    let start = usize::from(y) * usize::from(columns);
    let cells = buffer.content.get(start..start + usize::from(columns)).unwrap_or(&[]);
    let mut next = 0;
    cells.iter().zip(0..columns).filter_map(move |(cell, x)| {
        if x < next {
            return None;
        }
        // A wide symbol in the last column cannot be shown whole: it is cut to the column it has.
        let width = (cell.symbol().width() as u16).clamp(1, 2).min(columns - x);
        next = x + width;
        Some(Spot { x, width, cell })
    })
}

/// The text of row `y` without trailing spaces.
pub fn row_text(buffer: &Buffer, y: u16) -> String {
    let mut line = String::new();
    for spot in row(buffer, y) {
        line.push_str(&symbol(spot.cell));
    }
    line.truncate(line.trim_end_matches(' ').len());
    line
}

/// The text of the whole screen, a line a row, without trailing spaces.
pub fn text(buffer: &Buffer) -> String {
    let mut all = String::new();
    for y in 0..buffer.area.height {
        all.push_str(&row_text(buffer, y));
        all.push('\n');
    }
    all
}

/// The symbol of a cell, harmless for whatever reads the recording.
///
/// Views only draw text that is safe already; but a cell holds whatever it was given, and a recording goes to other
/// people's terminals and browsers.
pub fn symbol(cell: &Cell) -> Cow<'_, str> {
    let symbol = cell.symbol();
    if symbol.is_empty() {
        return Cow::Borrowed(" ");
    }
    if symbol.chars().any(is_harmful) {
        return Cow::Owned(symbol.chars().map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).take(1).collect());
    }
    Cow::Borrowed(symbol)
}

/// Characters that steer a terminal or reorder text instead of showing.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What is painted in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    /// Colour of the symbol.
    pub fg: Rgb,
    /// Colour behind it.
    pub bg: Rgb,
    /// Heavier strokes.
    pub bold: bool,
    /// Slanted strokes.
    pub italic: bool,
    /// A line under it.
    pub underline: bool,
    /// A line through it.
    pub strike: bool,
}

/// Resolves a cell's colours and modifiers as a terminal would.
pub fn paint(cell: &Cell, look: &Look) -> Paint {
    let has = |modifier| cell.modifier.contains(modifier);
    let mut fg = look.rgb(cell.fg).unwrap_or(look.fg);
    let mut bg = look.rgb(cell.bg).unwrap_or(look.bg);
    if has(Modifier::REVERSED) {
        std::mem::swap(&mut fg, &mut bg);
    }
    if has(Modifier::DIM) {
        fg = fg.over(bg, 153);
    }
    if has(Modifier::HIDDEN) {
        fg = bg;
    }
    Paint {
        fg,
        bg,
        bold: has(Modifier::BOLD),
        italic: has(Modifier::ITALIC),
        underline: has(Modifier::UNDERLINED),
        strike: has(Modifier::CROSSED_OUT),
    }
}
