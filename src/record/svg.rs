//! A screen as vectors: rectangles for backgrounds, text on a grid, lines and blocks as shapes.
//!
//! The text stays text (it can be searched and copied) and is stretched to its cells by `textLength`, so that the grid
//! holds whatever monospace font the reader has.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ratatui::buffer::Buffer;

use super::escape::xml;
use super::look::{Look, Rgb};
use super::screen::{self, Paint};
use super::shapes::{self, Shape};

/// Units of a cell; only their ratio shows.
const CELL: (u16, u16) = (10, 20);
const BASELINE: u16 = 15;
const MARGIN: u16 = 10;

/// The picture as one SVG document.
pub fn render(screen: &Buffer, look: &Look, title: &str) -> String {
    let (w, h) = (u32::from(screen.area.width) * u32::from(CELL.0), u32::from(screen.area.height) * u32::from(CELL.1));
    let (full_w, full_h) = (w + 2 * u32::from(MARGIN), h + 2 * u32::from(MARGIN));
    let mut drawing = Drawing::default();
    for y in 0..screen.area.height {
        drawing.row(screen, y, look);
    }
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {full_w} {full_h}\" width=\"{full_w}\" height=\"{full_h}\" role=\"img\">\n\
         <title>{}</title>\n\
         <style>text{{font:16px 'DejaVu Sans Mono','JetBrains Mono',Menlo,Consolas,monospace;white-space:pre}}\
         .b{{font-weight:bold}}.i{{font-style:italic}}</style>\n\
         <rect width=\"{full_w}\" height=\"{full_h}\" fill=\"{}\"/>\n\
         <g transform=\"translate({MARGIN} {MARGIN})\">\n",
        xml(title),
        look.bg.hex()
    );
    if !drawing.shapes.is_empty() {
        out.push_str("<defs>\n");
        for (c, id) in &drawing.shapes {
            define(&mut out, *c, *id);
        }
        out.push_str("</defs>\n");
    }
    out.push_str(&drawing.ground);
    out.push_str(&drawing.ink);
    out.push_str("</g>\n</svg>\n");
    out
}

#[derive(Default)]
struct Drawing {
    ground: String,
    ink: String,
    /// Characters drawn as shapes, with their ids.
    shapes: BTreeMap<char, usize>,
}

/// Text of one style that stands in neighbouring cells.
struct Run {
    x: u16,
    columns: u16,
    text: String,
    paint: Paint,
    /// A run that may not be joined with the next: a wide or composed symbol.
    alone: bool,
}

impl Drawing {
    fn row(&mut self, screen: &Buffer, y: u16, look: &Look) {
        let mut ground: Option<(u16, u16, Rgb)> = None;
        let mut run: Option<Run> = None;
        for spot in screen::row(screen, y) {
            let paint = screen::paint(spot.cell, look);
            match &mut ground {
                Some((x, columns, colour)) if *colour == paint.bg && *x + *columns == spot.x => *columns += spot.width,
                _ => {
                    self.fill(ground.take(), y, look);
                    ground = Some((spot.x, spot.width, paint.bg));
                }
            }
            let symbol = screen::symbol(spot.cell);
            let mut chars = symbol.chars();
            let (first, more) = (chars.next().unwrap_or(' '), chars.next().is_some());
            if !more && shapes::shape(first, CELL.0, CELL.1).is_some() {
                self.text(run.take(), y);
                let next = self.shapes.len();
                let id = *self.shapes.entry(first).or_insert(next);
                let _ = writeln!(
                    self.ink,
                    "<use href=\"#s{id}\" x=\"{}\" y=\"{}\" color=\"{}\"/>",
                    u32::from(spot.x) * u32::from(CELL.0),
                    u32::from(y) * u32::from(CELL.1),
                    paint.fg.hex()
                );
                continue;
            }
            if symbol == " " && !paint.underline && !paint.strike {
                // A single space joins two words of a run; more end it.
                match &mut run {
                    Some(open) if open.paint == paint && !open.alone && !open.text.ends_with(' ') => {
                        open.text.push(' ');
                        open.columns += 1;
                    }
                    _ => self.text(run.take(), y),
                }
                continue;
            }
            let alone = more || spot.width > 1;
            match &mut run {
                Some(open) if open.paint == paint && !open.alone && !alone && open.x + open.columns == spot.x => {
                    open.text.push_str(&symbol);
                    open.columns += spot.width;
                }
                _ => {
                    self.text(run.take(), y);
                    run = Some(Run { x: spot.x, columns: spot.width, text: symbol.into_owned(), paint, alone });
                }
            }
        }
        self.fill(ground, y, look);
        self.text(run, y);
    }

    fn fill(&mut self, ground: Option<(u16, u16, Rgb)>, y: u16, look: &Look) {
        if let Some((x, columns, colour)) = ground.filter(|&(_, _, colour)| colour != look.bg) {
            let _ = writeln!(
                self.ground,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>",
                u32::from(x) * u32::from(CELL.0),
                u32::from(y) * u32::from(CELL.1),
                u32::from(columns) * u32::from(CELL.0),
                CELL.1,
                colour.hex()
            );
        }
    }

    fn text(&mut self, run: Option<Run>, y: u16) {
        let Some(mut run) = run else { return };
        if run.text.ends_with(' ') && run.text.len() > 1 {
            run.text.pop();
            run.columns -= 1;
        }
        let mut class = Vec::new();
        if run.paint.bold {
            class.push("b");
        }
        if run.paint.italic {
            class.push("i");
        }
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{}\"", class.join(" ")) };
        let decoration = match (run.paint.underline, run.paint.strike) {
            (true, true) => " text-decoration=\"underline line-through\"",
            (true, false) => " text-decoration=\"underline\"",
            (false, true) => " text-decoration=\"line-through\"",
            (false, false) => "",
        };
        let _ = writeln!(
            self.ink,
            "<text x=\"{}\" y=\"{}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{class}{decoration}>{}</text>",
            u32::from(run.x) * u32::from(CELL.0),
            u32::from(y) * u32::from(CELL.1) + u32::from(BASELINE),
            u32::from(run.columns) * u32::from(CELL.0),
            run.paint.fg.hex(),
            xml(&run.text)
        );
    }
}

/// Writes the definition of a character drawn as a shape.
fn define(out: &mut String, c: char, id: usize) {
    let Some(shape) = shapes::shape(c, CELL.0, CELL.1) else { return };
    match shape {
        Shape::Rects(rects) => {
            let alpha = rects.first().map_or(255, |rect| rect.alpha);
            let opacity =
                if alpha == 255 { String::new() } else { format!(" opacity=\"{:.2}\"", f32::from(alpha) / 255.0) };
            let _ = write!(out, "<path id=\"s{id}\" fill=\"currentColor\"{opacity} d=\"");
            for rect in rects {
                let (w, h) = (rect.x1 - rect.x0, rect.y1 - rect.y0);
                let _ = write!(out, "M{} {}h{w}v{h}h-{w}z", rect.x0, rect.y0);
            }
            out.push_str("\"/>\n");
        }
        Shape::Arc(arc) => {
            let (x, y) = arc.corner;
            let r = arc.radius;
            let (sx, side) = if arc.right { (1.0, f32::from(CELL.0)) } else { (-1.0, 0.0) };
            let (sy, end) = if arc.down { (1.0, f32::from(CELL.1)) } else { (-1.0, 0.0) };
            let _ = writeln!(
                out,
                "<path id=\"s{id}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"{}\" d=\"M{side} {y}L{} {y}Q{x} {y} {x} {}L{x} {end}\"/>",
                arc.thickness,
                x + sx * r,
                y + sy * r,
            );
        }
        Shape::Diagonal { rising, falling, thickness } => {
            let (w, h) = CELL;
            let mut path = String::new();
            if falling {
                let _ = write!(path, "M0 0L{w} {h}");
            }
            if rising {
                let _ = write!(path, "M0 {h}L{w} 0");
            }
            let _ =
                writeln!(out, "<path id=\"s{id}\" stroke=\"currentColor\" stroke-width=\"{thickness}\" d=\"{path}\"/>");
        }
    }
}
