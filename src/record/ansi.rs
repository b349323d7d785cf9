//! The bytes that turn one drawn screen into the next on a terminal.
//!
//! Colours are written whatever the environment says: a recording made under `NO_COLOR` still has them.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use super::look::ansi_index;
use super::screen::{self, Spot};

/// Clears the screen with the default colours and puts the cursor at the top left.
pub const CLEAR: &str = "\x1b[0m\x1b[2J\x1b[H";
/// Hides the cursor.
pub const HIDE_CURSOR: &str = "\x1b[?25l";
/// Shows the cursor.
pub const SHOW_CURSOR: &str = "\x1b[?25h";

/// Modifiers and the parameter that sets each.
const MODIFIERS: [(Modifier, u8); 9] = [
    (Modifier::BOLD, 1),
    (Modifier::DIM, 2),
    (Modifier::ITALIC, 3),
    (Modifier::UNDERLINED, 4),
    (Modifier::SLOW_BLINK, 5),
    (Modifier::RAPID_BLINK, 6),
    (Modifier::REVERSED, 7),
    (Modifier::HIDDEN, 8),
    (Modifier::CROSSED_OUT, 9),
];

/// Everything that decides how a cell looks besides its symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Pen {
    const PLAIN: Self = Self { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

    fn of(cell: &Cell) -> Self {
        Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
    }

    /// Writes the sequence that changes `self` into `next`.
    fn change(self, next: Self, out: &mut String) {
        if self == next {
            return;
        }
        let mut from = self;
        let mut codes: Vec<String> = Vec::new();
        // There is no reliable way to take back a single modifier (22 ends both bold and dim): start afresh instead.
        if !next.modifier.contains(from.modifier) {
            codes.push("0".to_owned());
            from = Self::PLAIN;
        }
        for (modifier, code) in MODIFIERS {
            if next.modifier.contains(modifier) && !from.modifier.contains(modifier) {
                codes.push(code.to_string());
            }
        }
        if from.fg != next.fg {
            codes.push(color_code(next.fg, 30));
        }
        if from.bg != next.bg {
            codes.push(color_code(next.bg, 40));
        }
        let _ = write!(out, "\x1b[{}m", codes.join(";"));
    }
}

/// The parameter for a colour; `base` is 30 for the foreground, 40 for the background.
fn color_code(color: Color, base: u8) -> String {
    match color {
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
        Color::Indexed(index) => format!("{};5;{index}", base + 8),
        named => match ansi_index(named) {
            None => (base + 9).to_string(),
            Some(index) if index < 8 => (base + index).to_string(),
            Some(index) => (base + 60 + index - 8).to_string(),
        },
    }
}

/// The whole screen: clears, then draws every cell that is not blank.
pub fn full(screen: &Buffer) -> String {
    let mut out = String::from(CLEAR);
    let mut painter = Painter::new(&mut out);
    for y in 0..screen.area.height {
        for spot in screen::row(screen, y) {
            if !is_blank(spot.cell) {
                painter.put(y, spot);
            }
        }
    }
    painter.end();
    out
}

/// What changed from `before` to `after`, which must have the same size; empty where nothing did.
pub fn diff(before: &Buffer, after: &Buffer) -> String {
    let mut out = String::new();
    let mut painter = Painter::new(&mut out);
    let columns = usize::from(after.area.width);
    for y in 0..after.area.height {
        let range = usize::from(y) * columns..(usize::from(y) + 1) * columns;
        let (old, new) = (&before.content[range.clone()], &after.content[range]);
        if old == new {
            continue;
        }
        // Where wide symbols come or go, a cell may change on screen while it stays the same in the buffer: such rows
        // are drawn whole.
        let whole = has_wide(before, y) || has_wide(after, y);
        for spot in screen::row(after, y) {
            let x = usize::from(spot.x);
            if whole || old[x] != new[x] {
                painter.put(y, spot);
            }
        }
    }
    painter.end();
    out
}

/// A screen as lines of coloured text, for files and pipes.
pub fn lines(screen: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..screen.area.height {
        let mut pen = Pen::PLAIN;
        let last = screen::row(screen, y).filter(|spot| !is_blank(spot.cell)).last().map(|spot| spot.x);
        for spot in screen::row(screen, y).take_while(|spot| last.is_some_and(|last| spot.x <= last)) {
            let next = Pen::of(spot.cell);
            pen.change(next, &mut out);
            pen = next;
            out.push_str(&screen::symbol(spot.cell));
        }
        pen.change(Pen::PLAIN, &mut out);
        out.push('\n');
    }
    out
}

fn has_wide(buffer: &Buffer, y: u16) -> bool {
    screen::row(buffer, y).any(|spot| spot.width > 1)
}

/// Whether a cell looks like one that was never drawn.
fn is_blank(cell: &Cell) -> bool {
    Pen::of(cell) == Pen::PLAIN && matches!(cell.symbol(), " " | "")
}

/// Writes cells, moving the cursor and changing colours only where needed.
struct Painter<'a> {
    out: &'a mut String,
    pen: Pen,
    /// Where the cursor is, once that is certain.
    cursor: Option<(u16, u16)>,
}

impl<'a> Painter<'a> {
    fn new(out: &'a mut String) -> Self {
        Self { out, pen: Pen::PLAIN, cursor: None }
    }

    fn put(&mut self, y: u16, spot: Spot<'_>) {
        if self.cursor != Some((spot.x, y)) {
            let _ = write!(self.out, "\x1b[{};{}H", y + 1, spot.x + 1);
        }
        let next = Pen::of(spot.cell);
        self.pen.change(next, self.out);
        self.pen = next;
        let symbol = screen::symbol(spot.cell);
        self.out.push_str(&symbol);
        // Terminals disagree about how far symbols beyond plain characters move the cursor, so it is placed afresh
        // after them; and the last column leaves it pending.
        let plain = symbol.chars().nth(1).is_none() && spot.width == 1;
        self.cursor = plain.then_some((spot.x + 1, y));
    }

    /// Leaves the terminal with plain colours, so that the next sequence starts from a known state.
    fn end(self) {
        self.pen.change(Pen::PLAIN, self.out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    #[test]
    fn a_changed_cell_costs_a_move_a_colour_and_a_reset() {
        let before = Buffer::with_lines(["abc", "def"]);
        let mut after = before.clone();
        after[(1, 1)].set_symbol("X").set_style(Style::new().fg(Color::Rgb(1, 2, 3)).bg(Color::LightBlue));
        assert_eq!(diff(&before, &after), "\x1b[2;2H\x1b[38;2;1;2;3;104mX\x1b[39;49m");
        assert_eq!(diff(&after, &after), "");
    }

    #[test]
    fn a_modifier_that_ends_resets_first() {
        let mut screen = Buffer::with_lines(["ab"]);
        screen[(0, 0)].modifier = Modifier::BOLD | Modifier::REVERSED;
        screen[(1, 0)].modifier = Modifier::REVERSED;
        assert_eq!(lines(&screen), "\x1b[1;7ma\x1b[0;7mb\x1b[0m\n");
    }

    #[test]
    fn hostile_symbols_never_get_through() {
        let mut screen = Buffer::with_lines(["abc"]);
        for (x, symbol) in ["\x1b]0;own\x07", "\u{202e}x", "a\u{9b}"].into_iter().enumerate() {
            // Not `set_symbol`: it refuses control characters in debug builds, which is the point.
            screen.content[x] = Cell::new(" ");
            screen.content[x].set_symbol(&symbol.replace(|c: char| c.is_control(), "\u{202e}"));
        }
        let bytes = full(&screen);
        assert!(!bytes.contains('\u{202e}'), "{bytes:?}");
    }
}
