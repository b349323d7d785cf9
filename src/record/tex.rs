//! The figure for papers: a TeX fragment of plain coloured boxes, to be read with `\input`.
//!
//! It needs nothing but the `xcolor` package. Every token is a box of its own, lines break between tokens.

use std::fmt::Write as _;

use ratatui::style::Color;

use super::escape::tex;
use super::figure::{Colours, Figure, about, number, swatches};
use super::look::{Look, Rgb};
use crate::config::theme::{LEVELS, Token};
use crate::text::pieces;

/// The text at a step.
pub fn render(figure: &Figure<'_>, step: u32) -> String {
    let Figure { vocab, timeline, theme, .. } = figure;
    let look = Look::of(theme);
    let mut out = String::new();
    let _ = writeln!(out, "% {} -- step {step}/{}", comment(&about(timeline)), timeline.steps());
    out.push_str(
        "% Made by fewstep. Needs \\usepackage{xcolor}; for text beyond Latin letters use LuaLaTeX or XeLaTeX.\n",
    );
    for level in 0..LEVELS as u8 {
        let style = theme.token(Token { level: Some(level), ..Token::default() });
        let of = |color: Option<Color>, otherwise: Rgb| color.and_then(|color| look.rgb(color)).unwrap_or(otherwise);
        define(&mut out, &format!("fslate{level}"), of(style.bg, look.bg));
        define(&mut out, &format!("fsink{level}"), of(style.fg, look.fg));
    }
    let frozen = theme.token(Token { frozen: true, ..Token::default() });
    define(&mut out, "fsfrozen", frozen.fg.and_then(|color| look.rgb(color)).unwrap_or(look.fg));
    out.push_str(
        "\\providecommand{\\fstoken}[2]{{\\setlength{\\fboxsep}{0pt}\\colorbox{fslate#1}{\\strut\\textcolor{fsink#1}{#2}}}\\hskip 0pt\\relax}\n\
         \\providecommand{\\fsplain}[1]{\\mbox{\\strut #1}\\hskip 0pt\\relax}\n\
         \\providecommand{\\fsfrozen}[1]{\\mbox{\\strut\\textcolor{fsfrozen}{\\itshape #1}}\\hskip 0pt\\relax}\n\
         \\providecommand{\\fsreturn}{\\ensuremath{\\hookleftarrow}}\n\
         \\begingroup\\ttfamily\\raggedright\\noindent\n",
    );
    let colours = Colours::new(timeline, step);
    for piece in pieces(vocab, &timeline.ids(step)) {
        let token = colours.token(piece.first, piece.count, piece.kind);
        let text = tex(&piece.text);
        let _ = match token.level {
            _ if token.frozen => write!(out, "\\fsfrozen{{{text}}}"),
            Some(level) => write!(out, "\\fstoken{{{level}}}{{{text}}}"),
            None => write!(out, "\\fsplain{{{text}}}"),
        };
        out.push_str(if piece.breaks { "\\\\\n" } else { "%\n" });
    }
    out.push_str("\\par\\endgroup\n");
    let _ = write!(out, "\\begingroup\\footnotesize\\noindent step {step}/{}", timeline.steps());
    if let Some(perplexity) = timeline.perplexity(step) {
        let _ = write!(out, ", perplexity {}", number(perplexity));
    }
    let _ = write!(out, ", entropy {:.2} bits; last changed at step ", timeline.entropy(step));
    for (level, label) in swatches(timeline.steps()) {
        let _ = write!(out, "\\fstoken{{{level}}}{{\\ {}\\ }}", label.replace('–', "--"));
    }
    out.push_str("\\par\\endgroup\n");
    out
}

fn define(out: &mut String, name: &str, Rgb(r, g, b): Rgb) {
    let _ = writeln!(out, "\\definecolor{{{name}}}{{RGB}}{{{r},{g},{b}}}");
}

/// Text for a comment, which must stay on its line.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
