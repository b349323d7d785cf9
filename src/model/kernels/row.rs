//! One row of logits while it is in cache: its maximum, and the sum of its exponentials.

use super::isa::multiversion;
use super::math::{LANES, exp, fold};

/// Values that are summed in f32 before their sum is widened.
const RUN: usize = 256;

#[inline(always)]
fn max_body<const FMA: bool>(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut poison = [0.0f32; LANES];
    let (body, tail) = row.as_chunks::<LANES>();
    let mut each = |i: usize, x: f32| {
        lanes[i] = if x > lanes[i] { x } else { lanes[i] };
        poison[i] += x * 0.0;
    };
    for chunk in body {
        for (i, &x) in chunk.iter().enumerate() {
            each(i, x);
        }
    }
    for (i, &x) in tail.iter().enumerate() {
        each(i, x);
    }
    fold(lanes, f32::max) + fold(poison, |a, b| a + b)
}

#[inline(always)]
fn exp_sum_body<const FMA: bool>(row: &[f32], peak: f32) -> f64 {
    let sum = |run: &[f32]| {
        let mut lanes = [0.0f32; LANES];
        let (body, tail) = run.as_chunks::<LANES>();
        for chunk in body {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += exp::<FMA>(x - peak);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(tail) {
            *lane += exp::<FMA>(x - peak);
        }
        fold(lanes, |a, b| a + b)
    };
    row.chunks(RUN).map(|run| f64::from(sum(run))).sum()
}

multiversion! {
    /// The largest logit; NaN if any is not a finite number.
    pub(super) fn max(row: &[f32]) -> f32 = max_body;
    /// The sum of `e^(x - peak)`.
    pub(super) fn exp_sum(row: &[f32], peak: f32) -> f64 = exp_sum_body;
}

#[cfg(test)]
mod tests {
    use super::super::isa::Isa;
    use super::*;

    fn logits(len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + 13) % 1009) as f32 / 100.0 - 5.0).collect()
    }

    #[test]
    fn maxima_and_sums_match_plain_ones() {
        for isa in Isa::available() {
            for len in [1, 7, 97, 4096, 50_258] {
                let x = logits(len);
                let peak = max(isa, &x);
                assert_eq!(peak, x.iter().copied().fold(f32::MIN, f32::max));
                let want: f64 = x.iter().map(|&x| f64::from(x - peak).exp()).sum();
                let got = exp_sum(isa, &x, peak);
                assert!((got / want - 1.0).abs() < 1e-6, "{isa:?} {len}: {got} {want}");
            }
        }
    }

    #[test]
    fn damage_shows_in_the_maximum() {
        for isa in Isa::available() {
            for at in [0, 40, 96] {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut x = logits(97);
                    x[at] = bad;
                    assert!(!max(isa, &x).is_finite());
                }
            }
        }
    }
}
