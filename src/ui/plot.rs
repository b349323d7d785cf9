//! Lines of dots, eight to a cell.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::Canvas;

/// A grid of dots over an area: two a column, four a row.
pub(super) struct Dots {
    area: Rect,
    bits: Vec<u8>,
}

/// Bits of a braille character by column and row of the dot.
const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

impl Dots {
    pub(super) fn new(area: Rect) -> Self {
        Self { area, bits: vec![0; usize::from(area.width) * usize::from(area.height)] }
    }

    fn size(&self) -> (i32, i32) {
        (i32::from(self.area.width) * 2, i32::from(self.area.height) * 4)
    }

    fn set(&mut self, x: i32, y: i32) {
        let (width, height) = self.size();
        if (0..width).contains(&x) && (0..height).contains(&y) {
            let cell = (y / 4) as usize * usize::from(self.area.width) + (x / 2) as usize;
            self.bits[cell] |= BITS[(x % 2) as usize][(y % 4) as usize];
        }
    }

    /// Where a point of the unit square lies; `y` grows upwards.
    fn place(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let (width, height) = self.size();
        let along = |share: f64, dots: i32| (share.clamp(0.0, 1.0) * f64::from((dots - 1).max(0))).round() as i32;
        (along(x, width), along(1.0 - y, height))
    }

    /// A line through points of the unit square; those that are not numbers are left out.
    pub(super) fn line(&mut self, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut before: Option<(i32, i32)> = None;
        for point in points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let (x, y) = self.place(point);
            let (from_x, from_y) = before.unwrap_or((x, y));
            let steps = (x - from_x).abs().max((y - from_y).abs()).max(1);
            for i in 0..=steps {
                let between = |a: i32, b: i32| a + ((b - a) * i + steps / 2 * (b - a).signum()) / steps;
                self.set(between(from_x, x), between(from_y, y));
            }
            before = Some((x, y));
        }
    }

    /// Draws the dots; cells without any stay as they are.
    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, style: Style) {
        let ascii = canvas.glyphs().is_ascii();
        for (cell, bits) in self.bits.iter().enumerate().filter(|(_, bits)| **bits != 0) {
            let x = self.area.x + (cell % usize::from(self.area.width)) as u16;
            let y = self.area.y + (cell / usize::from(self.area.width)) as u16;
            let dots = char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' ');
            let glyph = if ascii { "*".to_owned() } else { dots.to_string() };
            canvas.text(x, y, 1, &glyph, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_whole_and_stays_inside() {
        let mut dots = Dots::new(Rect::new(0, 0, 10, 3));
        dots.line([(0.0, 0.0), (f64::NAN, 1.0), (1.0, 1.0), (2.0, -9.0)]);
        // Every column of cells has a dot: the line has no holes.
        for column in 0..10 {
            assert!((0..3).any(|row| dots.bits[row * 10 + column] != 0), "{column}");
        }
        assert_ne!(dots.bits[20] & BITS[0][3], 0, "it begins at the bottom left");
        assert_ne!(dots.bits[9] & BITS[1][0], 0, "and goes to the top right");
        Dots::new(Rect::new(0, 0, 0, 0)).line([(0.5, 0.5)]);
    }
}
