//! Positions × steps: when each part of the text came to rest.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use crate::app::{Run, State, Target};
use crate::config::theme::{Role, level};

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let (Some(area), Some(run)) = (state.layout.map, state.run()) else {
        return;
    };
    let labels = run.steps().to_string().len() as u16 + 2;
    let inner = Rect {
        x: area.x + labels,
        width: area.width.saturating_sub(labels + 1),
        ..area
    };
    let rows = u32::from(inner.height).min(run.steps()).max(1);
    for row in 0..rows {
        draw_row(state, run, row, rows, inner, canvas);
    }
    cursor(state, run, inner, rows, canvas);
}

/// The steps (1…) row `row` of `rows` stands for.
fn steps_of(row: u32, rows: u32, steps: u32) -> std::ops::RangeInclusive<u32> {
    let edge = |row: u32| (u64::from(row) * u64::from(steps) / u64::from(rows.max(1))) as u32;
    edge(row) + 1..=edge(row + 1)
}

/// The column of a position.
fn column(position: u32, tokens: usize, columns: u16) -> u16 {
    let spread = u64::from(position) * u64::from(columns.max(1)) / tokens.max(1) as u64;
    spread.min(u64::from(columns.saturating_sub(1))) as u16
}

fn draw_row(state: &State, run: &Run, row: u32, rows: u32, area: Rect, canvas: &mut Canvas<'_>) {
    let tokens = run.config.tokens;
    let y = area.y + row as u16;
    let steps = steps_of(row, rows, run.steps());
    let here = steps.contains(&run.playhead);
    let style = canvas.theme().role(if here { Role::Accent } else { Role::Muted });
    canvas.right(area.x.saturating_sub(10), area.x.saturating_sub(1), y, &steps.end().to_string(), style);
    // How many positions of each column changed: any change shows, a full column of them is a full block.
    let mut counts = vec![0_u32; usize::from(area.width)];
    for step in steps.clone().filter(|&s| s <= run.newest()) {
        for &position in run.timeline.changed(step) {
            if let Some(count) = counts.get_mut(usize::from(column(position, tokens, area.width))) {
                *count += 1;
            }
        }
    }
    let span = f64::from(steps.end() - steps.start() + 1);
    let full = (tokens as f64 / f64::from(area.width.max(1))).max(1.0) * span;
    let past = *steps.start() <= run.playhead;
    let style = if past {
        canvas.theme().ramp(level(*steps.end(), run.steps()))
    } else {
        canvas.theme().role(Role::Faint)
    };
    for (x, count) in (area.x..area.right()).zip(counts) {
        if count > 0 {
            let height = (f64::from(count) / full * 8.0).ceil().clamp(1.0, 8.0) as usize;
            canvas.text(x, y, 1, canvas.glyphs().eighths[height - 1], style);
        }
        let position = (u64::from(x - area.x) * tokens as u64).div_ceil(u64::from(area.width.max(1)));
        let target = Target::Cell {
            position: position as u32,
            step: *steps.end(),
        };
        canvas.hits.add(Rect::new(x, y, 1, 1), target);
    }
    let _ = state;
}

/// The column of the token cursor.
fn cursor(state: &State, run: &Run, area: Rect, rows: u32, canvas: &mut Canvas<'_>) {
    let Some(at) = state.cursor else { return };
    let x = area.x + column(at, run.config.tokens, area.width);
    let style = canvas.theme().selected();
    for y in (area.y..area.bottom()).take(rows as usize) {
        canvas.restyle(Rect::new(x, y, 1, 1), style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_cover_every_step_once() {
        for (rows, steps) in [(8, 8), (5, 8), (10, 1024), (1, 3), (7, 100)] {
            let covered: Vec<u32> = (0..rows).flat_map(|r| steps_of(r, rows, steps)).collect();
            assert_eq!(covered, (1..=steps).collect::<Vec<_>>());
        }
    }

    #[test]
    fn columns_hold_every_position() {
        for (tokens, columns) in [(64, 80), (256, 83), (1024, 100), (1, 10), (300, 1)] {
            let all: Vec<u16> = (0..tokens as u32).map(|p| column(p, tokens, columns)).collect();
            assert!(all.windows(2).all(|p| p[0] <= p[1]) && all.iter().all(|&c| c < columns));
        }
    }
}
