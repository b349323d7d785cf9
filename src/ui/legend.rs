//! What the colours of the tokens mean, early to late.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Canvas, width};
use crate::app::{Overlay, State};
use crate::config::theme::{Depth, LEVELS, Role, level};

/// From this width on the step line has room for the legend.
const TIMELINE_FROM: u16 = 110;

/// Whether the step line shows it, not the frame of the passage.
pub fn fits_timeline(state: &State) -> bool {
    state.size.0 >= TIMELINE_FROM
}

/// The legend as pieces of text.
fn spans(state: &State, canvas: &Canvas<'_>) -> Vec<(String, Style)> {
    let theme = canvas.theme();
    let muted = theme.role(Role::Muted);
    let steps = state.run().map_or(1, crate::app::Run::steps).max(1);
    let swatch = canvas.glyphs().swatch;
    // Without colours a swatch says little; the number itself is set in the style it stands for.
    let entry = |label: String, level: u8| {
        let style = theme.ramp(level);
        if theme.depth() == Depth::None {
            vec![(format!("{label} "), style)]
        } else {
            vec![(label, muted), (swatch.to_owned(), style)]
        }
    };
    let mut out = Vec::new();
    let ramp = (0..LEVELS as u8).map(|l| (swatch.to_owned(), theme.ramp(l)));
    let scale = |name: &str, low: &str, high: &str| {
        let ends = [(format!("{name}{low} "), muted), (format!(" {high}"), muted)];
        let [first, last] = ends;
        std::iter::once(first).chain(ramp.clone()).chain([last]).collect::<Vec<_>>()
    };
    match state.overlay {
        Overlay::LastChange => {
            out.push(("early ".to_owned(), muted));
            if steps <= LEVELS as u32 {
                out.extend((1..=steps).flat_map(|s| entry(s.to_string(), level(s, steps))));
            } else {
                out.push(("1".to_owned(), muted));
                out.extend((0..LEVELS as u8).map(|l| (swatch.to_owned(), theme.ramp(l))));
                out.push((steps.to_string(), muted));
            }
            out.push((" late".to_owned(), muted));
        }
        Overlay::Revisions => {
            out.push(("changes ".to_owned(), muted));
            for count in 1..=LEVELS as u8 {
                let label = if count == LEVELS as u8 { format!("{count}+") } else { count.to_string() };
                out.extend(entry(label, count - 1));
            }
        }
        Overlay::ChangedNow => {
            let step = state.run().map_or(0, |r| r.playhead);
            out.push(("changed in step ".to_owned(), muted));
            out.extend(entry(step.to_string(), level(step, steps)));
        }
        overlay if state.run().is_none_or(|run| !overlay.is_known(run)) => {
            out.push((format!("{}: not known here", overlay.label()), muted));
        }
        Overlay::Entropy => out.extend(scale("posterior entropy ", "0", "7+ bits")),
        Overlay::Surprise => out.extend(scale("judge surprise ", "0", "7+ nats")),
        Overlay::Probability => out.extend(scale("probability ", "0", "1")),
        Overlay::JumpProbability => out.extend(scale("jump probability ", "0", "1")),
    }
    out
}

/// Draws it so that it ends before column `end`, if it fits after `start`. Where it begins comes back.
pub(super) fn draw_before(state: &State, canvas: &mut Canvas<'_>, start: u16, end: u16, y: u16) -> u16 {
    let spans = spans(state, canvas);
    let spans: Vec<(&str, Style)> = spans.iter().map(|(text, style)| (text.as_str(), *style)).collect();
    let width = width(&spans);
    match end.checked_sub(width).filter(|&x| x >= start) {
        Some(x) => {
            canvas.spans(x, y, width, &spans);
            x
        }
        None => end,
    }
}

/// Draws it at the right of a frame's upper line.
pub(super) fn draw_right(state: &State, canvas: &mut Canvas<'_>, frame: Rect) {
    let end = frame.right().saturating_sub(3);
    let start = frame.x + 24;
    let x = draw_before(state, canvas, start, end, frame.y);
    if x < end {
        canvas.text(x - 1, frame.y, 1, " ", Style::new());
        canvas.text(end, frame.y, 1, " ", Style::new());
    }
}
