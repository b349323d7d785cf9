//! Draws from a posterior, or from a posterior slightly changed, without copying it.

use crate::model::kernels::Isa;
use crate::model::kernels::sweep::{BLOCK, larger, sum_block};

/// Weights to draw an id from: those of a row, with one replaced and all others kept above a floor.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    pub(super) row: &'a [f32],
    pub(super) floor: f32,
    pub(super) patch: Option<(usize, f32)>,
}

impl Weights<'_> {
    /// The weight of one id.
    pub fn get(&self, id: usize) -> f32 {
        match self.patch {
            Some((patched, weight)) if patched == id => weight,
            _ => larger(self.row[id], self.floor),
        }
    }

    /// The sum of all weights.
    pub fn total(&self) -> f64 {
        (0..self.row.len()).step_by(BLOCK).map(|start| self.block(start)).sum()
    }

    /// The id at which the running sum passes the share `u` in `[0, 1)` of the total; `None` if all weights are 0.
    pub fn draw(&self, u: f64) -> Option<u32> {
        let target = u * self.total();
        let mut sum = 0.0;
        let mut last = None;
        for start in (0..self.row.len()).step_by(BLOCK) {
            let block = self.block(start);
            if block <= 0.0 {
                continue;
            }
            last = Some(start);
            if sum + block > target {
                break;
            }
            sum += block;
        }
        // Rounding may leave the target at the very end of a block: its last id with any weight takes it.
        let start = last?;
        let mut drawn = None;
        for id in start..(start + BLOCK).min(self.row.len()) {
            let weight = self.get(id);
            if weight > 0.0 {
                drawn = Some(id as u32);
                sum += f64::from(weight);
                if sum > target {
                    break;
                }
            }
        }
        drawn
    }

    /// The distribution that [`Weights::draw`] draws from.
    pub fn distribution(&self) -> Vec<f64> {
        let total = self.total();
        (0..self.row.len()).map(|id| f64::from(self.get(id)) / total).collect()
    }

    /// The sum of the block that starts at `start`.
    fn block(&self, start: usize) -> f64 {
        let end = (start + BLOCK).min(self.row.len());
        let values = &self.row[start..end];
        let patch = self.patch.filter(|(id, _)| (start..end).contains(id));
        if patch.is_none() && self.floor <= 0.0 {
            return sum_block(Isa::best(), values);
        }
        let mut copy = [0.0; BLOCK];
        for (copy, &value) in copy.iter_mut().zip(values) {
            *copy = larger(value, self.floor);
        }
        if let Some((id, weight)) = patch {
            copy[id - start] = weight;
        }
        sum_block(Isa::best(), &copy[..values.len()])
    }
}
