//! Lays pieces out in lines of cells, by words, and maps positions to cells and back.
//!
//! A word is everything between spaces, whichever tokens it is made of. A word that does not fit moves to the next
//! line; one wider than a whole line is broken between characters, as is text that uses wide characters instead of
//! spaces. The space before a word stays at the end of the line above; where that line is full it is dropped, as long
//! as its token has other cells.

use unicode_segmentation::UnicodeSegmentation as _;

use super::clean::{is_plain, width as text_width};
use super::display::{Kind, Piece};

/// What one piece shows on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glyph {
    /// First position covered.
    pub pos: u32,
    /// Number of positions covered, as in [`Piece::count`].
    pub count: u32,
    /// First column.
    pub col: u16,
    /// Safe text.
    pub text: String,
    /// Cells taken.
    pub width: u16,
    /// What it shows.
    pub kind: Kind,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Glyphs from left to right, without gaps.
    pub glyphs: Vec<Glyph>,
}

impl Line {
    /// Cells taken.
    pub fn width(&self) -> u16 {
        self.glyphs.last().map_or(0, |g| g.col + g.width)
    }
}

/// A text laid out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrapped {
    /// Lines from top to bottom.
    pub lines: Vec<Line>,
    /// Where each position shows.
    places: Vec<Option<Place>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    line: u32,
    col: u16,
    /// Nothing but spaces there.
    blank: bool,
}

impl Wrapped {
    /// Line and column of a position's first visible cell; of its space if it has nothing else.
    pub fn locate(&self, pos: u32) -> Option<(usize, u16)> {
        let place = (*self.places.get(pos as usize)?)?;
        Some((place.line as usize, place.col))
    }

    /// The (first) position shown in a cell.
    pub fn at(&self, line: usize, col: u16) -> Option<u32> {
        let glyphs = &self.lines.get(line)?.glyphs;
        let glyph = glyphs[..glyphs.partition_point(|g| g.col <= col)].last()?;
        (col < glyph.col + glyph.width).then_some(glyph.pos)
    }

    /// The position in a line nearest to a column: what a cursor that moves up or down lands on.
    pub fn nearest(&self, line: usize, col: u16) -> Option<u32> {
        let glyphs = &self.lines.get(line)?.glyphs;
        let right = glyphs.partition_point(|g| g.col <= col);
        glyphs.get(right.saturating_sub(1)).map(|g| g.pos)
    }
}

/// Wraps pieces at `width` cells; nothing fits in none.
pub fn wrap(pieces: &[Piece], width: u16) -> Wrapped {
    if width == 0 {
        return Wrapped::default();
    }
    let mut layout = Layout {
        pieces,
        width,
        out: Wrapped::default(),
        line: Line::default(),
        line_has: false,
        col: 0,
        last: usize::MAX,
        word: Vec::with_capacity(8),
        word_width: 0,
    };
    for (i, piece) in pieces.iter().enumerate() {
        layout.piece(i, piece);
    }
    layout.flush_word();
    if !layout.line.glyphs.is_empty() {
        layout.end_line();
    }
    layout.out
}

/// A part of a piece that is not placed yet.
#[derive(Clone, Copy)]
struct Part<'a> {
    piece: usize,
    text: &'a str,
    width: u16,
}

struct Layout<'a> {
    pieces: &'a [Piece],
    width: u16,
    out: Wrapped,
    line: Line,
    line_has: bool,
    col: u16,
    /// The piece of the line's last glyph.
    last: usize,
    word: Vec<Part<'a>>,
    word_width: u32,
}

impl<'a> Layout<'a> {
    fn piece(&mut self, index: usize, piece: &'a Piece) {
        let mut rest = piece.text.as_str();
        while !rest.is_empty() {
            let spaces = rest.len() - rest.trim_start_matches(' ').len();
            if spaces > 0 {
                self.flush_word();
                let lonely = spaces > 1 || spaces == piece.text.len();
                for _ in 0..spaces {
                    self.space(index, lonely);
                }
                rest = &rest[spaces..];
                continue;
            }
            let end = rest.find(' ').unwrap_or(rest.len());
            self.text(index, piece, &rest[..end]);
            rest = &rest[end..];
        }
        if piece.breaks {
            self.flush_word();
            self.end_line();
        }
    }

    fn text(&mut self, piece: usize, of: &Piece, text: &'a str) {
        let part = |text, width| Part { piece, text, width };
        if is_plain(text) {
            self.push_word(part(text, text.len().min(u16::MAX as usize) as u16));
            return;
        }
        if of.kind != Kind::Text {
            self.push_word(part(text, text_width(text)));
            return;
        }
        // Scripts that do without spaces may break around every wide character.
        for cluster in text.graphemes(true) {
            let width = text_width(cluster);
            if width >= 2 {
                self.flush_word();
            }
            self.push_word(part(cluster, width));
            if width >= 2 {
                self.flush_word();
            }
        }
    }

    fn push_word(&mut self, part: Part<'a>) {
        self.word.push(part);
        self.word_width += u32::from(part.width);
    }

    fn space(&mut self, piece: usize, lonely: bool) {
        if self.col >= self.width {
            self.end_line();
            if !lonely {
                return;
            }
        }
        self.place(Part { piece, text: " ", width: 1 });
    }

    fn flush_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        let fits = |free: u16, need: u32| need <= u32::from(free);
        if !fits(self.width - self.col, self.word_width) && self.col > 0 {
            self.end_line();
        }
        let word = std::mem::take(&mut self.word);
        if fits(self.width, self.word_width) {
            for part in &word {
                self.place(*part);
            }
        } else {
            for part in &word {
                self.place_broken(*part);
            }
        }
        self.word = word;
        self.word.clear();
        self.word_width = 0;
    }

    /// Places a part of a word that is wider than the line, cluster by cluster.
    fn place_broken(&mut self, part: Part<'a>) {
        for cluster in part.text.graphemes(true) {
            let mut cluster = Part { text: cluster, width: text_width(cluster), ..part };
            if cluster.width > self.width {
                // Nothing of this width can be shown here at all.
                (cluster.text, cluster.width) = ("?", 1);
            }
            if self.col + cluster.width > self.width {
                self.end_line();
            }
            self.place(cluster);
        }
    }

    fn place(&mut self, part: Part<'a>) {
        let piece = &self.pieces[part.piece];
        let blank = part.text == " ";
        if self.line_has && self.last == part.piece {
            if let Some(glyph) = self.line.glyphs.last_mut() {
                glyph.text.push_str(part.text);
                glyph.width += part.width;
            }
        } else {
            self.line.glyphs.push(Glyph {
                pos: piece.first,
                count: piece.count,
                col: self.col,
                text: part.text.to_owned(),
                width: part.width,
                kind: piece.kind,
            });
            (self.last, self.line_has) = (part.piece, true);
        }
        let place = Place { line: self.out.lines.len() as u32, col: self.col, blank };
        let end = (piece.first + piece.count) as usize;
        if self.out.places.len() < end {
            self.out.places.resize(end, None);
        }
        for slot in &mut self.out.places[piece.first as usize..end] {
            if slot.is_none_or(|known| known.blank && !blank) {
                *slot = Some(place);
            }
        }
        self.col += part.width;
    }

    fn end_line(&mut self) {
        self.out.lines.push(std::mem::take(&mut self.line));
        self.line_has = false;
        self.col = 0;
    }
}
