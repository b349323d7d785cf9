//! Elementwise arithmetic over rows: written plainly, compiled once per instruction set.
//!
//! Sums run in 16 lanes whatever the vector width, so that they do not depend on it.

use super::isa::multiversion;

/// Lanes of every sum and maximum.
pub(crate) const LANES: usize = 16;

/// `a · b + c`, fused where that is one instruction.
#[inline(always)]
pub(crate) fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x` to about 2e-7 relative; below -87 it stays at e^-87, above 88 at e^88.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    // Adding 1.5·2^23 rounds to an integer, which then sits in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = fma::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln 2 in two parts: the first has few enough bits that n times it is exact.
    let r = fma::<FMA>(n, -0.693_359_4, x);
    let r = fma::<FMA>(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5] {
        p = fma::<FMA>(p, r, c);
    }
    let p = fma::<FMA>(p * r, r, r + 1.0);
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// The tanh form of GELU, as `x · sigmoid(2u)`.
#[inline(always)]
fn gelu<const FMA: bool>(x: f32) -> f32 {
    let u = x * fma::<FMA>(x * x, -0.071_354_814, -1.595_769_2);
    x / (1.0 + exp::<FMA>(u))
}

/// Reduces lanes in a fixed order.
#[inline(always)]
pub(crate) fn fold(lanes: [f32; LANES], op: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = op(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// `f(x[i])` summed in lanes.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (body, tail) = x.as_chunks::<LANES>();
    for chunk in body {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f(x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(tail) {
        *lane += f(x);
    }
    fold(lanes, |a, b| a + b)
}

#[inline(always)]
fn norm_body<const FMA: bool>(x: &[f32], eps: f32, alpha: &[f32], beta: &[f32], out: &mut [f32]) {
    let n = x.len() as f32;
    let mean = sum(x, |x| x) / n;
    let variance = sum(x, |x| (x - mean) * (x - mean)) / n;
    let inverse = 1.0 / (variance + eps).sqrt();
    for (((out, &x), &alpha), &beta) in out.iter_mut().zip(x).zip(alpha).zip(beta) {
        *out = fma::<FMA>((x - mean) * inverse, alpha, beta);
    }
}

/// The span of some values, zero included; NaN at both ends if any value is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f32,
    pub(crate) high: f32,
}

impl Range {
    /// The largest magnitude.
    pub(crate) fn peak(self) -> f32 {
        self.high.max(-self.low)
    }
}

/// Replaces each value by `f` of it; returns the range of the results.
#[inline(always)]
fn map_range(x: &mut [f32], f: impl Fn(f32) -> f32) -> Range {
    let mut low = [0.0f32; LANES];
    let mut high = [0.0f32; LANES];
    let mut poison = [0.0f32; LANES];
    let (body, tail) = x.as_chunks_mut::<LANES>();
    let mut each = |i: usize, x: &mut f32| {
        *x = f(*x);
        low[i] = if *x < low[i] { *x } else { low[i] };
        high[i] = if *x > high[i] { *x } else { high[i] };
        // Zero for finite values, NaN for the others.
        poison[i] += *x * 0.0;
    };
    for chunk in body {
        for (i, x) in chunk.iter_mut().enumerate() {
            each(i, x);
        }
    }
    for (i, x) in tail.iter_mut().enumerate() {
        each(i, x);
    }
    let poison = fold(poison, |a, b| a + b);
    Range { low: fold(low, f32::min) + poison, high: fold(high, f32::max) + poison }
}

#[inline(always)]
fn range_body<const FMA: bool>(x: &mut [f32]) -> Range {
    map_range(x, |x| x)
}

#[inline(always)]
fn gelu_body<const FMA: bool>(x: &mut [f32]) -> Range {
    map_range(x, gelu::<FMA>)
}

/// `round(x · factor)` for results that fit 16 bits.
#[inline(always)]
pub(crate) fn round<const FMA: bool>(x: f32, factor: f32) -> i32 {
    const ROUND: f32 = 12_582_912.0;
    (fma::<FMA>(x, factor, ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32)
}

#[inline(always)]
fn to_i16_body<const FMA: bool>(x: &[f32], factor: f32, out: &mut [i16]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = round::<FMA>(x, factor) as i16;
    }
}

#[inline(always)]
fn to_u8_body<const FMA: bool>(x: &[f32], factor: f32, zero: i32, out: &mut [u8]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = (round::<FMA>(x, factor) + zero) as u8;
    }
}

#[inline(always)]
fn to_bf16_body<const FMA: bool>(x: &[f32], out: &mut [u16]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = bf16(x);
    }
}

/// The nearest bf16, ties to even; NaN stays NaN.
#[inline(always)]
pub(crate) fn bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    (if x.is_nan() { 0x7fc0 } else { rounded }) as u16
}

#[inline(always)]
fn widen_i8_body<const FMA: bool>(x: &[i8], out: &mut [i16]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = i16::from(x);
    }
}

#[inline(always)]
fn widen_bf16_body<const FMA: bool>(x: &[u16], out: &mut [f32]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = f32::from_bits(u32::from(x) << 16);
    }
}

/// What happens to a layer's result before it is stored.
#[derive(Clone, Copy)]
pub(crate) enum Finish<'a> {
    /// Stored as it is.
    Store,
    /// Times a gate for each column, added to what is there.
    GateAdd(&'a [f32]),
    /// Added to what is there.
    Add,
}

/// Columns whose sums are finished together: rows are then written four cache lines at a time.
pub(crate) const SPAN: usize = 64;

/// Scales and offsets that turn a kernel's sums into a layer's result, for up to [`SPAN`] columns.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    /// One a column; empty: 1.
    pub(crate) scale: &'a [f32],
    /// Sums of weights: as often as a row's zero says, they are subtracted first; empty: never.
    pub(crate) sums: &'a [i32],
    /// Added last; empty: 0.
    pub(crate) bias: &'a [f32],
}

/// Sums of a kernel, 32-bit integers or f32.
pub(crate) trait Sum: Copy + Default + Send + Sync {
    fn less(self, offset: i32) -> f32;
}

impl Sum for i32 {
    #[inline(always)]
    fn less(self, offset: i32) -> f32 {
        (self - offset) as f32
    }
}

impl Sum for f32 {
    #[inline(always)]
    fn less(self, _: i32) -> f32 {
        self
    }
}

/// What undoes the rounding of a row of activations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowScale {
    pub(crate) scale: f32,
    /// What zero was rounded to.
    pub(crate) zero: i32,
}

/// Finishes `sums` (panels of rows of `nr`) into `out`, rows of `stride` of which `width` columns are written.
#[inline(always)]
fn finish_body<const FMA: bool, S: Sum>(
    sums: &[S],
    nr: usize,
    row_scale: &[RowScale],
    columns: Columns<'_>,
    finish: Finish<'_>,
    out: &mut [f32],
    stride: usize,
    width: usize,
) {
    match (nr, columns.sums.is_empty()) {
        (16, true) => finish_span::<FMA, S, 16, false>(sums, row_scale, columns, finish, out, stride, width),
        (16, false) => finish_span::<FMA, S, 16, true>(sums, row_scale, columns, finish, out, stride, width),
        (32, true) => finish_span::<FMA, S, 32, false>(sums, row_scale, columns, finish, out, stride, width),
        (32, false) => finish_span::<FMA, S, 32, true>(sums, row_scale, columns, finish, out, stride, width),
        _ => unreachable!("panels have 16 or 32 columns"),
    }
}

/// `x`, followed by `other`.
#[inline(always)]
fn span_of<T: Copy>(x: &[T], other: T) -> [T; SPAN] {
    let mut all = [other; SPAN];
    let have = x.len().min(SPAN);
    all[..have].copy_from_slice(&x[..have]);
    all
}

#[inline(always)]
fn finish_span<const FMA: bool, S: Sum, const N: usize, const ZERO: bool>(
    sums: &[S],
    row_scale: &[RowScale],
    columns: Columns<'_>,
    finish: Finish<'_>,
    out: &mut [f32],
    stride: usize,
    width: usize,
) {
    let scale = span_of(columns.scale, 1.0);
    let weights = span_of(columns.sums, 0);
    let bias = span_of(columns.bias, 0.0);
    let gate = match finish {
        Finish::GateAdd(gate) => span_of(gate, 0.0),
        _ => [1.0; SPAN],
    };
    let add = !matches!(finish, Finish::Store);
    let rows = row_scale.len();
    let (sums, _) = sums.as_chunks::<N>();
    for (r, &row) in row_scale.iter().enumerate() {
        let out = &mut out[r * stride..][..width];
        for (p, out) in out.chunks_mut(N).enumerate() {
            let sums = &sums[p * rows + r];
            let at = |x: &[f32; SPAN]| *x[p * N..].first_chunk::<N>().expect("a panel of the span");
            let (scale, bias, gate) = (at(&scale), at(&bias), at(&gate));
            let weights = weights[p * N..].first_chunk::<N>().expect("a panel of the span");
            let mut y = [0.0f32; N];
            for i in 0..N {
                let sum = if ZERO { sums[i].less(row.zero * weights[i]) } else { sums[i].less(0) };
                y[i] = fma::<FMA>(sum, row.scale * scale[i], bias[i]);
            }
            if let Ok(out) = <&mut [f32; N]>::try_from(&mut *out) {
                for i in 0..N {
                    out[i] = if add { fma::<FMA>(y[i], gate[i], out[i]) } else { y[i] };
                }
            } else {
                for ((out, &y), &g) in out.iter_mut().zip(&y).zip(&gate) {
                    *out = if add { fma::<FMA>(y, g, *out) } else { y };
                }
            }
        }
    }
}

/// Half-split rotary over each head of a row: `(x1, x2) -> (x1 c - x2 s, x2 c + x1 s)`.
#[inline(always)]
fn rotate_body<const FMA: bool>(row: &mut [f32], dim: usize, cos: &[f32], sin: &[f32]) {
    for head in row.chunks_exact_mut(dim) {
        let (a, b) = head.split_at_mut(cos.len());
        for (((a, b), &c), &s) in a.iter_mut().zip(b.iter_mut()).zip(cos).zip(sin) {
            let (x, y) = (*a, *b);
            *a = fma::<FMA>(x, c, -(y * s));
            *b = fma::<FMA>(y, c, x * s);
        }
    }
}

multiversion! {
    /// Layer norm of `x` times `alpha` plus `beta`.
    pub(crate) fn norm(x: &[f32], eps: f32, alpha: &[f32], beta: &[f32], out: &mut [f32]) = norm_body;
    /// The range of the values.
    pub(crate) fn range(x: &mut [f32]) -> Range = range_body;
    /// The tanh form of GELU, in place; returns the range of the results.
    pub(crate) fn gelu_range(x: &mut [f32]) -> Range = gelu_body;
    /// `round(x · factor)`.
    pub(crate) fn to_i16(x: &[f32], factor: f32, out: &mut [i16]) = to_i16_body;
    /// `round(x · factor) + zero`.
    pub(crate) fn to_u8(x: &[f32], factor: f32, zero: i32, out: &mut [u8]) = to_u8_body;
    /// To the nearest bf16.
    pub(crate) fn to_bf16(x: &[f32], out: &mut [u16]) = to_bf16_body;
    /// 8 bits to 16.
    pub(crate) fn widen_i8(x: &[i8], out: &mut [i16]) = widen_i8_body;
    /// bf16 to f32.
    pub(crate) fn widen_bf16(x: &[u16], out: &mut [f32]) = widen_bf16_body;
    /// Integer sums into a layer's result.
    pub(crate) fn finish_i32(sums: &[i32], nr: usize, row_scale: &[RowScale], columns: Columns<'_>, finish: Finish<'_>,
        out: &mut [f32], stride: usize, width: usize) = finish_body<i32>;
    /// f32 sums into a layer's result.
    pub(crate) fn finish_f32(sums: &[f32], nr: usize, row_scale: &[RowScale], columns: Columns<'_>, finish: Finish<'_>,
        out: &mut [f32], stride: usize, width: usize) = finish_body<f32>;
    /// Rotary position embedding of a row of heads of width `dim`.
    pub(crate) fn rotate(row: &mut [f32], dim: usize, cos: &[f32], sin: &[f32]) = rotate_body;
}

#[cfg(test)]
mod tests {
    use super::super::isa::Isa;
    use super::*;

    #[test]
    fn exp_and_gelu_match_the_library() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let want = f64::from(x).exp();
            let got = [exp::<false>(x), exp::<true>(x)];
            for got in got {
                assert!((f64::from(got) / want - 1.0).abs() < 4e-7, "exp({x}) = {got}");
            }
        }
        for i in -1200..=1200 {
            let x = f64::from(i) / 100.0;
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
            let want = 0.5 * x * (1.0 + u.tanh());
            assert!((f64::from(gelu::<true>(x as f32)) - want).abs() < 2e-6, "gelu({x})");
        }
        assert!(exp::<true>(-1e30) > 0.0 && exp::<true>(-1e30) < 1e-37);
    }

    #[test]
    fn every_copy_agrees_with_the_plain_one() {
        let x: Vec<f32> = (0..61).map(|i| ((i * 37 % 61) as f32 - 30.0) / 7.0).collect();
        let (alpha, beta): (Vec<f32>, Vec<f32>) = (0..61).map(|i| (1.0 + i as f32 / 61.0, i as f32 / 9.0)).unzip();
        for isa in Isa::available() {
            let mut out = vec![0.0; 61];
            norm(isa, &x, 1e-5, &alpha, &beta, &mut out);
            let mut want = vec![0.0; 61];
            norm(Isa::PORTABLE, &x, 1e-5, &alpha, &beta, &mut want);
            for (a, b) in out.iter().zip(&want) {
                assert!((a - b).abs() < 1e-5);
            }
            assert_eq!(range(isa, &mut x.clone()), Range { low: -30.0 / 7.0, high: 30.0 / 7.0 });
            assert_eq!(range(isa, &mut [1.0, 2.0]), Range { low: 0.0, high: 2.0 });
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let found = range(isa, &mut [[1.0, bad]; 20].concat());
                assert!(found.low.is_nan() && found.high.is_nan() && found.peak().is_nan());
            }
            let (mut got, mut want) = (x.clone(), x.clone());
            gelu_range(isa, &mut got);
            gelu_range(Isa::PORTABLE, &mut want);
            for (a, b) in got.iter().zip(&want) {
                assert!((a - b).abs() < 1e-6);
            }
            let mut q = vec![0; 61];
            to_i16(isa, &x, 7000.0, &mut q);
            for (&q, &x) in q.iter().zip(&x) {
                assert!((f32::from(q) - x * 7000.0).abs() <= 0.505);
            }
            let mut q = vec![0; 61];
            to_u8(isa, &x, 127.0 * 7.0 / 30.0, 128, &mut q);
            for (&q, &x) in q.iter().zip(&x) {
                assert!((f32::from(q) - 128.0 - x * 127.0 * 7.0 / 30.0).abs() <= 0.505);
            }
        }
    }

    #[test]
    fn conversions_and_rotation_match_plain_ones() {
        for isa in Isa::available() {
            for len in [1, 15, 16, 33, 256] {
                let x: Vec<f32> = (0..len).map(|i| f32::from_bits((i as u32).wrapping_mul(0x9e37_79b9))).collect();
                let mut narrow = vec![0; len];
                to_bf16(isa, &x, &mut narrow);
                assert_eq!(narrow, x.iter().map(|&x| bf16(x)).collect::<Vec<_>>(), "{isa:?} {len}");
                let mut wide = vec![0.0; len];
                widen_bf16(isa, &narrow, &mut wide);
                assert!(narrow.iter().zip(&wide).all(|(&n, w)| u32::from(n) << 16 == w.to_bits()));
                let bytes: Vec<i8> = (0..len).map(|i| (i * 37) as i8).collect();
                let mut words = vec![0; len];
                widen_i8(isa, &bytes, &mut words);
                assert!(bytes.iter().zip(&words).all(|(&b, &w)| i16::from(b) == w));

                let (cos, sin): (Vec<f32>, Vec<f32>) = (0..len).map(|i| ((i as f32).cos(), (i as f32).sin())).unzip();
                let row: Vec<f32> = (0..4 * len).map(|i| (i * 37 % 61) as f32 - 30.0).collect();
                let mut turned = row.clone();
                rotate(isa, &mut turned, 2 * len, &cos, &sin);
                for (i, &got) in turned.iter().enumerate() {
                    let (at, first) = (i % len, i / len % 2 == 0);
                    let (a, b) = if first { (row[i], -row[i + len]) } else { (row[i], row[i - len]) };
                    assert!((got - (a * cos[at] + b * sin[at])).abs() < 1e-4, "{isa:?} {len}");
                }
            }
        }
    }

    #[test]
    fn bf16_rounds_to_even() {
        assert_eq!(bf16(1.0), 0x3f80);
        assert_eq!(bf16(f32::from_bits(0x3f80_8000)), 0x3f80);
        assert_eq!(bf16(f32::from_bits(0x3f81_8000)), 0x3f82);
        assert_eq!(bf16(f32::NEG_INFINITY), 0xff80);
        assert_eq!(bf16(f32::NAN), 0x7fc0);
    }
}
