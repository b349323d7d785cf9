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

/// One row's softmax over panels of `N` scores: `score` gives a score from a sum and its column, `emit` stores an
/// unscaled probability and returns what counts towards the total.
#[inline(always)]
fn row_softmax<const FMA: bool, const N: usize, S: Copy, P: Copy + Default>(
    sums: &[S],
    rows: usize,
    row: usize,
    seen: usize,
    p: &mut [P],
    score: impl Fn(S, usize) -> f32,
    emit: impl Fn(f32) -> (P, f32),
) -> f32 {
    let panel = |i: usize| sums[(i * rows + row) * N..].first_chunk::<N>().expect("a row of scores");
    let (full, rest) = (seen / N, seen % N);
    let mut best = [f32::NEG_INFINITY; N];
    for i in 0..full {
        let s = panel(i);
        for j in 0..N {
            let x = score(s[j], i * N + j);
            best[j] = if x > best[j] { x } else { best[j] };
        }
    }
    if rest > 0 {
        let s = panel(full);
        for j in 0..rest {
            let x = score(s[j], full * N + j);
            best[j] = if x > best[j] { x } else { best[j] };
        }
    }
    let best = best.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });

    let mut total = [0.0f32; N];
    for i in 0..full {
        let s = panel(i);
        let p = p[i * N..].first_chunk_mut::<N>().expect("a panel of probabilities");
        for j in 0..N {
            let (q, part) = emit(exp::<FMA>(score(s[j], i * N + j) - best));
            p[j] = q;
            total[j] += part;
        }
    }
    if rest > 0 {
        let s = panel(full);
        for j in 0..rest {
            let (q, part) = emit(exp::<FMA>(score(s[j], full * N + j) - best));
            p[full * N + j] = q;
            total[j] += part;
        }
    }
    p[seen..].fill(P::default());
    let mut sum = 0.0;
    for t in total {
        sum += t;
    }
    sum
}

#[inline(always)]
fn probabilities_f32_body<const FMA: bool>(
    sums: &[f32],
    nr: usize,
    rows: usize,
    row: usize,
    seen: usize,
    p: &mut [f32],
) -> f32 {
    let (score, emit) = (|s: f32, _| s, |e: f32| (e, e));
    match nr {
        16 => row_softmax::<FMA, 16, _, _>(sums, rows, row, seen, p, score, emit),
        32 => row_softmax::<FMA, 32, _, _>(sums, rows, row, seen, p, score, emit),
        _ => unreachable!("panels have 16 or 32 columns"),
    }
}

#[inline(always)]
fn probabilities_i16_body<const FMA: bool>(
    sums: &[i32],
    nr: usize,
    rows: usize,
    row: usize,
    seen: usize,
    key_scale: &[f32],
    scale: f32,
    limit: f32,
    p: &mut [i16],
) -> f32 {
    let key_scale = &key_scale[..p.len()];
    let score = |s: i32, column: usize| s as f32 * (key_scale[column] * scale);
    // The rounded probability is what counts, so that rounding cancels out of the average.
    let emit = |e: f32| {
        let q = round::<FMA>(e, limit);
        (q as i16, q as f32)
    };
    let total = match nr {
        16 => row_softmax::<FMA, 16, _, _>(sums, rows, row, seen, p, score, emit),
        32 => row_softmax::<FMA, 32, _, _>(sums, rows, row, seen, p, score, emit),
        _ => unreachable!("panels have 16 or 32 columns"),
    };
    total + scale * 0.0
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
    pub(super) fn probabilities_f32(sums: &[f32], nr: usize, rows: usize, row: usize, seen: usize, p: &mut [f32])
        -> f32 = probabilities_f32_body;
    /// The same for integer scores, to be scaled by `scale` and one factor a column; probabilities of up to `limit`.
    pub(super) fn probabilities_i16(sums: &[i32], nr: usize, rows: usize, row: usize, seen: usize,
        key_scale: &[f32], scale: f32, limit: f32, p: &mut [i16]) -> f32 = probabilities_i16_body;
    /// Adds `sums · scale` to `out`, or puts it there.
    pub(super) fn add_scaled(sums: &[i32], scale: f32, fresh: bool, out: &mut [f32]) = add_scaled_body;
}
