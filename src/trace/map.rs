//! The convergence map: positions × steps, binned to cells so that no change is ever lost.

use super::timeline::Timeline;

/// One cell of a [`ChangeMap`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The latest step in the cell that changed one of its positions; 0 where none did.
    pub step: u32,
    /// How many changes fall in the cell.
    pub changes: u32,
}

/// Changes of a run in at most `cols × rows` cells: positions from left to right, steps from top to bottom.
///
/// Made once and brought up to date with [`ChangeMap::update`], which looks only at steps it has not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeMap {
    cols: usize,
    rows: usize,
    tokens: usize,
    steps: usize,
    seen: u32,
    cells: Vec<Cell>,
}

impl ChangeMap {
    /// The map of a run. It has no more columns than positions and no more rows than the budget has steps.
    pub fn new(timeline: &Timeline, cols: usize, rows: usize) -> Self {
        let tokens = timeline.tokens();
        let steps = (timeline.steps().max(timeline.newest())) as usize;
        let (cols, rows) = (cols.clamp(1, tokens.max(1)), rows.clamp(1, steps.max(1)));
        let cells = vec![Cell::default(); cols * rows];
        let mut map = Self { cols, rows, tokens, steps, seen: 0, cells };
        map.update(timeline);
        map
    }

    /// Adds the steps pushed since; the run must be the one the map was made for.
    pub fn update(&mut self, timeline: &Timeline) {
        while self.seen < timeline.newest() {
            self.seen += 1;
            let row = self.row_of(self.seen);
            for &pos in timeline.changed(self.seen) {
                let col = self.col_of(pos);
                if let Some(cell) = self.cells.get_mut(row * self.cols + col) {
                    cell.step = self.seen;
                    cell.changes += 1;
                }
            }
        }
    }

    /// Columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// One cell; an empty one outside the map.
    pub fn cell(&self, col: usize, row: usize) -> Cell {
        let inside = col < self.cols && row < self.rows;
        if inside { self.cells[row * self.cols + col] } else { Cell::default() }
    }

    /// The most changes of any cell.
    pub fn most(&self) -> u32 {
        self.cells.iter().map(|cell| cell.changes).max().unwrap_or(0)
    }

    /// The column of a position.
    pub fn col_of(&self, pos: u32) -> usize {
        (pos as usize * self.cols / self.tokens.max(1)).min(self.cols - 1)
    }

    /// The row of a step (from 1; the noise has none and reads as the first).
    pub fn row_of(&self, step: u32) -> usize {
        ((step as usize).saturating_sub(1) * self.rows / self.steps.max(1)).min(self.rows - 1)
    }

    /// The positions of a column.
    pub fn positions(&self, col: usize) -> std::ops::Range<u32> {
        let first = |col: usize| (col * self.tokens).div_ceil(self.cols) as u32;
        first(col.min(self.cols))..first((col + 1).min(self.cols))
    }

    /// The steps of a row.
    pub fn steps(&self, row: usize) -> std::ops::RangeInclusive<u32> {
        let first = |row: usize| (row * self.steps).div_ceil(self.rows) as u32 + 1;
        first(row.min(self.rows))..=first((row + 1).min(self.rows)) - 1
    }
}
