//! Bars over steps: sparklines, and the bars above the timeline.

use super::canvas::Canvas;
use crate::config::theme::{Role, level};

/// Which step (1…steps) cell `cell` of `cells` stands for: the last of those it covers.
pub(super) fn step_of(cell: u16, cells: u16, steps: u32) -> u32 {
    let (cell, cells) = (u64::from(cell), u64::from(cells.max(1)));
    ((cell + 1) * u64::from(steps)).div_ceil(cells).clamp(1, u64::from(steps.max(1))) as u32
}

/// The steps that cell `cell` of `cells` covers.
pub(super) fn steps_of(cell: u16, cells: u16, steps: u32) -> std::ops::RangeInclusive<u32> {
    let last = step_of(cell, cells, steps);
    let first = match cell.checked_sub(1) {
        Some(before) => (step_of(before, cells, steps) + 1).min(last),
        None => 1,
    };
    first..=last
}

/// How the bars of a row are scaled and coloured.
pub(super) struct Bars {
    /// The budget.
    pub(super) steps: u32,
    /// Bars of later steps are faint, or not drawn at all.
    pub(super) playhead: u32,
    /// Whether later steps are drawn.
    pub(super) later: bool,
    /// Rows; each has eight heights.
    pub(super) rows: u16,
}

/// Draws a bar a cell, scaled between the extremes; `value(step)` is between 0 and 1, `None` where unknown.
pub(super) fn draw(
    canvas: &mut Canvas<'_>,
    (x, y, cells): (u16, u16, u16),
    bars: &Bars,
    value: impl Fn(u32) -> Option<f64>,
) {
    for cell in 0..cells {
        let covered = steps_of(cell, cells, bars.steps);
        let step = *covered.end();
        if step > bars.playhead && !bars.later {
            continue;
        }
        // The highest of the steps covered, so that no peak is lost.
        let known = covered.filter_map(&value).filter(|v| v.is_finite());
        let Some(share) = known.reduce(f64::max) else { continue };
        let style = if step > bars.playhead {
            canvas.theme().role(Role::Faint)
        } else {
            canvas.theme().ramp(level(step, bars.steps))
        };
        // Where a step has several cells the last stays empty, so that steps can be counted.
        if bars.later && cell > 0 && cells >= 3 * bars.steps as u16 && cell + 1 < cells {
            let next = step_of(cell + 1, cells, bars.steps);
            if next != step {
                continue;
            }
        }
        // A row that is full to the brim would run into the one above.
        let full = f64::from(bars.rows) * 8.0 - 1.0;
        let mut height = (share.clamp(0.0, 1.0) * full).round().max(1.0) as usize;
        for row in 0..bars.rows {
            let glyph = canvas.glyphs().eighths[height.min(8) - 1];
            canvas.text(x + cell, y + bars.rows - 1 - row, 1, glyph, style);
            height = height.saturating_sub(8);
            if height == 0 {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cover_every_step_once_when_there_are_fewer_cells_than_steps() {
        for (cells, steps) in [(8, 8), (10, 100), (7, 1024), (1, 5), (30, 31)] {
            let covered: Vec<u32> = (0..cells).flat_map(|c| steps_of(c, cells, steps)).collect();
            assert_eq!(covered, (1..=steps).collect::<Vec<_>>(), "{cells} cells, {steps} steps");
        }
    }

    #[test]
    fn more_cells_than_steps_repeat_steps_in_order() {
        let steps: Vec<u32> = (0..8).map(|c| step_of(c, 8, 4)).collect();
        assert_eq!(steps, [1, 1, 2, 2, 3, 3, 4, 4]);
    }
}
