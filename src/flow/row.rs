//! One row of logits becomes a posterior, in place, while it is in cache.
//!
//! Two sweeps: one finds the largest logits (and any that is not a number), one turns logits into weights
//! `w = e^((l - max)/τ)` with their sum and the sum of `w ln w`. Everything else, `p(z)`, entropy, the draw, is read
//! from those; probabilities are never stored. Sums run in a fixed order over [`LANES`] lanes and [`BLOCK`]s, so
//! they vectorise and are the same whatever the thread count.

use std::f64::consts::LN_2;

use super::exp::exp_negative;
use crate::trace::TOP;

/// Independent partial sums; a multiple of every vector width.
const LANES: usize = 16;
/// Values summed in `f32` before the sum goes on in `f64`, and the stride of the search of a draw.
const BLOCK: usize = 512;
/// A logit that no other can fall below, finite so that `0 · logit` stays 0.
const BANNED: f32 = -1e30;

/// What is done to the posterior before any rule sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shaping {
    /// Softmax temperature; 1 changes nothing.
    pub temperature: f64,
    /// Nucleus mass kept; 1 keeps everything.
    pub top_p: f64,
    /// An id that gets no mass (the mask id, at the last step).
    pub banned: Option<u32>,
}

impl Default for Shaping {
    fn default() -> Self {
        Self { temperature: 1.0, top_p: 1.0, banned: None }
    }
}

/// The posterior of one position.
#[derive(Debug)]
pub struct Row<'a> {
    weights: &'a [f32],
    total: f64,
    /// `Σ w ln w`.
    weighted_log: f64,
    /// The most likely ids, best first.
    top: [u32; TOP],
}

impl<'a> Row<'a> {
    /// Turns logits into a posterior, overwriting them; `None` if any of them is NaN or infinite.
    pub fn new(logits: &'a mut [f32], shaping: Shaping) -> Option<Self> {
        if let Some(banned) = shaping.banned {
            let logit = logits.get_mut(banned as usize)?;
            if !logit.is_finite() {
                return None;
            }
            *logit = BANNED;
        }
        let top = largest(logits)?;
        let (total, weighted_log) = weigh(logits, logits[top[0] as usize], (1.0 / shaping.temperature) as f32);
        let (total, weighted_log) =
            if shaping.top_p < 1.0 { keep_nucleus(logits, total * shaping.top_p) } else { (total, weighted_log) };
        Some(Self { weights: logits, total, weighted_log, top })
    }

    /// `p(id)`.
    pub fn prob(&self, id: u32) -> f64 {
        f64::from(self.weights[id as usize]) / self.total
    }

    /// `1 - p(id)`, without cancellation where `p(id)` is nearly 1.
    pub fn prob_of_others(&self, id: u32) -> f64 {
        (self.others(id).total() / self.total).min(1.0)
    }

    /// Shannon entropy of the posterior, bits.
    pub fn entropy(&self) -> f64 {
        ((self.total.ln() - self.weighted_log / self.total) / LN_2).max(0.0)
    }

    /// The most likely ids with their probabilities, best first; places that nothing fills have probability 0.
    pub fn top(&self) -> [(u32, f32); TOP] {
        let mut filled = [(0, 0.0); TOP];
        // A vocabulary smaller than the list repeats its first id there.
        for (i, &id) in self.top.iter().enumerate().take(self.weights.len()) {
            let prob = self.prob(id) as f32;
            if prob > 0.0 {
                filled[i] = (id, prob);
            }
        }
        filled
    }

    /// How many ids are more likely than `id`; of equally likely ids the smaller comes first.
    pub fn rank(&self, id: u32) -> u32 {
        if let Some(place) = self.top.iter().position(|&candidate| candidate == id) {
            return place as u32;
        }
        let own = self.weights[id as usize];
        let above = self.weights.iter().map(|&w| u32::from(w > own)).sum::<u32>();
        let ties = self.weights[..id as usize].iter().map(|&w| u32::from(w == own)).sum::<u32>();
        (above + ties).max(TOP as u32)
    }

    /// The whole posterior, to draw from.
    pub fn all(&self) -> Weights<'_> {
        Weights { weights: self.weights, floor: 0.0, patch: None }
    }

    /// The posterior without one id.
    pub fn others(&self, id: u32) -> Weights<'_> {
        Weights { patch: Some((id as usize, 0.0)), ..self.all() }
    }

    /// The posterior without one id, and then no id (that one included) below the probability `floor`.
    pub fn floored(&self, id: u32, floor: f64) -> Weights<'_> {
        let floor = (floor * self.total) as f32;
        Weights { weights: self.weights, floor, patch: Some((id as usize, floor)) }
    }

    /// What weights have to be divided by to be probabilities.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// The largest probability of an id other than `id`.
    pub fn best_of_others(&self, id: u32) -> f64 {
        let best = if self.top[0] == id { self.top[1] } else { self.top[0] };
        if best == id { 0.0 } else { self.prob(best) }
    }
}

/// Weights to draw an id from: those of a row, with one replaced and all others kept above a floor.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    weights: &'a [f32],
    floor: f32,
    patch: Option<(usize, f32)>,
}

impl Weights<'_> {
    /// The weight of one id.
    pub fn get(&self, id: usize) -> f32 {
        match self.patch {
            Some((patched, weight)) if patched == id => weight,
            _ => self.weights[id].max(self.floor),
        }
    }

    /// The sum of all weights.
    pub fn total(&self) -> f64 {
        (0..self.weights.len()).step_by(BLOCK).map(|start| self.block(start)).sum()
    }

    /// The id at which the running sum passes the share `u` in `[0, 1)` of the total; `None` if all weights are 0.
    pub fn draw(&self, u: f64) -> Option<u32> {
        let target = u * self.total();
        let mut sum = 0.0;
        let mut last = None;
        for start in (0..self.weights.len()).step_by(BLOCK) {
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
        for id in start..(start + BLOCK).min(self.weights.len()) {
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
        (0..self.weights.len()).map(|id| f64::from(self.get(id)) / total).collect()
    }

    /// The sum of the block that starts at `start`.
    fn block(&self, start: usize) -> f64 {
        let end = (start + BLOCK).min(self.weights.len());
        let values = &self.weights[start..end];
        match self.patch {
            Some((id, weight)) if (start..end).contains(&id) => {
                let mut copy = [0.0; BLOCK];
                copy[..values.len()].copy_from_slice(values);
                copy[id - start] = weight;
                sum_block(&copy[..values.len()], self.floor)
            }
            _ => sum_block(values, self.floor),
        }
    }
}

/// The sum of at most [`BLOCK`] values, none counted below `floor`.
fn sum_block(values: &[f32], floor: f32) -> f64 {
    let mut lanes = [0.0f32; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += value.max(floor);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += value.max(floor);
    }
    lanes.iter().map(|&lane| f64::from(lane)).sum()
}

/// The ids of the largest values, best first, the smaller id first among equals; `None` if any value is not finite.
fn largest(values: &[f32]) -> Option<[u32; TOP]> {
    const CHUNK: usize = 4 * LANES;
    let mut best = [(f32::NEG_INFINITY, 0u32); TOP];
    // 0 · x is NaN for every x that is not finite.
    let mut probe = [0.0f32; LANES];
    for (index, chunk) in values.chunks(CHUNK).enumerate() {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let mut groups = chunk.chunks_exact(LANES);
        for group in &mut groups {
            for i in 0..LANES {
                probe[i] += group[i] * 0.0;
                lanes[i] = if group[i] > lanes[i] { group[i] } else { lanes[i] };
            }
        }
        for (i, &value) in groups.remainder().iter().enumerate() {
            probe[i] += value * 0.0;
            lanes[i] = if value > lanes[i] { value } else { lanes[i] };
        }
        // Few chunks hold a new candidate; only those are looked at value by value.
        if lanes.iter().any(|&lane| lane > best[TOP - 1].0) {
            for (i, &value) in chunk.iter().enumerate() {
                if value > best[TOP - 1].0 {
                    insert(&mut best, (value, (index * CHUNK + i) as u32));
                }
            }
        }
    }
    let finite = probe.iter().all(|lane| !lane.is_nan());
    (finite && !values.is_empty()).then(|| best.map(|(_, id)| id))
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
fn weigh(logits: &mut [f32], max: f32, inverse_temperature: f32) -> (f64, f64) {
    let (mut total, mut weighted_log) = (0.0, 0.0);
    for block in logits.chunks_mut(BLOCK) {
        let mut sums = [0.0f32; LANES];
        let mut logs = [0.0f32; LANES];
        let mut visit = |values: &mut [f32]| {
            for ((value, sum), log) in values.iter_mut().zip(&mut sums).zip(&mut logs) {
                let exponent = (*value - max) * inverse_temperature;
                let weight = exp_negative(exponent);
                *value = weight;
                *sum += weight;
                // The clamp keeps 0 · exponent at 0 for the hugest of exponents.
                *log += weight * exponent.max(BANNED);
            }
        };
        let mut groups = block.chunks_exact_mut(LANES);
        for group in &mut groups {
            visit(group);
        }
        visit(groups.into_remainder());
        total += sums.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        weighted_log += logs.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    (total, weighted_log)
}

/// Keeps the most likely ids until they hold the mass `mass`, and zeroes the others; returns `Σ w` and `Σ w ln w`.
fn keep_nucleus(weights: &mut [f32], mass: f64) -> (f64, f64) {
    // Non-negative floats order like their bits; the inverted id puts the smaller one first among equals.
    let mut order: Vec<u64> =
        weights.iter().enumerate().map(|(id, w)| u64::from(w.to_bits()) << 32 | u64::from(!(id as u32))).collect();
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
