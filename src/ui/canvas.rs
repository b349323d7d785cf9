//! Drawing that cannot leave the buffer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::HitMap;
use crate::app::state::Looks;
use crate::config::{Glyphs, Theme};

/// A buffer with clipping, and the looks everything on it is drawn in.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    looks: &'a Looks,
    pub(super) hits: HitMap,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, looks: &'a Looks) -> Self {
        Self { buffer, looks, hits: HitMap::default() }
    }

    pub(super) fn area(&self) -> Rect {
        self.buffer.area
    }

    pub(super) fn buffer(&mut self) -> &mut Buffer {
        self.buffer
    }

    pub(super) fn theme(&self) -> &'a Theme {
        &self.looks.theme
    }

    pub(super) fn glyphs(&self) -> &'a Glyphs {
        &self.looks.glyphs
    }

    /// Empties an area and gives it a style.
    pub(super) fn fill(&mut self, area: Rect, style: Style) {
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                let cell = &mut self.buffer[(x, y)];
                cell.reset();
                cell.set_style(style);
            }
        }
    }

    /// Writes a text of at most `width` columns; the column after it comes back.
    pub(super) fn text(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
            return x.saturating_add((text.width() as u16).min(width));
        }
        let room = usize::from(width.min(area.right() - x));
        if self.glyphs().is_ascii() && !text.is_ascii() {
            let text: String = text.chars().map(ascii).collect();
            return self.buffer.set_stringn(x, y, text, room, style).0;
        }
        self.buffer.set_stringn(x, y, text, room, style).0
    }

    /// Writes pieces one after the other; the column after them comes back.
    pub(super) fn spans(&mut self, x: u16, y: u16, width: u16, spans: &[(&str, Style)]) -> u16 {
        let end = x.saturating_add(width);
        spans.iter().fold(x, |x, (text, style)| self.text(x, y, end.saturating_sub(x), text, *style))
    }

    /// Writes a text that ends before column `end`, if there is room for it from `start` on.
    pub(super) fn right(&mut self, start: u16, end: u16, y: u16, text: &str, style: Style) {
        let width = text.width() as u16;
        if let Some(x) = end.checked_sub(width).filter(|&x| x >= start) {
            self.text(x, y, width, text, style);
        }
    }

    /// Changes the style of an area, leaving its text.
    pub(super) fn restyle(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area.intersection(self.buffer.area), style);
    }
}

/// Stand-ins of the same width for what the program itself writes; foreign text is ASCII already by then.
fn ascii(c: char) -> char {
    match c {
        '→' => '>',
        '←' => '<',
        '↑' | '▲' => '^',
        '↓' | '▾' => 'v',
        '·' => '|',
        '…' => '~',
        '×' => 'x',
        '–' => '-',
        '“' | '”' => '"',
        '●' => '*',
        '↻' => '@',
        c if c.is_ascii() => c,
        _ => '?',
    }
}

/// The width of spans.
pub(super) fn width(spans: &[(&str, Style)]) -> u16 {
    spans.iter().map(|(text, _)| text.width() as u16).sum()
}
