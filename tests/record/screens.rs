//! Screens to record: hand-made ones and arbitrary ones.

use fewstep::config::{Depth, Theme};
use fewstep::record::Look;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

/// Symbols that terminals agree about, wide ones included.
const SYMBOLS: [&str; 14] = [" ", "a", "M", "0", "é", "│", "─", "╬", "█", "▒", "⣿", "漢", "→", "⏎"];

const COLORS: [Color; 12] = [
    Color::Reset,
    Color::Reset,
    Color::Black,
    Color::Red,
    Color::Gray,
    Color::DarkGray,
    Color::LightBlue,
    Color::White,
    Color::Indexed(16),
    Color::Indexed(200),
    Color::Indexed(255),
    Color::Rgb(12, 200, 97),
];

/// Modifiers that both terminal emulators know.
const MODIFIERS: [Modifier; 6] = [
    Modifier::empty(),
    Modifier::BOLD,
    Modifier::ITALIC,
    Modifier::UNDERLINED,
    Modifier::REVERSED,
    Modifier::BOLD.union(Modifier::UNDERLINED).union(Modifier::REVERSED),
];

/// The colours of the dark theme.
pub(crate) fn dark() -> Look {
    Look::of(&Theme::dark(Depth::True))
}

/// The colours of the light theme.
pub(crate) fn light() -> Look {
    Look::of(&Theme::light(Depth::True))
}

/// A cell to draw: indices into the tables above.
pub(crate) type Pick = (usize, usize, usize, usize);

pub(crate) fn pick() -> impl Strategy<Value = Pick> {
    (0..SYMBOLS.len(), 0..COLORS.len(), 0..COLORS.len(), 0..MODIFIERS.len())
}

/// A screen of the picked cells; a wide symbol covers its neighbour.
pub(crate) fn build(width: u16, height: u16, picks: &[Pick]) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let mut picks = picks.iter().cycle();
    for y in 0..height {
        let mut x = 0;
        while x < width {
            let Some(&(symbol, fg, bg, modifier)) = picks.next() else { return buffer };
            let style = Style::new().fg(COLORS[fg]).bg(COLORS[bg]).add_modifier(MODIFIERS[modifier]);
            let wide = SYMBOLS[symbol] == "漢";
            let symbol = if wide && x + 1 == width { "w" } else { SYMBOLS[symbol] };
            buffer.set_string(x, y, symbol, style);
            x += if wide { 2 } else { 1 };
        }
    }
    buffer
}

/// A few screens that differ a little and a lot, in one size.
pub(crate) fn sequence(width: u16, height: u16, count: usize) -> Vec<Buffer> {
    let mut state = 7_u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let cells = usize::from(width) * usize::from(height);
    let mut picks: Vec<Pick> = (0..cells).map(|_| (next(14), next(12), next(12), next(6))).collect();
    (0..count)
        .map(|i| {
            for _ in 0..(if i % 3 == 0 { cells / 2 } else { 3 }) {
                let place = next(cells);
                picks[place] = (next(14), next(12), next(12), next(6));
            }
            build(width, height, &picks)
        })
        .collect()
}
