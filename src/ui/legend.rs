//! What the colours of the tokens mean, early to late.

use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::canvas::{Canvas, width};
use crate::app::{Overlay, State};
use crate::config::Mode;
use crate::config::theme::{Depth, LEVELS, Role, level};

/// From this width on the step line has room for the legend.
const TIMELINE_FROM: u16 = 110;

/// From this width on there is room for the longest.
const LONG_FROM: u16 = 140;
/// Columns of the longest.
const LONGEST: u16 = 36;
/// Columns of the longest short one.
const SHORT: u16 = 23;

/// Whether the step line shows it, not the frame of the passage.
pub fn fits_timeline(state: &State) -> bool {
    state.size.0 >= TIMELINE_FROM
}

/// How much a legend says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Names and units in full.
    Long,
    /// As few columns as make sense.
    Short,
}

/// The legend of an overlay as pieces of text.
fn spans(state: &State, overlay: Overlay, form: Form, canvas: &Canvas<'_>) -> Vec<(String, Style)> {
    let long = form == Form::Long;
    let pick = |full: &'static str, brief: &'static str| if long { full } else { brief };
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
    match overlay {
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
        Overlay::Revisions if !long => out.extend(scale("changes ", "1", &format!("{LEVELS}+"))),
        Overlay::Revisions => {
            out.push(("changes ".to_owned(), muted));
            for count in 1..=LEVELS as u8 {
                let label = if count == LEVELS as u8 { format!("{count}+") } else { count.to_string() };
                out.extend(entry(label, count - 1));
            }
        }
        Overlay::ChangedNow => {
            let step = state.run().map_or(0, |r| r.playhead);
            out.push((pick("changed in step ", "changed ").to_owned(), muted));
            out.extend(entry(step.to_string(), level(step, steps)));
        }
        overlay if state.run().is_none_or(|run| !overlay.is_known(run)) => {
            let name = if long { format!("{}: ", overlay.label()) } else { String::new() };
            out.push((format!("{name}not known here"), muted));
        }
        Overlay::Entropy => out.extend(scale(pick("posterior entropy ", "entropy "), "0", pick("7+ bits", "7+"))),
        Overlay::Surprise => out.extend(scale(pick("judge surprise ", "surprise "), "0", pick("7+ nats", "7+"))),
        Overlay::Probability => out.extend(scale(pick("probability ", "prob. "), "0", "1")),
        Overlay::JumpProbability => out.extend(scale(pick("jump probability ", "jump p "), "0", "1")),
    }
    out
}

/// Draws it so that it ends before column `end`, if it fits after `start`. Where it begins comes back.
pub(super) fn draw_before(state: &State, canvas: &mut Canvas<'_>, start: u16, end: u16, y: u16) -> u16 {
    for form in [Form::Long, Form::Short] {
        let spans = spans(state, state.overlay, form, canvas);
        let spans: Vec<(&str, Style)> = spans.iter().map(|(text, style)| (text.as_str(), *style)).collect();
        let width = width(&spans);
        if let Some(x) = end.checked_sub(width).filter(|&x| x >= start) {
            canvas.spans(x, y, width, &spans);
            return x;
        }
    }
    end
}

/// Columns kept for it on the step line, so that what is beside it stays in place whatever the colours mean.
pub(super) fn reserved(state: &State, canvas: &Canvas<'_>) -> u16 {
    let usual = spans(state, Overlay::default(), Form::Long, canvas);
    let usual = usual.iter().map(|(text, _)| text.width() as u16).sum::<u16>();
    usual.max(if state.size.0 >= LONG_FROM { LONGEST } else { SHORT })
}

/// Draws it at the right of the bottom line, where there is no other place and the colours are not the usual ones.
pub(super) fn draw_keys(state: &State, canvas: &mut Canvas<'_>, area: Rect) -> u16 {
    let end = area.right().saturating_sub(1);
    let elsewhere = fits_timeline(state) || state.layout.main.is_some();
    if elsewhere || state.overlay == Overlay::default() || !matches!(state.mode(), Mode::Main) {
        return end;
    }
    draw_before(state, canvas, end.saturating_sub(SHORT), end, area.y)
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
