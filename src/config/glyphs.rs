//! The drawing characters of the screen, with a plain ASCII set for terminals that are not UTF-8.

/// Characters for frames, bars and marks. Every entry is one column wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// Horizontal and vertical line.
    pub line: [&'static str; 2],
    /// Corners: top left, top right, bottom left, bottom right.
    pub corner: [&'static str; 4],
    /// Tees: pointing right (on a left edge) and left (on a right edge).
    pub tee: [&'static str; 2],
    /// Bars of one to eight eighths of a cell's height.
    pub eighths: [&'static str; 8],
    /// Bars of one to eight eighths of a cell's width.
    pub wide: [&'static str; 8],
    /// Ends of the timeline's bar.
    pub ends: [&'static str; 2],
    /// A filled and an unfilled part of a bar.
    pub bar: [&'static str; 2],
    /// A value that is not known.
    pub unknown: &'static str,
    /// Between items of one line.
    pub dot: &'static str,
    /// From one value to the next.
    pub arrow: &'static str,
    /// Playing, paused, finished, looping.
    pub play: [&'static str; 4],
    /// A colour sample in a legend.
    pub swatch: &'static str,
    /// The playhead, and a marker for a notable step.
    pub head: [&'static str; 2],
    /// More text above, more below.
    pub more: [&'static str; 2],
    /// Times and plus-minus in numbers such as `2×`.
    pub times: &'static str,
    /// Line of a chart's axis and its points, faint and strong.
    pub point: [&'static str; 2],
    /// Ellipsis.
    pub ellipsis: &'static str,
}

impl Glyphs {
    /// Box drawing and blocks.
    pub const UNICODE: Self = Self {
        line: ["─", "│"],
        corner: ["┌", "┐", "└", "┘"],
        tee: ["├", "┤"],
        eighths: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
        wide: ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
        ends: ["▕", "▏"],
        bar: ["█", "─"],
        unknown: "·",
        dot: "·",
        arrow: "→",
        play: ["▶", "‖", "■", "↻"],
        swatch: "▇",
        head: ["▲", "▾"],
        more: ["↑", "↓"],
        times: "×",
        point: ["·", "•"],
        ellipsis: "…",
    };

    /// Nothing outside ASCII.
    pub const ASCII: Self = Self {
        line: ["-", "|"],
        corner: ["+", "+", "+", "+"],
        tee: ["+", "+"],
        eighths: [".", ".", ":", ":", "-", "=", "#", "#"],
        wide: ["-", "-", "-", "-", "=", "=", "=", "="],
        ends: ["[", "]"],
        bar: ["#", "-"],
        unknown: ".",
        dot: "|",
        arrow: ">",
        play: [">", "=", "#", "@"],
        swatch: "#",
        head: ["^", "v"],
        more: ["^", "v"],
        times: "x",
        point: [".", "o"],
        ellipsis: "~",
    };

    /// Whether this is the ASCII set.
    pub fn is_ascii(&self) -> bool {
        self.line[0] == "-"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    fn all(g: &Glyphs) -> Vec<&'static str> {
        let mut out = vec![g.unknown, g.dot, g.arrow, g.swatch, g.times, g.ellipsis];
        out.extend(g.line.iter().chain(&g.corner).chain(&g.tee).chain(&g.ends));
        out.extend(g.eighths.iter().chain(&g.wide).chain(&g.bar).chain(&g.play).chain(&g.head));
        out.extend(g.more.iter().chain(&g.point));
        out
    }

    #[test]
    fn every_glyph_is_one_column() {
        for glyphs in [Glyphs::UNICODE, Glyphs::ASCII] {
            for glyph in all(&glyphs) {
                assert_eq!(glyph.width(), 1, "{glyph}");
            }
        }
        assert!(all(&Glyphs::ASCII).iter().all(|g| g.is_ascii()));
    }
}
