//! Box drawing, blocks, shades and braille as geometry.
//!
//! Fonts leave gaps between these characters, because their glyphs are not made for our cell; drawn as rectangles that
//! end exactly at the cell's edges they join. Pictures fill the rectangles with pixels, SVG uses them as they are.

/// A filled rectangle inside a cell: `x0 <= x < x1`, `y0 <= y < y1`, at `alpha` of 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x0: u16,
    /// Top edge.
    pub y0: u16,
    /// Right edge, exclusive.
    pub x1: u16,
    /// Bottom edge, exclusive.
    pub y1: u16,
    /// Opacity of 255.
    pub alpha: u8,
}

/// What a character looks like in a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Filled rectangles.
    Rects(Vec<Rect>),
    /// A rounded corner that joins the middle of two sides.
    Arc(Arc),
    /// One or both diagonals.
    Diagonal {
        /// From the bottom left to the top right.
        rising: bool,
        /// From the top left to the bottom right.
        falling: bool,
        /// Thickness of the lines.
        thickness: f32,
    },
}

/// A quarter circle with a straight piece at either end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arc {
    /// Whether the horizontal piece goes to the right side (else to the left).
    pub right: bool,
    /// Whether the vertical piece goes to the bottom (else to the top).
    pub down: bool,
    /// Where the lines would cross if the corner were sharp.
    pub corner: (f32, f32),
    /// Radius of the circle.
    pub radius: f32,
    /// Thickness of the line.
    pub thickness: f32,
}

/// The geometry of `c` in a cell of `w`×`h`, for the characters that have one.
pub fn shape(c: char, w: u16, h: u16) -> Option<Shape> {
    if w == 0 || h == 0 {
        return None;
    }
    let code = c as u32;
    match code {
        0x2500..=0x257f => Some(box_drawing(code - 0x2500, w, h)),
        0x2580..=0x259f => Some(Shape::Rects(block(code, w, h))),
        0x2800..=0x28ff => Some(Shape::Rects(braille(code - 0x2800, w, h))),
        _ => None,
    }
}

/// Arms of U+2500…U+257F as four digits, up right down left: 0 none, 1 light, 2 heavy, 3 double. Dashes, rounded
/// corners and diagonals are `.` here and drawn by their own code.
const ARMS: &str = "\
    0101 0202 1010 2020 .... .... .... .... .... .... .... .... 0110 0210 0120 0220 \
    0011 0012 0021 0022 1100 1200 2100 2200 1001 1002 2001 2002 1110 1210 2110 1120 \
    2120 2210 1220 2220 1011 1012 2011 1021 2021 2012 1022 2022 0111 0112 0211 0212 \
    0121 0122 0221 0222 1101 1102 1201 1202 2101 2102 2201 2202 1111 1112 1211 1212 \
    2111 1121 2121 2112 2211 1122 1221 2212 1222 2122 2221 2222 .... .... .... .... \
    0303 3030 0310 0130 0330 0013 0031 0033 1300 3100 3300 1003 3001 3003 1310 3130 \
    3330 1013 3031 3033 0313 0131 0333 1303 3101 3303 1313 3131 3333 .... .... .... \
    .... .... .... .... 0001 1000 0100 0010 0002 2000 0200 0020 0201 1020 0102 2010";

fn box_drawing(index: u32, w: u16, h: u16) -> Shape {
    let light = (w / 8).max(1);
    let heavy = (light * 2 + 1).min(w);
    match index {
        0x04..=0x0b => {
            let thickness = if index.is_multiple_of(2) { light } else { heavy };
            let pieces = if index < 0x08 { 3 } else { 4 };
            Shape::Rects(dashes(index & 2 != 0, pieces, thickness, w, h))
        }
        0x4c..=0x4f => {
            let thickness = if index.is_multiple_of(2) { light } else { heavy };
            Shape::Rects(dashes(index >= 0x4e, 2, thickness, w, h))
        }
        0x6d..=0x70 => {
            let middle = |length: u16| f32::from((length - light) / 2) + f32::from(light) / 2.0;
            Shape::Arc(Arc {
                right: matches!(index, 0x6d | 0x70),
                down: matches!(index, 0x6d | 0x6e),
                corner: (middle(w), middle(h)),
                radius: f32::from(w.min(h)) / 2.0,
                thickness: f32::from(light),
            })
        }
        0x71..=0x73 => Shape::Diagonal { rising: index != 0x72, falling: index != 0x71, thickness: f32::from(light) },
        _ => {
            let digits = ARMS.as_bytes().get(index as usize * 5..index as usize * 5 + 4).unwrap_or(b"0000");
            let arm = |side: usize| digits[side].saturating_sub(b'0').min(3);
            Shape::Rects(lines([arm(0), arm(1), arm(2), arm(3)], light, heavy, w, h))
        }
    }
}

fn dashes(vertical: bool, pieces: u16, thickness: u16, w: u16, h: u16) -> Vec<Rect> {
    let length = if vertical { h } else { w };
    let across = if vertical { w } else { h };
    let from = across.saturating_sub(thickness) / 2;
    (0..pieces)
        .map(|i| {
            let start = i * length / pieces;
            let end = (i + 1) * length / pieces;
            // A third of each piece is gap, on its right or below, so that neighbouring cells keep the rhythm.
            let end = end - ((end - start) / 3).max(1).min((end - start).saturating_sub(1));
            if vertical {
                Rect { x0: from, y0: start, x1: from + thickness, y1: end, alpha: 255 }
            } else {
                Rect { x0: start, y0: from, x1: end, y1: from + thickness, alpha: 255 }
            }
        })
        .collect()
}

/// The four arms of a box character as rectangles.
///
/// A double arm is a thick bar with its middle cut out, and bars that meet are cut together, which gives corners, tees
/// and crossings their shape without a case for each.
fn lines(arms: [u8; 4], light: u16, heavy: u16, w: u16, h: u16) -> Vec<Rect> {
    let [up, right, down, left] = arms;
    let double = (light * 3).min(w).min(h);
    let width = |weight: u8| match weight {
        1 => light,
        2 => heavy,
        3 => double,
        _ => 0,
    };
    let mut grid = Grid::new(w, h);
    // Where a bar of thickness `t` lies across a length.
    let band = |t: u16, length: u16| {
        let from = (length - light) / 2;
        let from = (from + light / 2).saturating_sub(t / 2);
        (from, (from + t).min(length))
    };
    // How far arms reach past the middle: across the widest bar they meet.
    let reach_x = band(width(up).max(width(down)).max(light), w);
    let reach_y = band(width(left).max(width(right)).max(light), h);
    let bar = |side: usize, weight: u8| -> Option<Rect> {
        let t = width(weight);
        if t == 0 {
            return None;
        }
        let across = band(t, if side.is_multiple_of(2) { w } else { h });
        Some(match side {
            0 => Rect { x0: across.0, x1: across.1, y0: 0, y1: reach_y.1, alpha: 255 },
            1 => Rect { x0: reach_x.0, x1: w, y0: across.0, y1: across.1, alpha: 255 },
            2 => Rect { x0: across.0, x1: across.1, y0: reach_y.0, y1: h, alpha: 255 },
            _ => Rect { x0: 0, x1: reach_x.1, y0: across.0, y1: across.1, alpha: 255 },
        })
    };
    // A single line that goes straight through a double one is not cut by it.
    let through = [up == down && up < 3, right == left && right < 3];
    let mut late = Vec::new();
    for (side, weight) in [up, right, down, left].into_iter().enumerate() {
        if let Some(rect) = bar(side, weight) {
            if through[side % 2] {
                late.push(rect);
            } else {
                grid.set(rect, true);
            }
        }
    }
    let gap_x = band(light, w);
    let gap_y = band(light, h);
    let arms = [up, right, down, left];
    for side in (0..4).filter(|&side| arms[side] == 3) {
        // The cut goes on into the crossing, except where a single bar closes the end.
        let across = [arms[(side + 1) % 4], arms[(side + 3) % 4]];
        let open = arms[(side + 2) % 4] == 3 || across.contains(&3) || across == [0, 0];
        let (start_x, end_x) = if open { gap_x } else { (gap_x.1, gap_x.0) };
        let (start_y, end_y) = if open { gap_y } else { (gap_y.1, gap_y.0) };
        let cut = match side {
            0 => Rect { x0: gap_x.0, x1: gap_x.1, y0: 0, y1: end_y, alpha: 255 },
            1 => Rect { x0: start_x, x1: w, y0: gap_y.0, y1: gap_y.1, alpha: 255 },
            2 => Rect { x0: gap_x.0, x1: gap_x.1, y0: start_y, y1: h, alpha: 255 },
            _ => Rect { x0: 0, x1: end_x, y0: gap_y.0, y1: gap_y.1, alpha: 255 },
        };
        grid.set(cut, false);
    }
    for rect in late {
        grid.set(rect, true);
    }
    grid.rects()
}

fn block(code: u32, w: u16, h: u16) -> Vec<Rect> {
    let full = Rect { x0: 0, y0: 0, x1: w, y1: h, alpha: 255 };
    let part = |length: u16, eighths: u32| ((u32::from(length) * eighths + 4) / 8) as u16;
    // Even the thinnest bar shows.
    let bar = |length: u16, eighths: u32| part(length, eighths).max(1);
    let (half_w, half_h) = (part(w, 4), part(h, 4));
    let quadrant = |index: usize| {
        [
            Rect { x1: half_w, y1: half_h, ..full },
            Rect { x0: half_w, y1: half_h, ..full },
            Rect { x1: half_w, y0: half_h, ..full },
            Rect { x0: half_w, y0: half_h, ..full },
        ][index]
    };
    match code {
        0x2580 => vec![Rect { y1: half_h, ..full }],
        0x2581..=0x2588 => vec![Rect { y0: h - bar(h, code - 0x2580), ..full }],
        0x2589..=0x258f => vec![Rect { x1: bar(w, 0x2590 - code), ..full }],
        0x2590 => vec![Rect { x0: half_w, ..full }],
        0x2591..=0x2593 => vec![Rect { alpha: [64, 128, 191][code as usize - 0x2591], ..full }],
        0x2594 => vec![Rect { y1: bar(h, 1), ..full }],
        0x2595 => vec![Rect { x0: w - bar(w, 1), ..full }],
        _ => {
            // Quadrants: bits upper left, upper right, lower left, lower right.
            const QUADRANTS: [u8; 10] =
                [0b0100, 0b1000, 0b0001, 0b1101, 0b1001, 0b0111, 0b1011, 0b0010, 0b0110, 0b1110];
            let bits = QUADRANTS[code as usize - 0x2596];
            (0..4).filter(|i| bits >> i & 1 == 1).map(quadrant).collect()
        }
    }
}

/// Dots of a braille pattern: bits 0–2 the left column, 3–5 the right one, 6 and 7 the bottom row.
fn braille(bits: u32, w: u16, h: u16) -> Vec<Rect> {
    const PLACES: [(u16, u16); 8] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
    let side = (w / 4).max(1).min(h / 4).max(1);
    (0..8)
        .filter(|bit| bits >> bit & 1 == 1)
        .map(|bit| {
            let (column, line) = PLACES[bit];
            let x = (w * (2 * column + 1) / 4).saturating_sub(side / 2);
            let y = (h * (2 * line + 1) / 8).saturating_sub(side / 2);
            Rect { x0: x, y0: y, x1: (x + side).min(w), y1: (y + side).min(h), alpha: 255 }
        })
        .collect()
}

/// Set and unset cells, to cut rectangles out of rectangles.
struct Grid {
    w: u16,
    on: Vec<bool>,
}

impl Grid {
    fn new(w: u16, h: u16) -> Self {
        Self { w, on: vec![false; usize::from(w) * usize::from(h)] }
    }

    fn set(&mut self, rect: Rect, on: bool) {
        for y in rect.y0..rect.y1 {
            for x in rect.x0..rect.x1 {
                if let Some(cell) = self.on.get_mut(usize::from(y) * usize::from(self.w) + usize::from(x)) {
                    *cell = on;
                }
            }
        }
    }

    /// The set cells as rectangles: runs of a row, grown down while the rows below have the same run.
    fn rects(mut self) -> Vec<Rect> {
        let w = usize::from(self.w);
        let h = self.on.len() / w;
        let mut rects = Vec::new();
        for y in 0..h {
            let mut x = 0;
            while x < w {
                if !self.on[y * w + x] {
                    x += 1;
                    continue;
                }
                let start = x;
                while x < w && self.on[y * w + x] {
                    x += 1;
                }
                let mut bottom = y + 1;
                while bottom < h && self.on[bottom * w + start..bottom * w + x].iter().all(|&on| on) {
                    self.on[bottom * w + start..bottom * w + x].fill(false);
                    bottom += 1;
                }
                let (x0, x1) = (start as u16, x as u16);
                rects.push(Rect { x0, y0: y as u16, x1, y1: bottom as u16, alpha: 255 });
            }
        }
        rects
    }
}

impl Shape {
    /// Opacity of each pixel of a `w`×`h` cell, row by row.
    pub fn pixels(&self, w: u16, h: u16) -> Vec<u8> {
        let columns = usize::from(w);
        let mut pixels = vec![0; columns * usize::from(h)];
        match self {
            Self::Rects(rects) => {
                for rect in rects {
                    for y in rect.y0..rect.y1.min(h) {
                        let row = usize::from(y) * columns;
                        pixels[row + usize::from(rect.x0)..row + usize::from(rect.x1.min(w))].fill(rect.alpha);
                    }
                }
            }
            Self::Arc(arc) => sample(&mut pixels, w, |x, y| arc.covers(x, y)),
            Self::Diagonal { rising, falling, thickness } => {
                let (w, h) = (f32::from(w), f32::from(h));
                let length = w.hypot(h);
                let near = |distance: f32| distance.abs() / length <= thickness * 0.6;
                sample(&mut pixels, w as u16, |x, y| {
                    (*falling && near(x * h - y * w)) || (*rising && near((w - x) * h - y * w))
                });
            }
        }
        pixels
    }
}

impl Arc {
    fn covers(&self, x: f32, y: f32) -> bool {
        // Mirror so that the arms go right and down.
        let dx = if self.right { x - self.corner.0 } else { self.corner.0 - x };
        let dy = if self.down { y - self.corner.1 } else { self.corner.1 - y };
        let half = self.thickness / 2.0;
        if dx >= self.radius {
            return dy.abs() <= half;
        }
        if dy >= self.radius {
            return dx.abs() <= half;
        }
        let distance = (dx - self.radius).hypot(dy - self.radius);
        (distance - self.radius).abs() <= half
    }
}

/// Fills `pixels` with the share of 4×4 points inside, in four levels.
fn sample(pixels: &mut [u8], w: u16, inside: impl Fn(f32, f32) -> bool) {
    for (index, pixel) in pixels.iter_mut().enumerate() {
        let (x, y) = ((index % usize::from(w)) as f32, (index / usize::from(w)) as f32);
        let hits =
            (0..16).filter(|i| inside(x + ((i % 4) as f32 + 0.5) / 4.0, y + ((i / 4) as f32 + 0.5) / 4.0)).count();
        *pixel = super::raster::level((hits * 255 / 16) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: u16 = 10;
    const H: u16 = 19;

    fn pixels(c: char) -> Vec<u8> {
        shape(c, W, H).expect("has a shape").pixels(W, H)
    }

    fn at(pixels: &[u8], x: u16, y: u16) -> bool {
        pixels[usize::from(y) * usize::from(W) + usize::from(x)] > 100
    }

    /// Whether ink reaches each side: up, right, down, left.
    fn sides(c: char) -> [bool; 4] {
        let p = pixels(c);
        [
            (0..W).any(|x| at(&p, x, 0)),
            (0..H).any(|y| at(&p, W - 1, y)),
            (0..W).any(|x| at(&p, x, H - 1)),
            (0..H).any(|y| at(&p, 0, y)),
        ]
    }

    #[test]
    fn every_character_of_the_three_blocks_has_ink() {
        for code in (0x2500..=0x259f).chain(0x2801..=0x28ff) {
            let c = char::from_u32(code).expect("a character");
            assert!(pixels(c).iter().any(|&alpha| alpha > 0), "{c}");
        }
        assert_eq!(shape('a', W, H), None);
    }

    #[test]
    fn lines_reach_the_sides_they_point_to() {
        for (c, want) in [
            ('─', [false, true, false, true]),
            ('│', [true, false, true, false]),
            ('┌', [false, true, true, false]),
            ('┘', [true, false, false, true]),
            ('├', [true, true, true, false]),
            ('┼', [true; 4]),
            ('╔', [false, true, true, false]),
            ('╝', [true, false, false, true]),
            ('╬', [true; 4]),
            ('╪', [true; 4]),
            ('╭', [false, true, true, false]),
            ('╮', [false, false, true, true]),
            ('╰', [true, true, false, false]),
            ('╯', [true, false, false, true]),
            ('╴', [false, false, false, true]),
            ('╿', [true, false, true, false]),
        ] {
            assert_eq!(sides(c), want, "{c}");
        }
    }

    #[test]
    fn neighbours_join_at_the_same_rows_and_columns() {
        let line = pixels('─');
        let rows: Vec<u16> = (0..H).filter(|&y| at(&line, 0, y)).collect();
        for c in ['┌', '├', '┼', '╭', '╰', '┬', '╟', '╶'] {
            let p = pixels(c);
            assert_eq!((0..H).filter(|&y| at(&p, W - 1, y)).collect::<Vec<_>>(), rows, "{c}");
        }
        let double = pixels('═');
        let rows: Vec<u16> = (0..H).filter(|&y| at(&double, 0, y)).collect();
        assert_eq!(rows.len(), 2);
        for c in ['╔', '╠', '╬', '╪', '╒', '╤'] {
            let p = pixels(c);
            assert_eq!((0..H).filter(|&y| at(&p, W - 1, y)).collect::<Vec<_>>(), rows, "{c}");
        }
    }

    #[test]
    fn a_double_corner_is_two_nested_corners() {
        let p = pixels('╔');
        // The outer corner is inked, the gap between the two is not, the inner corner is.
        let rows: Vec<u16> = (0..H).filter(|&y| at(&p, W - 1, y)).collect();
        let columns: Vec<u16> = (0..W).filter(|&x| at(&p, x, H - 1)).collect();
        assert!(at(&p, columns[0], rows[0]));
        assert!(at(&p, columns[1], rows[1]));
        assert!(!at(&p, columns[0] + 1, rows[0] + 1));
    }

    #[test]
    fn the_gap_of_a_double_line_runs_through() {
        for (c, horizontal) in [('═', true), ('║', false), ('╦', true), ('╤', true), ('╠', false)] {
            let p = pixels(c);
            let length = if horizontal { W } else { H };
            let place = |along: u16, across: u16| if horizontal { (along, across) } else { (across, along) };
            let lines: Vec<u16> = (0..if horizontal { H } else { W })
                .filter(|&across| {
                    let (x, y) = place(0, across);
                    at(&p, x, y)
                })
                .collect();
            for along in 0..length {
                let (x, y) = place(along, lines[0] + 1);
                assert!(!at(&p, x, y), "{c} at {along}");
            }
        }
    }

    #[test]
    fn blocks_fill_their_share() {
        let share = |c: char| pixels(c).iter().map(|&a| f32::from(a) / 255.0).sum::<f32>() / f32::from(W * H);
        for (i, c) in ('▁'..='█').enumerate() {
            assert!((share(c) - (i + 1) as f32 / 8.0).abs() < 0.04, "{c} {}", share(c));
        }
        for (c, want) in [('▀', 0.5), ('▌', 0.5), ('▐', 0.5), ('░', 0.25), ('▒', 0.5), ('▓', 0.75)] {
            assert!((share(c) - want).abs() < 0.04, "{c} {}", share(c));
        }
        for (c, want) in [('▖', 0.25), ('▚', 0.5), ('▞', 0.5), ('▙', 0.75), ('▟', 0.75), ('▝', 0.25)] {
            assert!((share(c) - want).abs() < 0.04, "{c} {}", share(c));
        }
        let p = pixels('▚');
        assert!(at(&p, 0, 0) && at(&p, W - 1, H - 1) && !at(&p, W - 1, 0));
        let p = pixels('▙');
        assert!(at(&p, 0, 0) && at(&p, 0, H - 1) && at(&p, W - 1, H - 1) && !at(&p, W - 1, 0));
    }

    #[test]
    fn braille_dots_sit_where_their_bits_say() {
        let p = pixels('⠁');
        let ink: Vec<usize> = (0..p.len()).filter(|&i| p[i] > 0).collect();
        assert!(ink.iter().all(|i| i % 10 < 5 && i / 10 < 5), "{ink:?}");
        let p = pixels('⢀');
        let ink: Vec<usize> = (0..p.len()).filter(|&i| p[i] > 0).collect();
        assert!(ink.iter().all(|i| i % 10 >= 5 && i / 10 >= 14), "{ink:?}");
    }

    #[test]
    fn tiny_cells_do_not_panic() {
        for code in (0x2500..=0x259f).chain(0x2800..=0x28ff) {
            let c = char::from_u32(code).expect("a character");
            for (w, h) in [(1, 1), (2, 1), (1, 2), (3, 5), (0, 0)] {
                if let Some(shape) = shape(c, w, h) {
                    assert_eq!(shape.pixels(w, h).len(), usize::from(w * h));
                }
            }
        }
    }
}
