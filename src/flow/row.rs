//! One row of logits becomes a posterior, in place, while it is in cache.
//!
//! Two sweeps: one finds the largest logits (and any that is not a number), one turns logits into weights
//! `w = e^((l - max)/τ)` with their sum and the sum of `w ln w`. Everything else, `p(z)`, entropy, the draw, is read
//! from those; probabilities are never stored.

use std::f64::consts::LN_2;

use super::nucleus::keep_nucleus;
use super::weights::Weights;
use crate::model::kernels::Isa;
use crate::model::kernels::sweep::{largest, weigh};
use crate::trace::TOP;

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
        let isa = Isa::best();
        let top = largest(isa, logits)?;
        let (total, weighted_log) = weigh(isa, logits, logits[top[0] as usize], (1.0 / shaping.temperature) as f32);
        let (total, weighted_log) = if shaping.top_p < 1.0 {
            keep_nucleus(logits, total, total * shaping.top_p)
        } else {
            (total, weighted_log)
        };
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
        Weights { row: self.weights, floor: 0.0, patch: None }
    }

    /// The posterior without one id.
    pub fn others(&self, id: u32) -> Weights<'_> {
        Weights { patch: Some((id as usize, 0.0)), ..self.all() }
    }

    /// The posterior without one id, and then no id (that one included) below the probability `floor`.
    pub fn floored(&self, id: u32, floor: f64) -> Weights<'_> {
        let floor = (floor * self.total) as f32;
        Weights { row: self.weights, floor, patch: Some((id as usize, floor)) }
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
