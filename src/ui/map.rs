//! Positions × steps: when each part of the text came to rest.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use crate::app::{Run, State, Target};
use crate::config::theme::{Role, level};
use crate::trace::ChangeMap;

/// The part of the panel that holds cells; the steps' numbers stand left of it.
pub fn inner(area: Rect, steps: u32) -> Rect {
    let labels = steps.to_string().len() as u16 + 2;
    Rect { x: area.x + labels.min(area.width), width: area.width.saturating_sub(labels + 1), ..area }
}

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let (Some(area), Some(run), Some((_, map))) = (state.layout.map, state.run(), &state.changes) else {
        return;
    };
    let area = inner(area, run.steps());
    // A text shorter than the panel is wide takes several columns a position.
    let scale = (area.width / map.cols().max(1) as u16).max(1);
    let cursor = state.cursor.map(|at| map.col_of(at));
    let most = map.most();
    // A budget smaller than the panel is high gets several rows a step.
    let high = (area.height / map.rows().max(1) as u16).max(1);
    for (row, y) in (0..map.rows()).zip((area.top()..area.bottom()).step_by(usize::from(high))) {
        if y + high > area.bottom() {
            break;
        }
        label(run, map, row, (area.x, y + high - 1), canvas);
        for col in 0..map.cols() {
            let x = area.x + col as u16 * scale;
            if x + scale > area.right() {
                break;
            }
            let place = Rect::new(x, y, scale, high);
            cell(run, map, most, (col, row), place, canvas);
            if cursor == Some(col) {
                canvas.restyle(place, canvas.theme().marked());
            }
        }
    }
}

/// The row's (last) step, set off in the row of the playhead.
fn label(run: &Run, map: &ChangeMap, row: usize, (x, y): (u16, u16), canvas: &mut Canvas<'_>) {
    let steps = map.steps(row);
    let here = steps.contains(&run.playhead);
    let style = canvas.theme().role(if here { Role::Accent } else { Role::Muted });
    canvas.right(x.saturating_sub(10), x.saturating_sub(1), y, &steps.end().to_string(), style);
}

fn cell(run: &Run, map: &ChangeMap, most: u32, (col, row): (usize, usize), place: Rect, canvas: &mut Canvas<'_>) {
    let (cell, steps, positions) = (map.cell(col, row), map.steps(row), map.positions(col));
    if cell.changes > 0 {
        // Any change shows. A cell is full where all of its positions changed; over many steps hardly any does in each,
        // and the cell with the most changes is the measure.
        let full = if map.rows() < run.steps() as usize { most } else { positions.len() as u32 }.max(1);
        let eighths = usize::from(place.height) * 8;
        let share = f64::from(cell.changes) / f64::from(full);
        let height = (share * eighths as f64).ceil().clamp(1.0, eighths as f64) as usize;
        let style = if *steps.start() <= run.playhead {
            canvas.theme().ramp(level(cell.step, run.steps()))
        } else {
            canvas.theme().role(Role::Faint)
        };
        for (y, below) in (place.top()..place.bottom()).rev().zip((0..height).step_by(8)) {
            let glyph = canvas.glyphs().eighths[(height - below).min(8) - 1];
            for x in place.left()..place.right() {
                canvas.text(x, y, 1, glyph, style);
            }
        }
    }
    let target = Target::Cell { position: positions.start, step: *steps.end() };
    canvas.hits.add(place, target);
}
