//! One row of logits while it is in cache: its maximum, its exponentials with their sums, a draw, the best few.
//!
//! A draw needs no second array: exponentials take the logits' place and carry the sums of short runs, so that the
//! inverse of their cumulative sum is found by skipping runs.

use super::isa::{Isa, multiversion};
use super::math::{LANES, exp, fold};

/// Values of a row that are summed together before their sum is widened.
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

/// Exponentials of one run in place; returns their sum.
#[inline(always)]
fn exp_run<const FMA: bool>(run: &mut [f32], peak: f32, scale: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (body, tail) = run.as_chunks_mut::<LANES>();
    for chunk in body {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *x = exp::<FMA>((*x - peak) * scale);
            *lane += *x;
        }
    }
    for (lane, x) in lanes.iter_mut().zip(tail) {
        *x = exp::<FMA>((*x - peak) * scale);
        *lane += *x;
    }
    fold(lanes, |a, b| a + b)
}

#[inline(always)]
fn exp_sum_body<const FMA: bool>(row: &mut [f32], peak: f32) -> f64 {
    row.chunks_mut(RUN).map(|run| f64::from(exp_run::<FMA>(run, peak, 1.0))).sum()
}

#[inline(always)]
fn exp_runs_body<const FMA: bool>(row: &mut [f32], peak: f32, scale: f32, runs: &mut [f32]) -> f64 {
    let mut total = 0.0;
    for (run, sum) in row.chunks_mut(RUN).zip(runs) {
        *sum = exp_run::<FMA>(run, peak, scale);
        total += f64::from(*sum);
    }
    total
}

/// `Σ e·x` of a row of exponentials `e`, with `x = ln e` recovered from the logits' distance to the peak beforehand.
#[inline(always)]
fn exp_entropy_body<const FMA: bool>(row: &mut [f32], peak: f32, scale: f32, runs: &mut [f32]) -> (f64, f64) {
    let (mut total, mut weighted) = (0.0, 0.0);
    for (run, sum) in row.chunks_mut(RUN).zip(runs) {
        let mut lanes = [0.0f32; LANES];
        let mut moments = [0.0f32; LANES];
        let (body, tail) = run.as_chunks_mut::<LANES>();
        let mut each = |i: usize, x: &mut f32| {
            let z = (*x - peak) * scale;
            *x = exp::<FMA>(z);
            lanes[i] += *x;
            moments[i] += *x * z;
        };
        for chunk in body {
            for (i, x) in chunk.iter_mut().enumerate() {
                each(i, x);
            }
        }
        for (i, x) in tail.iter_mut().enumerate() {
            each(i, x);
        }
        *sum = fold(lanes, |a, b| a + b);
        total += f64::from(*sum);
        weighted += f64::from(fold(moments, |a, b| a + b));
    }
    (total, weighted)
}

#[inline(always)]
fn above_body<const FMA: bool>(run: &[f32], floor: f32) -> bool {
    let mut any = [false; LANES];
    let (body, tail) = run.as_chunks::<LANES>();
    for chunk in body {
        for (any, &x) in any.iter_mut().zip(chunk) {
            *any |= x > floor;
        }
    }
    for (any, &x) in any.iter_mut().zip(tail) {
        *any |= x > floor;
    }
    any.iter().any(|&b| b)
}

multiversion! {
    /// The largest logit; NaN if any is not a finite number.
    pub fn max(row: &[f32]) -> f32 = max_body;
    /// Replaces logits by `e^(x - peak)`; returns their sum.
    pub fn exp_sum(row: &mut [f32], peak: f32) -> f64 = exp_sum_body;
    /// Replaces logits by `e^(scale (x - peak))`; returns their sum, and in `runs` ([`runs`] of them) the sums that
    /// [`draw`] skips by.
    pub fn exp_runs(row: &mut [f32], peak: f32, scale: f32, runs: &mut [f32]) -> f64 = exp_runs_body;
    /// As [`exp_runs`], and returns `Σ e·ln e` too: with both, the entropy in nats is `ln Σe - (Σ e·ln e)/Σe`.
    pub fn exp_entropy(row: &mut [f32], peak: f32, scale: f32, runs: &mut [f32]) -> (f64, f64) = exp_entropy_body;
    fn above(run: &[f32], floor: f32) -> bool = above_body;
}

/// How many sums [`exp_runs`] gives for a row of `len` logits.
pub fn runs(len: usize) -> usize {
    len.div_ceil(RUN)
}

/// The first index at which the cumulative sum of `row` exceeds `target`, as though `skip` had weight zero.
///
/// `row` and `runs` come from [`exp_runs`]. A `target` at or past the total, which only rounding gives, falls to the
/// last index of positive weight; `None` if there is none.
pub fn draw(row: &[f32], runs: &[f32], skip: Option<usize>, target: f64) -> Option<usize> {
    let weight = |i: usize| if Some(i) == skip { 0.0 } else { f64::from(row[i]) };
    let mut before = 0.0;
    for (r, &sum) in runs.iter().enumerate() {
        let range = r * RUN..row.len().min((r + 1) * RUN);
        let inside = skip.is_some_and(|s| range.contains(&s));
        let sum = if inside { range.clone().map(weight).sum() } else { f64::from(sum) };
        if before + sum > target {
            for i in range {
                before += weight(i);
                if before > target {
                    return Some(i);
                }
            }
            // The run's own sum was rounded up: go on after it.
        } else {
            before += sum;
        }
    }
    (0..row.len()).rev().find(|&i| weight(i) > 0.0)
}

/// The `N` largest values with their indices, largest first; ties to the smaller index.
pub fn top<const N: usize>(isa: Isa, row: &[f32]) -> [(u32, f32); N] {
    let mut best = [(0, f32::NEG_INFINITY); N];
    for (r, run) in row.chunks(64).enumerate() {
        if !above(isa, run, best[N - 1].1) {
            continue;
        }
        for (i, &x) in run.iter().enumerate() {
            if x > best[N - 1].1 {
                let at = best.partition_point(|&(_, b)| b >= x);
                best[at..].rotate_right(1);
                best[at] = ((r * 64 + i) as u32, x);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + 13) % 1009) as f32 / 100.0 - 5.0).collect()
    }

    #[test]
    fn sums_and_entropy_match_f64() {
        for isa in Isa::available() {
            for len in [1, 7, 97, 4096, 50_258] {
                let x = logits(len);
                let peak = max(isa, &x);
                assert_eq!(peak, x.iter().copied().fold(f32::MIN, f32::max));
                let e: Vec<f64> = x.iter().map(|&x| (0.5 * f64::from(x - peak)).exp()).collect();
                let sum: f64 = e.iter().sum();
                let entropy: f64 = e.iter().map(|e| -(e / sum) * (e / sum).ln()).sum();
                let mut sums = vec![0.0; runs(len)];
                let (mut a, mut b) = (x.clone(), x.clone());
                let total = exp_runs(isa, &mut a, peak, 0.5, &mut sums);
                assert!((total / sum - 1.0).abs() < 1e-6, "{isa:?} {len}: {total} {sum}");
                let (total, weighted) = exp_entropy(isa, &mut b, peak, 0.5, &mut sums);
                assert!((total.ln() - weighted / total - entropy).abs() < 1e-5 * (1.0 + entropy));
                assert_eq!(a, b);
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

    #[test]
    fn draws_invert_the_cumulative_sum() {
        let mut row = logits(1000);
        let mut sums = vec![0.0; runs(1000)];
        let total = exp_runs(Isa::best(), &mut row, 5.0, 1.0, &mut sums);
        for skip in [None, Some(0), Some(300), Some(999)] {
            let weight = |i: usize| if Some(i) == skip { 0.0 } else { f64::from(row[i]) };
            let whole = total - skip.map_or(0.0, |s| f64::from(row[s]));
            for step in 0..200 {
                let target = whole * f64::from(step) / 200.0;
                let got = draw(&row, &sums, skip, target).expect("a positive weight");
                let upto: f64 = (0..=got).map(weight).sum();
                assert!(upto > target - 1e-4 && upto - weight(got) <= target + 1e-4, "{skip:?} {step}: {got}");
                assert_ne!(Some(got), skip);
            }
            assert!(draw(&row, &sums, skip, 2.0 * total).is_some());
        }
        assert_eq!(draw(&[1.0], &[1.0], Some(0), 0.0), None);
    }

    #[test]
    fn top_finds_the_best_in_order() {
        for isa in Isa::available() {
            let x = logits(5000);
            let mut order: Vec<usize> = (0..x.len()).collect();
            order.sort_by(|&a, &b| x[b].total_cmp(&x[a]).then(a.cmp(&b)));
            let want: Vec<(u32, f32)> = order[..5].iter().map(|&i| (i as u32, x[i])).collect();
            assert_eq!(top::<5>(isa, &x).to_vec(), want);
            assert_eq!(top::<5>(isa, &[2.0, 3.0])[..2], [(1, 3.0), (0, 2.0)]);
        }
    }
}
