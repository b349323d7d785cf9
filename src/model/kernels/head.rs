//! The head: hidden states of chosen rows to logits, a cacheful at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::acts::Acts;
use super::aligned::Aligned;
use super::block::{Scratch, Strip};
use super::linear::Linear;
use super::math::Finish;
use super::row;
use super::threads::Threads;
use super::tiles::Kernels;

/// Rows a thread computes together: few enough that a usual vocabulary's logits stay in its cache, enough to pay for
/// streaming the weights past them.
const ROWS: usize = 32;

/// Buffers of the head.
#[derive(Default)]
pub(crate) struct Head {
    logits: Aligned<f32>,
    acts: Acts,
}

impl Head {
    /// Rows that are computed together.
    pub(crate) fn block_rows(threads: usize) -> usize {
        ROWS * threads
    }

    /// Logits of `rows` (positions in the strips, each of `strip_rows` rows), at most [`Head::block_rows`] of them;
    /// an error names the first row with one that is not a finite number.
    pub(crate) fn block(
        &mut self,
        kernels: &Kernels,
        threads: &Threads<Scratch>,
        layer: &Linear,
        strips: &[Strip],
        strip_rows: usize,
        rows: &[u32],
    ) -> Result<&mut [f32], u32> {
        let (count, width) = (rows.len(), layer.n());
        self.acts.shape(layer.scheme(), count, layer.k());
        for (to, &row) in rows.iter().enumerate() {
            let row = row as usize;
            self.acts.copy(to, &strips[row / strip_rows].last, row % strip_rows);
        }
        self.logits.grow(count * width);
        let logits = &mut self.logits[..count * width];
        let share = count.div_ceil(threads.count()).max(1);
        let mut parts: Vec<&mut [f32]> = logits.chunks_mut(share * width).collect();
        let acts = &self.acts;
        let damaged = AtomicUsize::new(usize::MAX);
        threads.each(&mut parts, |i, out, scratch| {
            let part = (i * share, out.len() / width);
            layer.apply(kernels, acts, part, &mut scratch.work, out, width, Finish::Store);
            for (r, row) in out.chunks_exact(width).enumerate() {
                if !row::max(kernels.isa(), row).is_finite() {
                    damaged.fetch_min(i * share + r, Ordering::Relaxed);
                }
            }
        });
        match rows.get(damaged.into_inner()) {
            Some(&row) => Err(row),
            None => Ok(logits),
        }
    }
}
