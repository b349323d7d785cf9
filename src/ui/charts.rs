//! Charts over steps: this run in the accent, earlier ones faint behind it, and the values at the playhead.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::plot::Dots;
use super::series::{Series, share};
use crate::app::{Run, Side, State, Target};
use crate::config::theme::Role;

/// Rows of a chart, its title included.
const LEAST: u16 = 3;
/// From this width on a low panel has two columns of them.
const TWO_COLUMNS: u16 = 60;
/// Columns of the labels on the axis.
const LABELS: u16 = 7;
/// Earlier runs drawn, the newest of them.
const EARLIER: usize = 6;

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let (Some(area), Some(run), Side::Charts) = (state.layout.lower, state.run(), state.side) else {
        return;
    };
    let others: Vec<&Run> = state.runs.all().iter().filter(|r| r.id < run.id).rev().take(EARLIER).collect();
    let (columns, lines) = places(area);
    let shown = usize::from(columns * lines).min(Series::ALL.len());
    let first = state.chart.min(Series::ALL.len() - shown);
    let (width, height) = (area.width / columns, area.height.saturating_sub(1) / lines);
    for (series, i) in Series::ALL.into_iter().skip(first).zip(0..shown as u16) {
        let (column, line) = (i % columns, i / columns);
        let place = Rect { x: area.x + column * width, y: area.y + line * height, width, height };
        chart(series, run, &others, place, canvas);
    }
    for column in 0..columns {
        let place = Rect { x: area.x + column * width, y: area.bottom().saturating_sub(1), width, height: 1 };
        axis(run, place, canvas);
    }
    if shown < Series::ALL.len() {
        let muted = canvas.theme().role(Role::Muted);
        let place = format!("{}/{}", first + shown, Series::ALL.len());
        canvas.right(area.x + area.width / 2, area.right().saturating_sub(1), area.y, &place, muted);
    }
}

/// Columns and lines of charts in a panel: all in one column where they fit, two where it is wide.
fn places(area: Rect) -> (u16, u16) {
    let all = Series::ALL.len() as u16;
    let lines = (area.height.saturating_sub(1) / LEAST).clamp(1, all);
    if lines < all && area.width >= TWO_COLUMNS { (2, lines.min(all.div_ceil(2))) } else { (1, lines) }
}

/// The first chart to show after those that begin with `first`; `None` after the last.
pub fn after(area: Rect, first: usize) -> Option<usize> {
    let (columns, lines) = places(area);
    Some(first + usize::from(columns * lines)).filter(|next| *next < Series::ALL.len())
}

/// The part of a panel that holds the plots.
fn plot_area(area: Rect) -> Rect {
    Rect { x: area.x + LABELS + 1, width: area.width.saturating_sub(LABELS + 2), ..area }
}

fn chart(series: Series, run: &Run, others: &[&Run], area: Rect, canvas: &mut Canvas<'_>) {
    let theme = canvas.theme();
    let (text, muted, faint, accent) =
        (theme.role(Role::Text), theme.role(Role::Muted), theme.role(Role::Faint), theme.role(Role::Accent));
    let x = canvas.text(area.x + 1, area.y, area.width.saturating_sub(2), series.name(), muted);
    let value = series.height(run, run.playhead).map_or_else(|| "–".to_owned(), |h| series.label(h));
    canvas.text(x + 1, area.y, area.right().saturating_sub(x + 2), &value, text);
    let plot = plot_area(Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area });
    if plot.is_empty() {
        return;
    }
    for y in plot.top()..plot.bottom() {
        canvas.text(plot.x - 1, y, 1, canvas.glyphs().line[1], faint);
    }
    let Some(range) = series.range(others.iter().copied().chain([run])) else { return };
    let labels = [(plot.top(), range.1), (plot.bottom() - 1, range.0)];
    for (y, height) in &labels[..if plot.height > 1 { 2 } else { 1 }] {
        canvas.right(area.x, plot.x - 1, *y, &series.label(*height), muted);
    }
    playhead(run, plot, canvas);
    let line = |run: &Run| {
        let mut dots = Dots::new(plot);
        let along = |step: u32| f64::from(step) / f64::from(run.steps().max(1));
        let known = (0..=run.newest()).filter_map(|s| Some((along(s), share(series.height(run, s)?, range))));
        dots.line(known);
        dots
    };
    for other in others.iter().rev() {
        line(other).draw(canvas, faint);
    }
    line(run).draw(canvas, accent);
}

/// A column through the plot at the playhead; a click on a column goes to its step.
fn playhead(run: &Run, plot: Rect, canvas: &mut Canvas<'_>) {
    let steps = run.steps().max(1);
    let last = f64::from(plot.width.saturating_sub(1).max(1));
    let head = (f64::from(run.playhead) / f64::from(steps) * last).round() as u16;
    let style = canvas.theme().marked();
    canvas.restyle(Rect { x: plot.x + head.min(plot.width - 1), width: 1, ..plot }, style);
    for column in 0..plot.width {
        let step = (f64::from(column) / last * f64::from(steps)).round() as u32;
        canvas.hits.add(Rect { x: plot.x + column, width: 1, ..plot }, Target::Step(step));
    }
}

fn axis(run: &Run, area: Rect, canvas: &mut Canvas<'_>) {
    let plot = plot_area(area);
    let muted = canvas.theme().role(Role::Muted);
    canvas.text(plot.x, plot.y, plot.width, "0", muted);
    canvas.text(plot.x + plot.width / 2 - 2.min(plot.width / 2), plot.y, 4, "step", muted);
    canvas.right(plot.x + 1, plot.right(), plot.y, &run.steps().to_string(), muted);
}
