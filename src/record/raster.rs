//! Screens as pixels: glyphs of a font, lines and blocks as geometry.
//!
//! Coverage is cut to four levels, so that a screen has few colours: foregrounds × backgrounds × 4 usually fits the
//! palette of a GIF exactly. This file alone knows the font library.

use std::collections::HashMap;
use std::rc::Rc;

use fontdue::{Font, FontSettings};
use ratatui::buffer::{Buffer, Cell};

use super::look::{Look, Rgb};
use super::screen::{self, Paint, Spot};
use super::{RecordError, shapes};

/// DejaVu Sans Mono (Bitstream Vera licence, `assets/font/LICENSE.txt`).
const REGULAR: &[u8] = include_bytes!("../../assets/font/DejaVuSansMono.ttf");
const BOLD: &[u8] = include_bytes!("../../assets/font/DejaVuSansMono-Bold.ttf");

/// Smallest and largest font size, in pixels.
pub const SIZES: std::ops::RangeInclusive<u16> = 6..=64;

/// Most pixels a picture may have; beyond that nothing displays it and the memory is better kept.
const MAX_PIXELS: usize = 64 << 20;

/// Cuts coverage to four levels.
pub fn level(coverage: u8) -> u8 {
    ((u16::from(coverage) * 3 + 127) / 255 * 85) as u8
}

/// The area of a picture that changed, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dirty {
    /// Left edge.
    pub x: usize,
    /// Top edge.
    pub y: usize,
    /// Width.
    pub w: usize,
    /// Height.
    pub h: usize,
}

/// What a glyph's pixels depend on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    symbol: String,
    width: u16,
    bold: bool,
    italic: bool,
}

/// Draws screens into a picture and keeps it, so that only cells that changed are drawn again.
pub struct Raster {
    regular: Font,
    bold: Font,
    look: Look,
    px: f32,
    cell: (u16, u16),
    baseline: i32,
    glyphs: HashMap<Key, Rc<[u8]>>,
    size: (u16, u16),
    /// Background around the cells, in pixels.
    margin: usize,
    pixels: Vec<u32>,
    last: Option<Buffer>,
}

impl std::fmt::Debug for Raster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Raster").field("cell", &self.cell).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Raster {
    /// A picture of `columns`×`rows` cells with a font of `px` pixels, and `margin` pixels of background around them.
    pub fn new(look: Look, px: u16, margin: u16, (columns, rows): (u16, u16)) -> Result<Self, RecordError> {
        if !SIZES.contains(&px) {
            return Err(RecordError::Size(format!(
                "font size {px} is not between {} and {} pixels",
                SIZES.start(),
                SIZES.end()
            )));
        }
        let load = |bytes: &[u8]| {
            let settings = FontSettings { scale: f32::from(px), load_substitutions: false, ..FontSettings::default() };
            Font::from_bytes(bytes, settings).map_err(|error| RecordError::Request(format!("bundled font: {error}")))
        };
        let regular = load(REGULAR)?;
        let bold = load(BOLD)?;
        let px = f32::from(px);
        let metrics = regular.horizontal_line_metrics(px);
        let (ascent, descent) = metrics.map_or((px, 0.0), |m| (m.ascent, -m.descent));
        let cell =
            ((regular.metrics('0', px).advance_width.round() as u16).max(1), ((ascent + descent).ceil() as u16).max(1));
        let baseline = ascent.round() as i32;
        let margin = usize::from(margin);
        let (w, h) = (
            usize::from(columns) * usize::from(cell.0) + 2 * margin,
            usize::from(rows) * usize::from(cell.1) + 2 * margin,
        );
        if columns == 0 || rows == 0 || w > usize::from(u16::MAX) || h > usize::from(u16::MAX) || w * h > MAX_PIXELS {
            return Err(RecordError::Size(format!(
                "a picture of {columns}x{rows} cells would have {w}x{h} pixels; use a smaller --size or --width"
            )));
        }
        let pixels = vec![look.bg.pack(); w * h];
        Ok(Self {
            regular,
            bold,
            look,
            px,
            cell,
            baseline,
            glyphs: HashMap::new(),
            size: (columns, rows),
            margin,
            pixels,
            last: None,
        })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        let cells = |count: u16, length: u16| usize::from(count) * usize::from(length) + 2 * self.margin;
        (cells(self.size.0, self.cell.0), cells(self.size.1, self.cell.1))
    }

    /// Width and height of a cell in pixels.
    pub fn cell(&self) -> (u16, u16) {
        self.cell
    }

    /// The picture, row by row, as `0xrrggbb`.
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// Whether the bundled font or the geometry can draw `c`.
    pub fn covers(&self, c: char) -> bool {
        c == ' ' || shapes::shape(c, 8, 16).is_some() || self.regular.has_glyph(c) || control_name(c).is_some()
    }

    /// Draws a screen over the one before. What is beyond the picture is cut off, what is missing is background.
    ///
    /// Returns the area that was drawn anew; none where the screens are equal.
    pub fn draw(&mut self, buffer: &Buffer) -> Option<Dirty> {
        let mut bounds: Option<(u16, u16, u16, u16)> = None;
        let last = self.last.take();
        let same_size = last.as_ref().is_some_and(|last| last.area == buffer.area);
        let blank = Cell::default();
        for y in 0..self.size.1 {
            let mut x = 0;
            let spots = (y < buffer.area.height).then(|| screen::row(buffer, y)).into_iter().flatten();
            let old = last.as_ref().filter(|_| same_size).map(|last| row_cells(last, y));
            for spot in spots {
                if spot.x >= self.size.0 {
                    break;
                }
                x = spot.x + spot.width;
                // A symbol is redrawn where any cell under it changed.
                let range = usize::from(spot.x)..usize::from(x);
                let new = &row_cells(buffer, y)[range.clone()];
                if old.is_some_and(|old| old[range] == *new) {
                    continue;
                }
                self.put(y, spot);
                grow(&mut bounds, spot.x, y, x.min(self.size.0));
            }
            if x < self.size.0 && !same_size {
                for column in x..self.size.0 {
                    self.put(y, Spot { x: column, width: 1, cell: &blank });
                }
                grow(&mut bounds, x, y, self.size.0);
            }
        }
        self.last = Some(buffer.clone());
        bounds.map(|(x0, y0, x1, y1)| {
            let (w, h) = (usize::from(self.cell.0), usize::from(self.cell.1));
            Dirty {
                x: usize::from(x0) * w + self.margin,
                y: usize::from(y0) * h + self.margin,
                w: usize::from(x1 - x0) * w,
                h: usize::from(y1 - y0) * h,
            }
        })
    }

    fn put(&mut self, y: u16, spot: Spot<'_>) {
        let paint = screen::paint(spot.cell, &self.look);
        let width = spot.width.min(self.size.0 - spot.x);
        let (w, h) = (usize::from(self.cell.0) * usize::from(width), usize::from(self.cell.1));
        let stride = self.size().0;
        let left = usize::from(spot.x) * usize::from(self.cell.0) + self.margin;
        let top = usize::from(y) * h + self.margin;
        let symbol = screen::symbol(spot.cell);
        let blank = symbol.trim().is_empty();
        let glyph = (!blank).then(|| self.glyph(&symbol, width, paint));
        let mut cache = (0, paint.bg.pack());
        for row in 0..h {
            let line = &mut self.pixels[(top + row) * stride + left..][..w];
            match &glyph {
                None => line.fill(paint.bg.pack()),
                Some(glyph) => {
                    for (pixel, &alpha) in line.iter_mut().zip(&glyph[row * w..]) {
                        if alpha != cache.0 {
                            cache = (alpha, paint.fg.over(paint.bg, alpha).pack());
                        }
                        *pixel = cache.1;
                    }
                }
            }
        }
        self.rules(paint, left, top, w);
    }

    /// Underline and strike-through.
    fn rules(&mut self, paint: Paint, left: usize, top: usize, w: usize) {
        let h = usize::from(self.cell.1);
        let thickness = (h / 16).max(1);
        let base = self.baseline.max(0) as usize;
        let stride = self.size().0;
        let mut rule = |from: usize| {
            for row in from..(from + thickness).min(h) {
                self.pixels[(top + row) * stride + left..][..w].fill(paint.fg.pack());
            }
        };
        if paint.underline {
            rule((base + thickness).min(h - 1));
        }
        if paint.strike {
            rule(base.saturating_sub(h / 4));
        }
    }

    /// Opacity of each pixel of a symbol.
    fn glyph(&mut self, symbol: &str, width: u16, paint: Paint) -> Rc<[u8]> {
        let key = Key { symbol: symbol.to_owned(), width, bold: paint.bold, italic: paint.italic };
        if let Some(glyph) = self.glyphs.get(&key) {
            return Rc::clone(glyph);
        }
        let (w, h) = (self.cell.0 * width, self.cell.1);
        let mut pixels = vec![0; usize::from(w) * usize::from(h)];
        for c in symbol.chars() {
            if let Some(shape) = shapes::shape(c, w, h) {
                merge(&mut pixels, &shape.pixels(w, h));
            } else if self.regular.has_glyph(c) {
                self.outline(&mut pixels, w, c, paint);
            } else if let Some(name) = control_name(c) {
                self.control(&mut pixels, w, name);
            } else if !is_invisible(c) {
                self.unknown(&mut pixels, w);
            }
        }
        let glyph: Rc<[u8]> = pixels.into();
        self.glyphs.insert(key, Rc::clone(&glyph));
        glyph
    }

    fn outline(&self, pixels: &mut [u8], w: u16, c: char, paint: Paint) {
        let font = if paint.bold && self.bold.has_glyph(c) { &self.bold } else { &self.regular };
        let (metrics, coverage) = font.rasterize(c, self.px);
        let w = i32::from(w);
        // Narrow glyphs in a wide cell are centred; all others start where the font says.
        let spare = (w - metrics.advance_width.round() as i32).max(0) / 2;
        let top = self.baseline - metrics.height as i32 - metrics.ymin;
        for row in 0..metrics.height as i32 {
            let y = top + row;
            if y < 0 || y >= i32::from(self.cell.1) {
                continue;
            }
            // About 12° of slant around the middle of the small letters.
            let lean = if paint.italic { (self.baseline - self.baseline / 3 - y) / 5 } else { 0 };
            for column in 0..metrics.width as i32 {
                let x = column + metrics.xmin + spare + lean;
                if (0..w).contains(&x) {
                    let alpha = level(coverage[(row * metrics.width as i32 + column) as usize]);
                    let pixel = &mut pixels[(y * w + x) as usize];
                    *pixel = (*pixel).max(alpha);
                }
            }
        }
    }

    /// A control picture: the letters of its name, small, down the diagonal.
    fn control(&self, pixels: &mut [u8], w: u16, name: &str) {
        let count = name.len().max(1) as i32;
        let px = self.px * if count > 2 { 0.42 } else { 0.55 };
        let (w, h) = (i32::from(w), i32::from(self.cell.1));
        for (letter, i) in name.chars().zip(0..) {
            let (metrics, coverage) = self.regular.rasterize(letter, px);
            let (gw, gh) = (metrics.width as i32, metrics.height as i32);
            let left = (w - gw).max(0) * i / (count - 1).max(1);
            let room = (self.baseline - gh).max(0);
            let top = room * (i + 1) / count;
            for row in 0..gh {
                for column in 0..gw {
                    let (x, y) = (left + column, top + row);
                    if x < w && y < h {
                        let pixel = &mut pixels[(y * w + x) as usize];
                        *pixel = (*pixel).max(level(coverage[(row * gw + column) as usize]));
                    }
                }
            }
        }
    }

    /// A box for what the font does not have.
    fn unknown(&self, pixels: &mut [u8], w: u16) {
        let (w, h) = (usize::from(w), usize::from(self.cell.1));
        let (left, right) = (w / 8, w - 1 - w / 8);
        let (top, bottom) = (h / 6, (self.baseline.max(1) as usize).min(h - 1));
        for y in top..=bottom {
            for x in left..=right {
                if y == top || y == bottom || x == left || x == right {
                    pixels[y * w + x] = 170;
                }
            }
        }
    }

    /// Counts the colours inside `area`, most frequent first.
    pub fn colours(&self, area: Dirty) -> Vec<(u32, usize)> {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        self.runs(area, |colour, length| *counts.entry(colour).or_default() += length);
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable_by_key(|&(colour, count)| (std::cmp::Reverse(count), colour));
        counts
    }

    /// Calls `run` for every stretch of equal pixels in the rows of `area`.
    fn runs(&self, area: Dirty, mut run: impl FnMut(u32, usize)) {
        let stride = self.size().0;
        for y in area.y..area.y + area.h {
            let row = &self.pixels[y * stride + area.x..][..area.w];
            for stretch in row.chunk_by(|a, b| a == b) {
                run(stretch[0], stretch.len());
            }
        }
    }

    /// The whole picture as an area.
    pub fn whole(&self) -> Dirty {
        let (w, h) = self.size();
        Dirty { x: 0, y: 0, w, h }
    }

    /// The background colour of the picture.
    pub fn background(&self) -> Rgb {
        self.look.bg
    }
}

/// What a control picture (U+2400…U+2421) abbreviates.
fn control_name(c: char) -> Option<&'static str> {
    const NAMES: [&str; 34] = [
        "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI", "DLE",
        "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US", "SP",
        "DEL",
    ];
    let index = (c as u32).checked_sub(0x2400)?;
    NAMES.get(index as usize).copied()
}

fn row_cells(buffer: &Buffer, y: u16) -> &[Cell] {
    let columns = usize::from(buffer.area.width);
    buffer.content.get(usize::from(y) * columns..(usize::from(y) + 1) * columns).unwrap_or(&[])
}

fn grow(bounds: &mut Option<(u16, u16, u16, u16)>, x0: u16, y: u16, x1: u16) {
    let (left, top, right, bottom) = bounds.unwrap_or((x0, y, x1, y + 1));
    *bounds = Some((left.min(x0), top.min(y), right.max(x1), bottom.max(y + 1)));
}

fn merge(pixels: &mut [u8], more: &[u8]) {
    for (pixel, &alpha) in pixels.iter_mut().zip(more) {
        *pixel = (*pixel).max(alpha);
    }
}

/// Characters that have no picture of their own: joiners, variation selectors, marks the font lacks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ad}')
        || unicode_width::UnicodeWidthChar::width(c) == Some(0)
}
