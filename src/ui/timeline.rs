//! Time: where the playhead is, what each step changed, and how fast it plays.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::canvas::Canvas;
use super::spark::{self, Bars};
use super::{legend, number};
use crate::app::{Run, State, Target};
use crate::config::theme::{Role, level};
use crate::model::Source;

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let Some(run) = state.run() else { return };
    let area = state.layout.timeline;
    let end = area.right().saturating_sub(1);
    // Text takes its place from the right; the bar has what is left.
    let texts = texts(state, run, canvas);
    let text_width = texts.iter().map(|(t, _)| t.chars().count() as u16).sum::<u16>();
    let least = if area.width >= 72 { 16 } else { 8 };
    let text_end = if legend::fits_timeline(state) {
        // The legend's place is as wide for each of them, so that another overlay moves nothing.
        let start = end.saturating_sub(legend::reserved(state, canvas)).max(area.x + text_width + least + 6);
        legend::draw_before(state, canvas, start, end, area.y);
        start.saturating_sub(3)
    } else {
        end
    };
    let x = text_end.saturating_sub(text_width).max(area.x + 1);
    let mut at = x;
    for (text, style) in &texts {
        at = canvas.text(at, area.y, text_end.saturating_sub(at), text, *style);
    }
    let cells = x.saturating_sub(area.x + 5);
    if cells >= 4 {
        bar(state, run, (area.x + 2, area.y, cells), canvas);
    }
}

fn texts(state: &State, run: &Run, canvas: &Canvas<'_>) -> Vec<(String, Style)> {
    let theme = canvas.theme();
    let (text, muted) = (theme.role(Role::Text), theme.role(Role::Muted));
    let glyphs = canvas.glyphs();
    let (at, steps) = (run.playhead, run.steps());
    let digits = steps.to_string().len();
    let wide = state.size.0 >= 72;
    let mut out = vec![];
    let play = match () {
        () if waits(state, run) => (format!("computing{}", glyphs.ellipsis), theme.role(Role::Accent)),
        () if state.play.on => {
            let mode = if state.play.looping { glyphs.play[3] } else { glyphs.play[0] };
            (format!("{mode} {}{}", state.speed(), glyphs.times), theme.role(Role::Accent))
        }
        () if at == steps => (format!("{} {}{}", glyphs.play[2], state.speed(), glyphs.times), muted),
        () => (format!("{} {}{}", glyphs.play[1], state.speed(), glyphs.times), muted),
    };
    let play_width = 11;
    if wide {
        out.push(("step ".to_owned(), muted));
    }
    out.push((format!("{at:>digits$}/{steps}"), text.add_modifier(Modifier::BOLD)));
    let t = run.timeline.t(at);
    let before = if at == 0 { t } else { run.timeline.t(at - 1) };
    let times = if wide && at == 0 {
        format!("   t {:<11}", number::fixed(t, 3))
    } else if wide {
        format!("   t {}{}{}", number::fixed(before, 3), glyphs.arrow, number::fixed(t, 3))
    } else {
        format!("  t {}", number::fixed(t, 2))
    };
    out.push((times, muted));
    let ms = match run.timeline.ms(at) {
        _ if at == 0 => "noise".to_owned(),
        Some(ms) => format!("{}{}", number::ms(ms), if wide { "/step" } else { "" }),
        None => "–".to_owned(),
    };
    let (gap, width) = if wide { ("   ", 12) } else { ("  ", 6) };
    out.push((format!("{gap}{ms:<width$}"), muted));
    if wide {
        out.push((format!("  {:<play_width$}", play.0), play.1));
    } else {
        out.push((format!(" {}", play.0.chars().next().unwrap_or(' ')), play.1));
    }
    out
}

/// Whether the next thing to show is still being computed.
fn waits(state: &State, run: &Run) -> bool {
    let live = state.live.is_some() && run.failed.is_none();
    live && !run.is_complete() && run.playhead == run.newest() && (state.play.on || run.ahead > 0)
}

/// The bar, and above it how much each step changed.
fn bar(state: &State, run: &Run, (x, y, cells): (u16, u16, u16), canvas: &mut Canvas<'_>) {
    let glyphs = canvas.glyphs();
    let faint = canvas.theme().role(Role::Faint);
    let steps = run.steps();
    canvas.text(x - 1, y, 1, glyphs.ends[0], faint);
    canvas.text(x + cells, y, 1, glyphs.ends[1], faint);
    let rows = state.layout.bars.map_or(0, |b| b.height);
    for cell in 0..cells {
        let step = spark::step_of(cell, cells, steps);
        let (glyph, style) = if step <= run.playhead {
            (glyphs.bar[0], canvas.theme().ramp(level(step, steps)))
        } else if step <= run.newest() {
            (glyphs.bar[1], canvas.theme().role(Role::Muted))
        } else {
            (glyphs.unknown, faint)
        };
        canvas.text(x + cell, y, 1, glyph, style);
        canvas.hits.add(Rect::new(x + cell, y - rows, 1, rows + 1), Target::Step(step));
    }
    canvas.hits.add(Rect::new(x - 1, y - rows, 1, rows + 1), Target::Step(0));
    markers(run, (x, y, cells), canvas);
    if let Some(area) = state.layout.bars {
        let most = (1..=run.newest()).map(|s| run.timeline.changed_count(s)).max().unwrap_or(0).max(1);
        let bars = Bars { steps, playhead: run.playhead, later: true, rows };
        spark::draw(canvas, (x, area.y, cells), &bars, |s| {
            let count = (s <= run.newest()).then(|| run.timeline.changed_count(s))?;
            (count > 0).then(|| count as f64 / most as f64)
        });
    }
}

/// Marks on the bar: where perplexity rose, where it fell most, and the last step of a uniform source, which draws every
/// position afresh.
fn markers(run: &Run, (x, y, cells): (u16, u16, u16), canvas: &mut Canvas<'_>) {
    let steps = run.steps();
    // The last cell that covers a step.
    let column = |step: u32| (0..cells).rev().find(|&c| spark::steps_of(c, cells, steps).contains(&step));
    let (warn, accent) = (canvas.theme().role(Role::Warn), canvas.theme().role(Role::Accent));
    let glyphs = canvas.glyphs();
    let mut marks: Vec<(u32, &str, Style)> = Vec::new();
    if run.timeline.meta().model.source == Source::Uniform && steps > 1 {
        marks.push((steps, glyphs.play[3], accent));
    }
    let (rises, fall) = perplexity_jumps(run);
    marks.extend(fall.map(|step| (step, glyphs.head[1], accent)));
    marks.extend(rises.into_iter().map(|step| (step, glyphs.head[0], warn)));
    // What was placed first keeps its cell; another mark that would cover it goes to the left of it.
    let mut placed: Vec<(u16, &str)> = Vec::new();
    for (step, glyph, style) in marks {
        let free = |cell: &u16| placed.iter().all(|(at, other)| at != cell || *other == glyph);
        let Some(cell) =
            column(step).and_then(|cell| [Some(cell), cell.checked_sub(1)].into_iter().flatten().find(free))
        else {
            continue;
        };
        let style = style.bg(canvas.theme().base().bg.unwrap_or_default());
        canvas.text(x + cell, y, 1, glyph, style);
        placed.push((cell, glyph));
    }
}

/// The steps after which perplexity is a tenth higher than before, and the one after which it fell most, if by half.
fn perplexity_jumps(run: &Run) -> (Vec<u32>, Option<u32>) {
    let ratio = |step: u32| {
        let (before, after) = (run.timeline.perplexity(step - 1)?, run.timeline.perplexity(step)?);
        Some(after / before).filter(|r| r.is_finite())
    };
    let known: Vec<(u32, f64)> = (1..=run.newest()).filter_map(|s| Some((s, ratio(s)?))).collect();
    let rises = known.iter().filter(|(_, r)| *r > 1.1).map(|(s, _)| *s).collect();
    let fall = known.iter().filter(|(_, r)| *r < 0.5).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(s, _)| *s);
    (rises, fall)
}
