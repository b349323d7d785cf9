//! The passes over a row's values, written so that the compiler vectorises them.
//!
//! Sums run in a fixed order over [`LANES`] lanes and [`BLOCK`]s, so they are the same whatever the thread count.

use super::exp::exp_negative;
use crate::trace::TOP;

/// Independent partial sums; a multiple of every vector width.
const LANES: usize = 8;
/// Values summed in `f32` before the sum goes on in `f64`, and the stride of the search of a draw.
pub(super) const BLOCK: usize = 512;

/// The sum of at most [`BLOCK`] values.
pub(super) fn sum_block(values: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (groups, rest) = values.as_chunks::<LANES>();
    for group in groups {
        for (lane, value) in lanes.iter_mut().zip(group) {
            *lane += value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += value;
    }
    fold(lanes)
}

/// The larger of two numbers in one instruction, which the care of `f32::max` for NaN forbids.
pub(super) fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The sum of all lanes.
fn fold(lanes: [f32; LANES]) -> f64 {
    lanes.into_iter().map(f64::from).sum()
}

/// The ids of the largest values, best first, the smaller id first among equals; `None` if any value is not finite.
pub(super) fn largest(values: &[f32]) -> Option<[u32; TOP]> {
    const CHUNK: usize = 4 * LANES;
    let mut best = [(f32::NEG_INFINITY, 0u32); TOP];
    // 0 · x is NaN for every x that is not finite.
    let mut probe = [0.0; LANES];
    for (index, chunk) in values.chunks(CHUNK).enumerate() {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let (groups, rest) = chunk.as_chunks::<LANES>();
        for group in groups {
            for i in 0..LANES {
                probe[i] += group[i] * 0.0;
                lanes[i] = larger(group[i], lanes[i]);
            }
        }
        for (i, &value) in rest.iter().enumerate() {
            probe[i] += value * 0.0;
            lanes[i] = larger(value, lanes[i]);
        }
        // Few chunks hold a new candidate; only those are looked at value by value.
        if lanes.into_iter().fold(f32::NEG_INFINITY, larger) > best[TOP - 1].0 {
            for (i, &value) in chunk.iter().enumerate() {
                if value > best[TOP - 1].0 {
                    insert(&mut best, (value, (index * CHUNK + i) as u32));
                }
            }
        }
    }
    (fold(probe) == 0.0 && !values.is_empty()).then(|| best.map(|(_, id)| id))
}

/// Puts a value that beats the last of `best` in its place.
fn insert(best: &mut [(f32, u32); TOP], entry: (f32, u32)) {
    let mut place = TOP - 1;
    while place > 0 && entry.0 > best[place - 1].0 {
        best[place] = best[place - 1];
        place -= 1;
    }
    best[place] = entry;
}

/// Overwrites logits by weights `w = e^((l - max)/τ)`; returns `Σ w` and `Σ w ln w`.
pub(super) fn weigh(logits: &mut [f32], max: f32, inverse_temperature: f32) -> (f64, f64) {
    let (mut total, mut weighted_log) = (0.0, 0.0);
    let mut products = [0.0; BLOCK];
    for block in logits.chunks_mut(BLOCK) {
        // Sums stay out of this loop: without them it vectorises whole.
        for (value, product) in block.iter_mut().zip(&mut products) {
            let (weight, log) = exp_negative((*value - max) * inverse_temperature);
            *value = weight;
            *product = weight * log;
        }
        total += sum_block(block);
        weighted_log += sum_block(&products[..block.len()]);
    }
    (total, weighted_log)
}

/// Keeps the most likely ids until they hold the mass `mass`, and zeroes the others; returns `Σ w` and `Σ w ln w`.
pub(super) fn keep_nucleus(weights: &mut [f32], all: f64, mass: f64) -> (f64, f64) {
    // All ids below this weight hold less than what may be dropped, so the nucleus is among the others.
    let least = ((all - mass) / weights.len() as f64) as f32;
    // Non-negative floats order like their bits; the inverted id puts the smaller one first among equals.
    let mut order: Vec<u64> = Vec::new();
    for (id, weight) in weights.iter_mut().enumerate() {
        if *weight >= least {
            order.push(u64::from(weight.to_bits()) << 32 | u64::from(!(id as u32)));
        } else {
            *weight = 0.0;
        }
    }
    let (mut total, mut weighted_log) = (0.0, 0.0);
    let mut kept = 0;
    // Sorting everything would cost more than the rest of the step: sort ever larger heads until one is enough.
    let mut head = 64;
    'sorting: while kept < order.len() {
        let tail = &mut order[kept..];
        let size = head.min(tail.len());
        if size < tail.len() {
            tail.select_nth_unstable_by(size - 1, |a, b| b.cmp(a));
        }
        tail[..size].sort_unstable_by(|a, b| b.cmp(a));
        for &key in &tail[..size] {
            let weight = f64::from(f32::from_bits((key >> 32) as u32));
            if kept > 0 && (total >= mass || weight == 0.0) {
                break 'sorting;
            }
            total += weight;
            weighted_log += weight * weight.ln();
            kept += 1;
        }
        head *= 4;
    }
    for &key in &order[kept..] {
        weights[!(key as u32) as usize] = 0.0;
    }
    (total, weighted_log)
}
