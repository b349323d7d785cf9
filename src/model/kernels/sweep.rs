//! The sampler's passes over a row of logits or weights: compiled for each instruction set, the same results on all.
//!
//! Sums run in a fixed order over [`LANES`] lanes and [`BLOCK`]s, and no multiplication is fused with an addition, so
//! that a run does not depend on threads, nor on the CPU where logits do not.

use super::isa::multiversion;
use crate::trace::TOP;

/// Independent partial sums; a multiple of every vector width.
const LANES: usize = 8;
/// Values summed in `f32` before the sum goes on in `f64`, and the stride of the search of a draw.
pub(crate) const BLOCK: usize = 512;

#[inline(always)]
fn sum_block_body<const FMA: bool>(values: &[f32]) -> f64 {
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
#[inline(always)]
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The sum of all lanes.
#[inline(always)]
fn fold(lanes: [f32; LANES]) -> f64 {
    lanes.into_iter().map(f64::from).sum()
}

#[inline(always)]
fn largest_body<const FMA: bool>(values: &[f32]) -> Option<[u32; TOP]> {
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

#[inline(always)]
fn weigh_body<const FMA: bool>(logits: &mut [f32], max: f32, inverse_temperature: f32) -> (f64, f64) {
    let (mut total, mut weighted_log) = (0.0, 0.0);
    let mut products = [0.0; BLOCK];
    for block in logits.chunks_mut(BLOCK) {
        // Sums stay out of this loop: without them it vectorises whole.
        for (value, product) in block.iter_mut().zip(&mut products) {
            let (weight, log) = exp_negative((*value - max) * inverse_temperature);
            *value = weight;
            *product = weight * log;
        }
        total += sum_block_body::<FMA>(block);
        weighted_log += sum_block_body::<FMA>(&products[..block.len()]);
    }
    (total, weighted_log)
}

/// Below it `e^x` is not a normal `f32` any more; such weights count as 0.
const SMALLEST: f32 = -87.0;

/// `e^x` for `x ≤ 0`, within 2 units in the last place; exactly 0 below -87 and exactly 1 at 0. With it comes `x`
/// itself, kept finite.
///
/// `x` must be a number. No branch, no call and no table, so that a loop over it becomes vector code on any CPU: `x = n ln 2 + r`, the
/// Taylor series of `e^r` to the seventh power (the eighth is below 1e-8 for `|r| ≤ ln 2 / 2`), and `n` into the
/// exponent bits.
#[inline(always)]
fn exp_negative(x: f32) -> (f32, f32) {
    // 1.5 · 2²³: adding it rounds to the nearest integer and leaves that integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Not `f32::max`, whose care for NaN costs three more instructions.
    let clamped = if x > SMALLEST { x } else { SMALLEST };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let mut series = 1.0 / 5040.0;
    series = series * r + 1.0 / 720.0;
    series = series * r + 1.0 / 120.0;
    series = series * r + 1.0 / 24.0;
    series = series * r + 1.0 / 6.0;
    series = series * r + 0.5;
    series = series * (r * r) + r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()) << 23;
    let power = f32::from_bits(exponent.wrapping_add(1.0f32.to_bits()));
    let value = if x < SMALLEST { 0.0 } else { series * power };
    (value, clamped)
}

multiversion! {
    /// The sum of at most [`BLOCK`] values.
    pub(crate) fn sum_block(values: &[f32]) -> f64 = sum_block_body;
    /// The ids of the largest values, best first, the smaller id first among equals; `None` if any value is not finite.
    pub(crate) fn largest(values: &[f32]) -> Option<[u32; TOP]> = largest_body;
    /// Overwrites logits by weights `w = e^((l - max)/τ)`; returns `Σ w` and `Σ w ln w`.
    pub(crate) fn weigh(logits: &mut [f32], max: f32, inverse_temperature: f32) -> (f64, f64) = weigh_body;
}

#[cfg(test)]
mod tests {
    use super::super::isa::Isa;
    use super::*;

    #[test]
    fn within_two_ulps_of_the_exact_value() {
        let mut worst = 0.0f64;
        for i in 0..870_000 {
            let x = -1e-4 * i as f32;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp_negative(x).0) / exact - 1.0).abs());
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "relative error {worst:e}");
    }

    #[test]
    fn ends_are_exact() {
        assert_eq!(exp_negative(0.0).0, 1.0);
        assert_eq!(exp_negative(-87.01).0, 0.0);
        assert_eq!(exp_negative(-1e30).0, 0.0);
        assert_eq!(exp_negative(f32::NEG_INFINITY).0, 0.0);
    }

    #[test]
    fn every_copy_gives_the_same_bits() {
        for len in [1, 7, 61, 4096, 5003] {
            let logits: Vec<f32> = (0..len).map(|i| ((i * 7919 + 13) % 1009) as f32 / 50.0 - 9.0).collect();
            let want = largest(Isa::PORTABLE, &logits);
            let mut weights = logits.clone();
            let sums = weigh(Isa::PORTABLE, &mut weights, 11.2, 0.9);
            for isa in Isa::available() {
                assert_eq!(largest(isa, &logits), want);
                let mut got = logits.clone();
                assert_eq!(weigh(isa, &mut got, 11.2, 0.9), sums, "{isa:?} {len}");
                assert_eq!(got, weights);
                let block = &weights[..len.min(BLOCK)];
                assert_eq!(sum_block(isa, block), sum_block(Isa::PORTABLE, block));
            }
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut logits = logits.clone();
                logits[len / 2] = bad;
                assert!(Isa::available().into_iter().all(|isa| largest(isa, &logits).is_none()));
            }
        }
    }
}
