//! The paper's figure as a drawn screen: the text at a step, each token coloured by the step that last changed it,
//! with a title and a legend. Pictures, vectors and coloured text are all made from it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::config::Theme;
use crate::config::theme::{LEVELS, Role, Token, level};
use crate::text::{Kind, Vocab, pieces, safe, wrap};
use crate::trace::Timeline;

/// What figures are drawn from.
#[derive(Clone, Copy, Debug)]
pub struct Figure<'a> {
    /// Text of the ids.
    pub vocab: &'a Vocab,
    /// The run.
    pub timeline: &'a Timeline,
    /// Colours.
    pub theme: &'a Theme,
    /// Columns of text.
    pub width: u16,
}

/// Most rows of a figure: what a buffer can address with room to spare.
const MAX_ROWS: usize = 20_000;

/// One line: what to write and how.
type Line = Vec<(String, Style)>;

impl Figure<'_> {
    /// The text at one step, with title and legend.
    pub fn at(&self, step: u32) -> Buffer {
        self.strip(&[step])
    }

    /// The text at several steps, one below the other.
    pub fn strip(&self, steps: &[u32]) -> Buffer {
        let mut lines = vec![self.title()];
        for &step in steps {
            lines.push(Line::new());
            lines.push(self.heading(step));
            lines.extend(self.text(step));
        }
        lines.push(Line::new());
        lines.push(self.legend());
        self.draw(&lines)
    }

    /// Only the text.
    pub fn bare(&self, step: u32) -> Buffer {
        self.draw(&self.text(step))
    }

    fn draw(&self, lines: &[Line]) -> Buffer {
        let rows = lines.len().clamp(1, MAX_ROWS) as u16;
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.width.max(1), rows));
        buffer.set_style(buffer.area, self.theme.base());
        for (line, y) in lines.iter().zip(0..rows) {
            let mut x = 0;
            for (text, style) in line {
                let room = usize::from(self.width.saturating_sub(x));
                (x, _) = buffer.set_stringn(x, y, text, room, *style);
            }
        }
        buffer
    }

    fn title(&self) -> Line {
        let muted = self.theme.role(Role::Muted);
        vec![("fewstep".to_owned(), self.theme.role(Role::Accent)), (format!("  {}", about(self.timeline)), muted)]
    }

    fn heading(&self, step: u32) -> Line {
        let muted = self.theme.role(Role::Muted);
        let mut line = vec![(format!("step {step}/{}", self.timeline.steps()), self.theme.role(Role::Text))];
        if let Some(perplexity) = self.timeline.perplexity(step) {
            line.push((format!("   perplexity {}", number(perplexity)), muted));
        }
        line.push((format!("   entropy {:.2} bits", self.timeline.entropy(step)), muted));
        line.push((format!("   repeats {:.1} %", 100.0 * self.timeline.repeats(step)), muted));
        line
    }

    fn text(&self, step: u32) -> Vec<Line> {
        let ids = self.timeline.ids(step);
        let colours = Colours::new(self.timeline, step);
        wrap(&pieces(self.vocab, &ids), self.width.max(1))
            .lines
            .into_iter()
            .map(|line| {
                line.glyphs
                    .into_iter()
                    .map(|glyph| {
                        let token = colours.token(glyph.pos, glyph.count, glyph.kind);
                        (glyph.text, self.theme.token(token))
                    })
                    .collect()
            })
            .collect()
    }

    fn legend(&self) -> Line {
        let muted = self.theme.role(Role::Muted);
        let mut line = vec![("last changed  early ".to_owned(), muted)];
        for (level, label) in swatches(self.timeline.steps()) {
            let token = Token { level: Some(level), ..Token::default() };
            line.push((format!(" {label} "), self.theme.token(token)));
        }
        line.push((" late".to_owned(), muted));
        line
    }
}

/// How tokens are coloured at a step.
#[derive(Debug)]
pub struct Colours {
    last_change: std::sync::Arc<[u32]>,
    frozen: Vec<u32>,
    steps: u32,
}

impl Colours {
    /// The colours of a run at a step.
    pub fn new(timeline: &Timeline, step: u32) -> Self {
        Self {
            last_change: timeline.last_change(step),
            frozen: timeline.meta().config.frozen.iter().map(|&(position, _)| position).collect(),
            steps: timeline.steps(),
        }
    }

    /// What decides the looks of a piece that covers `count` positions from `first` on.
    pub fn token(&self, first: u32, count: u32, kind: Kind) -> Token {
        let changes = (first..first + count).filter_map(|position| self.last_change.get(position as usize).copied());
        let last = changes.max().unwrap_or(0);
        Token {
            level: (last > 0).then(|| level(last, self.steps)),
            frozen: self.frozen.binary_search(&first).is_ok(),
            odd: first % 2 == 1,
            placeholder: kind != Kind::Text,
            ..Token::default()
        }
    }
}

/// What made a run, in a few words; safe to print.
pub fn about(timeline: &Timeline) -> String {
    let meta = timeline.meta();
    let mut parts = Vec::new();
    if !meta.model.name.is_empty() {
        parts.push(safe(&meta.model.name).into_owned());
    }
    parts.push(safe(meta.solver_label()).into_owned());
    parts.extend(meta.seed().map(|seed| format!("seed {seed}")));
    parts.push(format!("{} tokens", timeline.tokens()));
    parts.join(" · ")
}

/// The ramp's levels that a budget uses, each with the step or steps it stands for.
pub fn swatches(steps: u32) -> Vec<(u8, String)> {
    let mut swatches: Vec<(u8, u32, u32)> = Vec::with_capacity(LEVELS);
    for step in 1..=steps.max(1) {
        let level = level(step, steps);
        match swatches.last_mut() {
            Some((last, _, end)) if *last == level => *end = step,
            _ => swatches.push((level, step, step)),
        }
    }
    let label =
        |(level, from, to): (u8, u32, u32)| (level, if from == to { from.to_string() } else { format!("{from}–{to}") });
    swatches.into_iter().map(label).collect()
}

/// Evenly spread steps of a run for a strip of `count`, the noise and the newest among them.
pub fn spread(timeline: &Timeline, count: u32) -> Vec<u32> {
    let newest = timeline.newest();
    let count = count.clamp(2, 64).min(newest + 1);
    let mut steps: Vec<u32> = (0..count).map(|i| i * newest / (count - 1).max(1)).collect();
    steps.dedup();
    steps
}

/// A perplexity in few digits.
pub fn number(value: f64) -> String {
    match value.abs() {
        v if !v.is_finite() => "n/a".to_owned(),
        v if v < 100.0 => format!("{value:.1}"),
        v if v < 100_000.0 => format!("{value:.0}"),
        _ => format!("{value:.1e}"),
    }
}
