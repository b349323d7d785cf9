//! Windows with rows: the runs, what-if, and the editor of times.

use std::fmt::Write as _;

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::canvas::Canvas;
use super::{frame, number, popup};
use crate::app::grid::GridEditor;
use crate::app::state::Popup;
use crate::app::{Run, State, Target};
use crate::config::theme::Role;
use crate::text::safe;

/// Widest window.
const WIDTH: u16 = 84;
/// A list of fewer columns keeps its names short.
const NARROW: u16 = 60;

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    match &state.popup {
        Some(Popup::Runs) => runs(state, canvas),
        Some(Popup::WhatIf) => what_if(state, canvas),
        Some(Popup::Grid(editor)) => grid(state, editor, canvas),
        _ => {}
    }
}

/// A window in the middle of the screen, for so many rows; its inside comes back.
fn window(state: &State, title: &str, rows: usize, canvas: &mut Canvas<'_>) -> Rect {
    let screen = state.layout.screen;
    let width = WIDTH.min(screen.width);
    let height = (rows.min(200) as u16 + 2).min(screen.height.saturating_sub(2));
    let area = Rect { x: (screen.width - width) / 2, y: (screen.height - height) / 2, width, height };
    let area = area.intersection(canvas.area());
    canvas.fill(area, canvas.theme().raised());
    frame::around(canvas, area);
    frame::title(canvas, area, area.y, title);
    canvas.hits.add(area, Target::Popup);
    Rect { x: area.x + 2, y: area.y + 1, width: area.width.saturating_sub(4), height: area.height.saturating_sub(2) }
}

/// A row that can be chosen.
fn row(canvas: &mut Canvas<'_>, area: Rect, y: u16, index: usize, chosen: bool, text: &str, style: Style) {
    let place = Rect { y, height: 1, ..area };
    canvas.text(area.x, y, area.width, text, style);
    if chosen {
        canvas.restyle(place, canvas.theme().selected());
    }
    canvas.hits.add(place, Target::Row(index));
}

fn runs(state: &State, canvas: &mut Canvas<'_>) {
    let tree = state.runs.tree();
    let inner = window(state, "runs", tree.len() + 1, canvas);
    let muted = canvas.theme().role(Role::Muted);
    let head =
        line(inner.width, "run", &["steps", "perplexity", "solver", "seed", "entropy", "ms/step"].map(str::to_owned));
    canvas.text(inner.x, inner.y, inner.width, &head, muted);
    let rows = usize::from(inner.height.saturating_sub(1));
    let first = (state.row + 1).saturating_sub(rows);
    let runs = state.runs.all();
    for ((i, (index, depth)), y) in tree.iter().enumerate().skip(first).zip(inner.y + 1..inner.bottom()) {
        let run = &runs[*index];
        let bold = if *index == state.runs.index() { Modifier::BOLD } else { Modifier::empty() };
        let text = line(inner.width, &name(run, *index, *depth, inner.width < NARROW), &numbers(run));
        row(canvas, inner, y, i, i == state.row, &text, Style::new().add_modifier(bold));
    }
}

fn name(run: &Run, index: usize, depth: usize, narrow: bool) -> String {
    let indent = "  ".repeat(depth.min(if narrow { 1 } else { 6 }));
    match run.parent {
        Some(parent) if narrow => format!("{indent}{} from {}", index + 1, parent.step),
        Some(parent) => format!("{indent}{} from step {}", index + 1, parent.step),
        None => format!("{indent}{}", index + 1),
    }
}

/// The numbers of a run at its newest frame.
fn numbers(run: &Run) -> [String; 6] {
    let (line, at) = (&run.timeline, run.newest());
    let steps = if run.is_complete() { run.steps().to_string() } else { format!("{at}/{}", run.steps()) };
    let dash = || "–".to_owned();
    [
        steps,
        line.perplexity(at).map_or_else(dash, number::perplexity),
        safe(line.meta().solver_label()).into_owned(),
        line.meta().seed().map_or_else(dash, |seed| seed.to_string()),
        number::fixed(line.entropy(at), 2),
        line.mean_ms().map_or_else(dash, |mean| number::fixed(mean, 0)),
    ]
}

/// A line of the table; narrow windows leave out what is last.
fn line(width: u16, name: &str, cells: &[String; 6]) -> String {
    let widths = [9, 11, 18, 8, 8, 8];
    let column = if width < NARROW { 12 } else { 16 };
    let mut out = format!("{name:<column$}");
    for (cell, wide) in cells.iter().zip(widths) {
        if out.chars().count() + wide > usize::from(width) {
            break;
        }
        let short: String = cell.chars().take(wide - 1).collect();
        // Writing to a string cannot fail.
        let _ = write!(out, "{short:>wide$}");
    }
    out
}

fn what_if(state: &State, canvas: &mut Canvas<'_>) {
    let Some(run) = state.run() else { return };
    let edits = &state.edits;
    let arrow = canvas.glyphs().arrow;
    let narrow = state.layout.screen.width < 64;
    let to = |own: String, new: Option<String>| match new {
        // A narrow window has room for the new value only.
        Some(new) if narrow => (format!("{arrow} {new}"), true),
        Some(new) => (format!("{own} {arrow} {new}"), true),
        None => (own, false),
    };
    let solver = edits.solver.map(|s| s.label().to_owned());
    let column = if narrow { 15 } else { 24 };
    let values = [
        to("as it is".to_owned(), edits.reroll.then(|| "drawn anew".to_owned())),
        to(run.config.solver.label().to_owned(), solver),
        to(format!("{:.1}", run.config.temperature), edits.temperature.map(|t| format!("{t:.1}"))),
        to(format!("{:.2}", run.config.top_p), edits.top_p.map(|p| format!("{p:.2}"))),
    ];
    let mut names = crate::app::update::WHAT_IF;
    if narrow {
        names[0] = "step's noise";
    }
    let title = format!("what if, from step {}", run.playhead);
    let hint = if narrow {
        "enter: branch; close this, then p, a, A"
    } else {
        "enter goes on from here as a branch. For single tokens close this, then p, a, A"
    };
    let wide = WIDTH.min(state.layout.screen.width).saturating_sub(4);
    let tokens = format!("{} replaced, {} pinned", edits.replaced.len(), edits.pinned.len());
    let lines = popup::wrap(&format!("{tokens}; {hint}"), usize::from(wide));
    let inner = window(state, &title, names.len() + 1 + lines.len(), canvas);
    let theme = canvas.theme();
    let (accent, muted) = (theme.role(Role::Accent), theme.role(Role::Muted));
    for ((i, (name, (value, changed))), y) in names.iter().zip(values).enumerate().zip(inner.top()..inner.bottom()) {
        let style = if changed { accent } else { Style::new() };
        row(canvas, inner, y, i, i == state.row, &format!("{name:<column$}{value}"), style);
    }
    // The empty line is the first to go.
    let rows = names.len() as u16;
    let gap = u16::from(usize::from(inner.height) > names.len() + lines.len());
    for (text, y) in lines.iter().zip(inner.y + rows + gap..inner.bottom()) {
        canvas.text(inner.x, y, inner.width, text, muted);
    }
}

fn grid(state: &State, editor: &GridEditor, canvas: &mut Canvas<'_>) {
    let inner = window(state, "times of the steps", 6, canvas);
    if inner.width < 4 || inner.height < 2 {
        return;
    }
    let theme = canvas.theme();
    let (text, muted, faint, accent) =
        (theme.role(Role::Text), theme.role(Role::Muted), theme.role(Role::Faint), theme.role(Role::Accent));
    let y = inner.y + 1;
    let last = f64::from(inner.width - 1);
    for column in 0..inner.width {
        canvas.text(inner.x + column, y, 1, canvas.glyphs().line[0], faint);
        let thousandths = (f64::from(column) / last * 1000.0).round() as u16;
        let place = Rect { x: inner.x + column, y: y - 1, width: 1, height: 2 };
        canvas.hits.add(place, Target::Time(thousandths));
    }
    for (i, t) in editor.times.iter().enumerate() {
        let x = inner.x + (t.clamp(0.0, 1.0) * last).round() as u16;
        canvas.text(x, y, 1, canvas.glyphs().line[1], if i == editor.at { accent } else { text });
        if i == editor.at && editor.steps() > 1 {
            canvas.text(x, y - 1, 1, canvas.glyphs().head[1], accent);
        }
    }
    let preset = editor.preset.map_or("your own", crate::flow::Preset::label);
    let unit = if editor.steps() == 1 { "step" } else { "steps" };
    let mut lines = vec![format!("{} {unit}, {preset}", editor.steps())];
    if let (Some(before), Some(at), Some(after)) =
        (editor.times.get(editor.at.wrapping_sub(1)), editor.times.get(editor.at), editor.times.get(editor.at + 1))
    {
        let (from, to) = (at - before, after - at);
        lines.push(format!("t{} = {at:.3}: a step of {from:.3} before it, of {to:.3} after it", editor.at));
    }
    lines.push(match editor.told {
        0 => match state.live.as_ref().map(|live| live.spec.least_dt).filter(|&least| least > 0.0) {
            Some(least) => format!("the network is told the step that is taken, at least {least}"),
            None => "the network is told the step that is taken".to_owned(),
        },
        n if n > 0 => format!("the network is told {} times the step that is taken, at most 1", 2_u32.pow(n as u32)),
        n => format!("the network is told 1/{} of the step that is taken", 2_u32.pow(n.unsigned_abs())),
    });
    for (line, y) in lines.iter().zip(inner.y + 3..inner.bottom()) {
        canvas.text(inner.x, y, inner.width, line, muted);
    }
}
