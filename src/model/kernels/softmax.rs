//! The rowwise parts of attention: rounding heads to 16 bits, scores into probabilities.
//!
//! Scores come as the kernels leave them, panel after panel of `rows × nr`.

use super::isa::multiversion;
use super::math::{LANES, exp, fma, fold, round};

/// The largest magnitude, or NaN if any value is not finite.
#[inline(always)]
fn peak_of(x: &[f32]) -> f32 {
    let mut peak = [0.0f32; LANES];
    let mut poison = [0.0f32; LANES];
    let (body, tail) = x.as_chunks::<LANES>();
    let mut each = |i: usize, x: f32| {
        let a = x.abs();
        peak[i] = if a > peak[i] { a } else { peak[i] };
        poison[i] += a * 0.0;
    };
    for chunk in body {
        for (i, &x) in chunk.iter().enumerate() {
            each(i, x);
        }
    }
    for (i, &x) in tail.iter().enumerate() {
        each(i, x);
    }
    fold(peak, f32::max) + fold(poison, |a, b| a + b)
}

#[inline(always)]
fn heads_to_i16_body<const FMA: bool>(
    x: &[f32],
    dim: usize,
    depth: usize,
    limit: f32,
    out: &mut [i16],
    scale: &mut [f32],
) {
    for ((x, out), scale) in x.chunks_exact(dim).zip(out.chunks_exact_mut(depth)).zip(scale) {
        let peak = peak_of(x);
        *scale = peak / limit;
        let factor = if peak > 1e-30 && peak.is_finite() { limit / peak } else { 0.0 };
        for (out, &x) in out.iter_mut().zip(x) {
            *out = round::<FMA>(x, factor) as i16;
        }
        out[dim..].fill(0);
    }
}

#[inline(always)]
fn head_peaks_body<const FMA: bool>(x: &[f32], dim: usize, peaks: &mut [f32]) {
    for (x, peak) in x.chunks_exact(dim).zip(peaks) {
        let here = peak_of(x);
        // NaN, once there, stays.
        *peak = if *peak >= here { *peak } else { here + *peak * 0.0 };
    }
}

#[inline(always)]
fn pairs_to_i16_body<const FMA: bool>(even: &[f32], odd: &[f32], factor: f32, out: &mut [[i16; 2]]) {
    for ((out, &a), &b) in out.iter_mut().zip(even).zip(odd) {
        *out = [round::<FMA>(a, factor) as i16, round::<FMA>(b, factor) as i16];
    }
}

/// How sums become probabilities. A trait and not closures, which are not always inlined: they would then be compiled
/// for the plain instructions.
trait Weigh<S, P> {
    /// Scores from the sums of some columns, of which `column` is the first.
    fn scores(&self, sums: &[S; LANES], column: usize) -> [f32; LANES];
    /// The unscaled probability of a score less the best one, and what counts towards the total.
    fn weigh(&self, score: f32) -> (P, f32);
}

/// The largest of some whole chunks.
#[inline(always)]
fn highest(x: &[f32]) -> f32 {
    let mut best = [f32::NEG_INFINITY; LANES];
    for chunk in x.as_chunks::<LANES>().0 {
        for (best, &x) in best.iter_mut().zip(chunk) {
            *best = if x > *best { x } else { *best };
        }
    }
    fold(best, |a, b| if b > a { b } else { a })
}

/// One row's softmax over panels of `N` scores, which are kept in `scores` meanwhile.
#[inline(always)]
fn row_softmax<const N: usize, S: Copy, P: Copy + Default>(
    sums: &[S],
    rows: usize,
    row: usize,
    seen: usize,
    scores: &mut [f32],
    p: &mut [P],
    by: impl Weigh<S, P>,
) -> f32 {
    let whole = seen.next_multiple_of(LANES);
    // Scores, maximum and probabilities in passes of their own: together they are not vectorised whole.
    for (i, out) in scores[..whole].as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let column = i * LANES;
        let sums = &sums[(column / N * rows + row) * N + column % N..];
        *out = by.scores(sums.first_chunk().expect("a row of scores"), column);
    }
    scores[seen..whole].fill(f32::NEG_INFINITY);
    let best = highest(&scores[..whole]);

    let mut total = [0.0f32; LANES];
    let chunks = scores[..whole].as_chunks::<LANES>().0.iter().zip(p[..whole].as_chunks_mut::<LANES>().0);
    for (x, p) in chunks {
        for j in 0..LANES {
            let (q, part) = by.weigh(x[j] - best);
            p[j] = q;
            total[j] += part;
        }
    }
    p[seen..].fill(P::default());
    fold(total, |a, b| a + b)
}

struct Plain<const FMA: bool>;

impl<const FMA: bool> Weigh<f32, f32> for Plain<FMA> {
    #[inline(always)]
    fn scores(&self, sums: &[f32; LANES], _: usize) -> [f32; LANES] {
        *sums
    }

    #[inline(always)]
    fn weigh(&self, score: f32) -> (f32, f32) {
        let e = exp::<FMA>(score);
        (e, e)
    }
}

#[inline(always)]
fn probabilities_f32_body<const FMA: bool>(
    sums: &[f32],
    nr: usize,
    rows: usize,
    row: usize,
    seen: usize,
    scores: &mut [f32],
    p: &mut [f32],
) -> f32 {
    match nr {
        16 => row_softmax::<16, _, _>(sums, rows, row, seen, scores, p, Plain::<FMA>),
        32 => row_softmax::<32, _, _>(sums, rows, row, seen, scores, p, Plain::<FMA>),
        _ => unreachable!("panels have 16 or 32 columns"),
    }
}

/// `2^x` for `x ≤ 0` to about 3e-6 of itself, finer than a probability of 13 bits; below -126 it stays at 2^-126.
#[inline(always)]
fn exp2<const FMA: bool>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let x = if x > -126.0 { x } else { -126.0 };
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    let mut p = 9.560_51e-3;
    for c in [5.591_704e-2, 2.402_498e-1, 6.931_22e-1, 9.999_992e-1] {
        p = fma::<FMA>(p, r, c);
    }
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// Integer sums; scores are in powers of two, which are cheaper than those of e.
struct Rounded<'a, const FMA: bool, const ZERO: bool> {
    keys: Keys<'a>,
    factor: f32,
    limit: f32,
}

impl<const FMA: bool, const ZERO: bool> Weigh<i32, i16> for Rounded<'_, FMA, ZERO> {
    #[inline(always)]
    fn scores(&self, sums: &[i32; LANES], column: usize) -> [f32; LANES] {
        let scale = self.keys.scale[column..].first_chunk::<LANES>().expect("a scale a column");
        let zero = if ZERO { *self.keys.zero[column..].first_chunk().expect("a zero a column") } else { [0; LANES] };
        let mut x = [0.0; LANES];
        for j in 0..LANES {
            x[j] = (sums[j] - zero[j]) as f32 * (scale[j] * self.factor);
        }
        x
    }

    /// The rounded probability is what counts, so that rounding cancels out of the average.
    #[inline(always)]
    fn weigh(&self, score: f32) -> (i16, f32) {
        let q = round::<FMA>(exp2::<FMA>(score), self.limit);
        (q as i16, q as f32)
    }
}

#[inline(always)]
fn probabilities_i16_body<const FMA: bool>(
    sums: &[i32],
    nr: usize,
    rows: usize,
    row: usize,
    seen: usize,
    keys: Keys<'_>,
    scale: f32,
    limit: f32,
    scores: &mut [f32],
    p: &mut [i16],
) -> f32 {
    let factor = scale * std::f32::consts::LOG2_E;
    macro_rules! by {
        ($zero:literal) => {
            Rounded::<FMA, $zero> { keys, factor, limit }
        };
    }
    let total = match (nr, keys.zero.is_empty()) {
        (16, true) => row_softmax::<16, _, _>(sums, rows, row, seen, scores, p, by!(false)),
        (16, false) => row_softmax::<16, _, _>(sums, rows, row, seen, scores, p, by!(true)),
        (32, true) => row_softmax::<32, _, _>(sums, rows, row, seen, scores, p, by!(false)),
        (32, false) => row_softmax::<32, _, _>(sums, rows, row, seen, scores, p, by!(true)),
        _ => unreachable!("panels have 16 or 32 columns"),
    };
    total + scale * 0.0
}

/// What undoes the rounding of keys, a value a column.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    pub(super) scale: &'a [f32],
    /// Subtracted from the sums, for queries whose zero is not 0; empty: nothing is.
    pub(super) zero: &'a [i32],
}

#[inline(always)]
fn add_scaled_body<const FMA: bool>(sums: &[i32], scale: f32, fresh: bool, out: &mut [f32]) {
    if fresh {
        for (out, &s) in out.iter_mut().zip(sums) {
            *out = s as f32 * scale;
        }
    } else {
        for (out, &s) in out.iter_mut().zip(sums) {
            *out = fma::<FMA>(s as f32, scale, *out);
        }
    }
}

multiversion! {
    /// Rounds each head of a row to `±limit`, padded to `depth`; `scale` undoes it (NaN for heads that are not finite).
    pub(super) fn heads_to_i16(x: &[f32], dim: usize, depth: usize, limit: f32, out: &mut [i16], scale: &mut [f32])
        = heads_to_i16_body;
    /// Raises `peaks` to the largest magnitudes of a row's heads; NaN for heads that are not finite.
    pub(super) fn head_peaks(x: &[f32], dim: usize, peaks: &mut [f32]) = head_peaks_body;
    /// Rounds two rows of values times `factor`, side by side.
    pub(super) fn pairs_to_i16(even: &[f32], odd: &[f32], factor: f32, out: &mut [[i16; 2]]) = pairs_to_i16_body;
    /// Unscaled probabilities of row `row` over its first `seen` columns, zero after them; returns their total.
    /// `scores` is scratch, as long as `p`.
    pub(super) fn probabilities_f32(sums: &[f32], nr: usize, rows: usize, row: usize, seen: usize,
        scores: &mut [f32], p: &mut [f32]) -> f32 = probabilities_f32_body;
    /// The same for integer scores, to be scaled by `scale` and one factor a column; probabilities of up to `limit`.
    pub(super) fn probabilities_i16(sums: &[i32], nr: usize, rows: usize, row: usize, seen: usize,
        keys: Keys<'_>, scale: f32, limit: f32, scores: &mut [f32], p: &mut [i16]) -> f32 = probabilities_i16_body;
    /// Adds `sums · scale` to `out`, or puts it there.
    pub(super) fn add_scaled(sums: &[i32], scale: f32, fresh: bool, out: &mut [f32]) = add_scaled_body;
}

#[cfg(test)]
mod tests {
    use super::super::isa::Isa;
    use super::super::tiles::Kernels;
    use super::*;

    fn unit(i: usize) -> f32 {
        ((i.wrapping_mul(2_654_435_761) >> 7) % 4001) as f32 / 2000.0 - 1.0
    }

    /// Sums of `rows` rows of `columns` in panels, from plain entries.
    fn panels<S: Copy + Default>(nr: usize, rows: usize, columns: usize, entry: impl Fn(usize, usize) -> S) -> Vec<S> {
        let mut sums = vec![S::default(); rows * columns];
        for r in 0..rows {
            for c in 0..columns {
                sums[(c / nr * rows + r) * nr + c % nr] = entry(r, c);
            }
        }
        sums
    }

    #[test]
    fn probabilities_match_plain_ones_at_any_spread() {
        const COLUMNS: usize = 96;
        let (rows, limit) = (3, 5792.0f32);
        for isa in Isa::available() {
            let nr = Kernels::new(isa).nr();
            // From all alike to one that takes everything, and to scores no power can hold.
            for spread in [0.0f32, 1.0, 30.0, 1e4, 1e9] {
                for seen in [1, 15, 16, 17, 31, 33, 64, 95, 96] {
                    let entry = |r: usize, c: usize| (unit(r * 1000 + c) * spread) as i32;
                    let float = |r: usize, c: usize| unit(r * 1000 + c) * spread;
                    let scale: Vec<f32> = (0..COLUMNS).map(|c| 0.75 + 0.25 * unit(c)).collect();
                    let offset: Vec<i32> = (0..COLUMNS).map(|c| (unit(c + 7) * 100.0) as i32).collect();
                    for row in 0..rows {
                        let (mut scores, mut p) = (vec![0.0; COLUMNS], vec![7; COLUMNS]);
                        for zero in [&[][..], &offset] {
                            let sums = panels(nr, rows, COLUMNS, |r, c| entry(r, c) + zero.get(c).unwrap_or(&0));
                            let keys = Keys { scale: &scale, zero };
                            let total = probabilities_i16(
                                isa,
                                &sums,
                                nr,
                                rows,
                                row,
                                seen,
                                keys,
                                0.5,
                                limit,
                                &mut scores,
                                &mut p,
                            );
                            let score = |c: usize| f64::from(entry(row, c)) * f64::from(scale[c]) * 0.5;
                            let best = (0..seen).map(score).fold(f64::MIN, f64::max);
                            for (c, &p) in p.iter().enumerate() {
                                let want = if c < seen { (score(c) - best).exp() * f64::from(limit) } else { 0.0 };
                                let off = (f64::from(p) - want).abs();
                                // A score in f32 is only so exact.
                                let allowed = 0.52 + want * (1e-5 + score(c).abs() * 2e-7);
                                assert!(off <= allowed, "{isa:?} {spread} {seen} column {c}: {p}, not {want}");
                            }
                            assert_eq!(total, p.iter().map(|&p| f32::from(p)).sum::<f32>());
                        }
                        let mut p = vec![7.0; COLUMNS];
                        let sums = panels(nr, rows, COLUMNS, float);
                        let total = probabilities_f32(isa, &sums, nr, rows, row, seen, &mut scores, &mut p);
                        let best = (0..seen).map(|c| float(row, c)).fold(f32::MIN, f32::max);
                        for (c, &p) in p.iter().enumerate() {
                            let want = if c < seen { f64::from(float(row, c) - best).exp() } else { 0.0 };
                            assert!((f64::from(p) - want).abs() < 1e-6, "{isa:?} {spread} {seen} column {c}: {p}");
                        }
                        let sum: f64 = p.iter().map(|&p| f64::from(p)).sum();
                        assert!((f64::from(total) / sum - 1.0).abs() < 1e-5);
                    }
                }
            }
        }
    }

    #[test]
    fn heads_are_rounded_to_their_own_peaks() {
        for isa in Isa::available() {
            for (dim, depth) in [(1, 2), (7, 8), (20, 20), (33, 36), (64, 64)] {
                let heads = 3;
                let mut x: Vec<f32> = (0..heads * dim).map(|i| unit(i) * [1e-3, 1.0, 1e6][i / dim]).collect();
                for limit in [127.0, 5792.0] {
                    let (mut q, mut scale) = (vec![9; heads * depth], vec![0.0; heads]);
                    heads_to_i16(isa, &x, dim, depth, limit, &mut q, &mut scale);
                    let mut peaks = vec![0.0; heads];
                    head_peaks(isa, &x, dim, &mut peaks);
                    for h in 0..heads {
                        let peak = x[h * dim..][..dim].iter().fold(0.0f32, |m, x| m.max(x.abs()));
                        assert_eq!(peaks[h], peak);
                        assert!((scale[h] * limit / peak - 1.0).abs() < 1e-6);
                        for i in 0..depth {
                            let q = f32::from(q[h * depth + i]);
                            let want = if i < dim { x[h * dim + i] / scale[h] } else { 0.0 };
                            assert!((q - want).abs() < 0.51 && q.abs() <= limit, "{isa:?} {dim} {limit}: {q} {want}");
                        }
                    }
                }
                x[0] = f32::NAN;
                let (mut q, mut scale, mut peaks) = (vec![0; heads * depth], vec![0.0; heads], vec![0.0; heads]);
                heads_to_i16(isa, &x, dim, depth, 127.0, &mut q, &mut scale);
                head_peaks(isa, &x, dim, &mut peaks);
                assert!(scale[0].is_nan() && peaks[0].is_nan() && scale[1].is_finite() && peaks[2].is_finite());
                assert!(q[..dim].iter().all(|&q| q == 0));
            }
        }
    }

    #[test]
    fn values_and_sums_are_scaled() {
        for isa in Isa::available() {
            for len in [1, 15, 16, 33, 64] {
                let (a, b): (Vec<f32>, Vec<f32>) = (0..len).map(|i| (unit(i), unit(i + 99))).unzip();
                let mut pairs = vec![[0; 2]; len];
                pairs_to_i16(isa, &a, &b, 3000.0, &mut pairs);
                let sums: Vec<i32> = (0..len).map(|i| (unit(i) * 2e9) as i32).collect();
                let mut out = vec![f32::NAN; len];
                add_scaled(isa, &sums, 1e-6, true, &mut out);
                add_scaled(isa, &sums, 1e-6, false, &mut out);
                for i in 0..len {
                    assert!((f32::from(pairs[i][0]) - a[i] * 3000.0).abs() < 0.51);
                    assert!((f32::from(pairs[i][1]) - b[i] * 3000.0).abs() < 0.51);
                    assert!((f64::from(out[i]) - f64::from(sums[i]) * 2e-6).abs() < 1e-3, "{isa:?} {len}");
                }
            }
        }
    }
}
