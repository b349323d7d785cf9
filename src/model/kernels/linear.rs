//! Linear layers: weights packed once at load, products with fused endings.

use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use rayon::prelude::*;

use super::acts::Acts;
use super::aligned::Aligned;
use super::math::{self, Columns, Finish};
use super::tiles::{Kernels, Panel};
use crate::model::weights::Matrix;

/// How a layer's weights are kept and multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// f32 throughout.
    #[default]
    F32,
    /// bf16 weights, widened to f32 panel by panel: for CPUs without bf16 products.
    Bf16Wide,
    /// bf16 weights and activations, f32 sums.
    Bf16,
    /// 8-bit weights, activations of up to 16 bits, exact 32-bit sums.
    Int8,
    /// 8-bit weights, 8-bit activations, exact 32-bit sums.
    Int8Byte,
}

impl Scheme {
    /// Values of `k` one instruction takes together.
    fn group(self) -> usize {
        match self {
            Self::F32 | Self::Bf16Wide => 1,
            Self::Bf16 | Self::Int8 => 2,
            Self::Int8Byte => 4,
        }
    }

    pub(crate) fn is_int8(self) -> bool {
        matches!(self, Self::Int8 | Self::Int8Byte)
    }
}

/// A weight matrix as it comes from a file: row-major `(out, in)`.
#[derive(Clone, Copy)]
pub(crate) enum Weights<'a> {
    F32(&'a [f32]),
    /// One scale an output channel.
    Int8(&'a [i8], &'a [f32]),
}

impl Weights<'_> {
    fn rows(&self, k: usize) -> usize {
        match self {
            Self::F32(w) => w.len() / k,
            Self::Int8(w, _) => w.len() / k,
        }
    }

    fn float_row(&self, k: usize, row: usize, out: &mut [f32]) {
        match self {
            Self::F32(w) => out.copy_from_slice(&w[row * k..][..k]),
            Self::Int8(q, scale) => {
                for (out, &q) in out.iter_mut().zip(&q[row * k..]) {
                    *out = f32::from(q) * scale[row];
                }
            }
        }
    }

    /// Writes a row as 8-bit integers and returns its scale.
    fn int8_row(&self, k: usize, row: usize, out: &mut [i8]) -> f32 {
        match self {
            Self::F32(w) => quantise_channel(&w[row * k..][..k], out),
            Self::Int8(q, scale) => {
                out.copy_from_slice(&q[row * k..][..k]);
                scale[row]
            }
        }
    }
}

impl<'a> From<&'a Matrix> for Weights<'a> {
    fn from(matrix: &'a Matrix) -> Self {
        match matrix {
            Matrix::F32(w) => Self::F32(w),
            Matrix::Int8 { q, scale } => Self::Int8(q, scale),
        }
    }
}

/// Lays rows out as the kernels want them, panels in parallel; `fill` writes one row of `depth` values, zero before.
fn panels<T: Copy + Default + Send + Sync>(
    nr: usize,
    depth: usize,
    group: usize,
    padded: usize,
    fill: impl Fn(usize, &mut [T]) + Sync,
) -> Aligned<T> {
    let mut packed = Aligned::new(padded * depth);
    packed.par_chunks_mut((nr * depth).max(1)).enumerate().for_each(|(panel, out)| {
        let mut row = vec![T::default(); depth];
        for j in 0..nr {
            row.fill(T::default());
            fill(panel * nr + j, &mut row);
            for (to, from) in out[j * group..].chunks_mut(nr * group).zip(row.chunks_exact(group)) {
                to[..group].copy_from_slice(from);
            }
        }
    });
    packed
}

/// Values of `k` that are worked on together, so that a widened panel stays in the first cache.
const K_BLOCK: usize = 512;

enum Packed {
    F32(Aligned<f32>),
    Bf16(Aligned<u16>),
    Int8(Aligned<i8>),
}

/// A linear layer `y = x Wᵀ + b`, packed for one set of kernels.
pub(crate) struct Linear {
    scheme: Scheme,
    n: usize,
    k: usize,
    nr: usize,
    packed: Packed,
    scale: Vec<f32>,
    /// Sums of an output's weights, for activations whose zero is not 0.
    weights: Vec<i32>,
    bias: Vec<f32>,
}

/// Scratch of one thread for products.
#[derive(Default)]
pub(crate) struct Work {
    i32: Aligned<i32>,
    f32: Aligned<f32>,
    wide_i16: Aligned<i16>,
    wide_f32: Aligned<f32>,
}

impl Linear {
    /// Packs matrices stacked along their outputs, each `(rows, k)`; `bias` is empty or one value an output.
    pub(crate) fn pack(kernels: &Kernels, scheme: Scheme, k: usize, parts: &[Weights<'_>], mut bias: Vec<f32>) -> Self {
        let nr = kernels.nr();
        let group = scheme.group();
        let n: usize = parts.iter().map(|part| part.rows(k)).sum();
        let padded = n.next_multiple_of(nr);
        let depth = k.next_multiple_of(group);
        let mut scale = vec![0.0; if scheme.is_int8() { padded } else { 0 }];
        let mut weights = vec![0; if scheme == Scheme::Int8Byte { padded } else { 0 }];
        if !bias.is_empty() {
            bias.resize(padded, 0.0);
        }
        let row_of = |mut row: usize| {
            for part in parts {
                if row < part.rows(k) {
                    return Some((part, row));
                }
                row -= part.rows(k);
            }
            None
        };
        let packed = match scheme {
            Scheme::F32 => Packed::F32(panels(nr, depth, group, padded, |row, out: &mut [f32]| {
                if let Some((part, r)) = row_of(row) {
                    part.float_row(k, r, &mut out[..k]);
                }
            })),
            Scheme::Bf16 | Scheme::Bf16Wide => {
                Packed::Bf16(panels(nr, depth, group, padded, |row, out: &mut [u16]| {
                    if let Some((part, r)) = row_of(row) {
                        let mut wide = vec![0.0; k];
                        part.float_row(k, r, &mut wide);
                        math::to_bf16(kernels.isa(), &wide, out);
                    }
                }))
            }
            Scheme::Int8 | Scheme::Int8Byte => {
                let scales: Vec<AtomicU32> = scale.iter().map(|_| AtomicU32::new(0)).collect();
                let sums: Vec<AtomicI32> = scale.iter().map(|_| AtomicI32::new(0)).collect();
                let packed = panels(nr, depth, group, padded, |row, out: &mut [i8]| {
                    if let Some((part, r)) = row_of(row) {
                        let scale = part.int8_row(k, r, &mut out[..k]);
                        let sum: i32 = out.iter().map(|&q| i32::from(q)).sum();
                        scales[row].store(scale.to_bits(), Ordering::Relaxed);
                        sums[row].store(sum, Ordering::Relaxed);
                    }
                });
                for (scale, bits) in scale.iter_mut().zip(scales) {
                    *scale = f32::from_bits(bits.into_inner());
                }
                for (weights, sum) in weights.iter_mut().zip(sums) {
                    *weights = sum.into_inner();
                }
                Packed::Int8(packed)
            }
        };
        Self { scheme, n, k, nr, packed, scale, weights, bias }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Outputs.
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    /// Inputs.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// Writes the layer's result for rows `first..first + rows` of `acts` to `out`, rows of `stride`.
    pub(crate) fn apply(
        &self,
        kernels: &Kernels,
        acts: &Acts,
        (first, rows): (usize, usize),
        work: &mut Work,
        out: &mut [f32],
        stride: usize,
        finish: Finish<'_>,
    ) {
        debug_assert!(acts.scheme() == self.scheme && acts.k() == self.k);
        if rows == 0 {
            return;
        }
        let isa = kernels.isa();
        let sums = rows * math::SPAN;
        work.i32.grow(sums);
        work.f32.grow(sums);
        for start in (0..self.n).step_by(math::SPAN) {
            let width = math::SPAN.min(self.n - start);
            for first_column in (start..start + width).step_by(self.nr) {
                self.panel(kernels, acts, (first, rows), first_column / self.nr, (first_column - start) * rows, work);
            }
            let part = |len: usize| start.min(len)..(start + math::SPAN).min(len);
            let columns = Columns {
                scale: &self.scale[part(self.scale.len())],
                sums: &self.weights[part(self.weights.len())],
                bias: &self.bias[part(self.bias.len())],
            };
            let finish = match finish {
                Finish::GateAdd(gate) => Finish::GateAdd(&gate[start..start + width]),
                other => other,
            };
            let row_scale = &acts.scale[first..first + rows];
            let (nr, out) = (self.nr, &mut out[start..]);
            if self.scheme.is_int8() {
                math::finish_i32(isa, &work.i32[..sums], nr, row_scale, columns, finish, out, stride, width);
            } else {
                math::finish_f32(isa, &work.f32[..sums], nr, row_scale, columns, finish, out, stride, width);
            }
        }
    }

    /// Sums of one panel, from `at` on in the scratch.
    fn panel(
        &self,
        kernels: &Kernels,
        acts: &Acts,
        (first, rows): (usize, usize),
        panel: usize,
        at: usize,
        work: &mut Work,
    ) {
        let isa = kernels.isa();
        let (nr, group, lda) = (self.nr, self.scheme.group(), acts.stride());
        let depth = self.k.next_multiple_of(group);
        for from in (0..depth).step_by(K_BLOCK) {
            let len = K_BLOCK.min(depth - from);
            let (fresh, groups) = (from == 0, len / group);
            let b = panel * nr * depth + from * nr..panel * nr * depth + (from + len) * nr;
            let a = first * lda + from;
            macro_rules! panel {
                ($a:expr, $b:expr, $c:ident) => {
                    Panel { a: &$a[a..], lda, rows, b: $b, groups, c: &mut work.$c[at..], fresh }
                };
            }
            match (&self.packed, self.scheme) {
                (Packed::F32(w), _) => kernels.f32(panel!(acts.f32, &w[b], f32)),
                (Packed::Bf16(w), Scheme::Bf16) => kernels.bf16(panel!(acts.bf16, &w[b], f32)),
                (Packed::Bf16(w), _) => {
                    work.wide_f32.grow(b.len());
                    math::widen_bf16(isa, &w[b], &mut work.wide_f32);
                    kernels.f32(panel!(acts.f32, &work.wide_f32, f32));
                }
                (Packed::Int8(w), Scheme::Int8Byte) => kernels.u8(panel!(acts.u8, &w[b], i32)),
                (Packed::Int8(w), _) => {
                    work.wide_i16.grow(b.len());
                    math::widen_i8(isa, &w[b], &mut work.wide_i16);
                    kernels.i16(panel!(acts.i16, &work.wide_i16, i32));
                }
            }
        }
    }
}

/// Rounds one output channel to 8 bits (±127) and returns its scale.
pub(crate) fn quantise_channel(w: &[f32], q: &mut [i8]) -> f32 {
    let peak = w.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let scale = peak / 127.0;
    if scale < 1e-30 {
        q.fill(0);
        return 0.0;
    }
    for (q, w) in q.iter_mut().zip(w) {
        *q = (w / scale).round() as i8;
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::super::isa::Isa;
    use super::*;

    const SCHEMES: [Scheme; 5] = [Scheme::F32, Scheme::Bf16Wide, Scheme::Bf16, Scheme::Int8, Scheme::Int8Byte];

    fn unit(i: usize) -> f32 {
        ((i.wrapping_mul(2_654_435_761) >> 7) % 2001) as f32 / 1000.0 - 1.0
    }

    fn can(kernels: &Kernels, scheme: Scheme) -> bool {
        match scheme {
            Scheme::Bf16 => kernels.has_bf16(),
            Scheme::Int8Byte => kernels.has_u8(),
            _ => true,
        }
    }

    /// Row `first` onwards of `x · wᵀ + b` for `x` of `rows` rows.
    fn run(
        kernels: &Kernels,
        layer: &Linear,
        x: &[f32],
        (first, rows): (usize, usize),
        finish: Finish<'_>,
        out: &mut [f32],
    ) {
        let mut acts = Acts::default();
        acts.shape(layer.scheme(), x.len() / layer.k(), layer.k());
        for (r, row) in x.chunks_exact(layer.k()).enumerate() {
            acts.put(kernels.isa(), r, &mut row.to_vec());
        }
        layer.apply(kernels, &acts, (first, rows), &mut Work::default(), out, layer.n(), finish);
    }

    #[test]
    fn every_scheme_multiplies_odd_shapes() {
        for isa in Isa::available() {
            let kernels = Kernels::new(isa);
            for (rows, k, n) in [(1, 1, 1), (7, 33, 97), (13, 48, 61), (5, 1100, 130), (33, 64, 64)] {
                let x: Vec<f32> = (0..rows * k).map(unit).collect();
                let w: Vec<f32> = (0..n * k).map(|i| unit(i + 77)).collect();
                let bias: Vec<f32> = (0..n).map(|i| unit(i + 5)).collect();
                let gate: Vec<f32> = (0..n).map(|i| unit(i + 9)).collect();
                let product = |r: usize, c: usize| {
                    let dot: f64 = (0..k).map(|i| f64::from(x[r * k + i]) * f64::from(w[c * k + i])).sum();
                    dot + f64::from(bias[c])
                };
                for scheme in SCHEMES.into_iter().filter(|&s| can(&kernels, s)) {
                    // Two parts, as queries, keys and values come.
                    let (a, b) = w.split_at(n / 2 * k);
                    let parts = [Weights::F32(a), Weights::F32(b)];
                    let layer = Linear::pack(&kernels, scheme, k, &parts, bias.clone());
                    let scale = (k as f64).sqrt();
                    let allowed = match scheme {
                        Scheme::F32 => 5e-5,
                        _ => 0.012,
                    };
                    for (finish, kept, gain) in [
                        (Finish::Store, 0.0, None),
                        (Finish::Add, 2.0, None),
                        (Finish::GateAdd(&gate), 2.0, Some(&gate)),
                    ] {
                        let first = rows / 3;
                        let mut out = vec![2.0; (rows - first) * n];
                        run(&kernels, &layer, &x, (first, rows - first), finish, &mut out);
                        for (at, &got) in out.iter().enumerate() {
                            let (r, c) = (first + at / n, at % n);
                            let want = kept + product(r, c) * gain.map_or(1.0, |g| f64::from(g[c]));
                            let off = (f64::from(got) - want).abs() / scale;
                            assert!(off < allowed, "{isa:?} {scheme:?} {rows}x{k}x{n} row {r} column {c}: {off}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn eight_bit_weights_from_a_file_are_kept_exactly() {
        for isa in Isa::available() {
            let kernels = Kernels::new(isa);
            let (k, n) = (40, 20);
            let q: Vec<i8> = (0..n * k).map(|i| (unit(i) * 127.0) as i8).collect();
            let scale: Vec<f32> = (0..n).map(|i| 0.5 + i as f32).collect();
            let layer = Linear::pack(&kernels, Scheme::Int8, k, &[Weights::Int8(&q, &scale)], Vec::new());
            // One-hot rows read single weights back.
            let mut x = vec![0.0; k * k];
            (0..k).for_each(|i| x[i * k + i] = 1.0);
            let mut out = vec![0.0; k * n];
            run(&kernels, &layer, &x, (0, k), Finish::Store, &mut out);
            for (at, &got) in out.iter().enumerate() {
                let (i, c) = (at / n, at % n);
                let want = f32::from(q[c * k + i]) * scale[c];
                assert!((got - want).abs() <= want.abs() * 1e-6, "{isa:?}: {got} {want}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_not_hidden() {
        for isa in Isa::available() {
            let kernels = Kernels::new(isa);
            let w: Vec<f32> = (0..10 * 20).map(unit).collect();
            for scheme in SCHEMES.into_iter().filter(|&s| can(&kernels, s)) {
                let layer = Linear::pack(&kernels, scheme, 20, &[Weights::F32(&w)], Vec::new());
                for bad in [f32::NAN, f32::INFINITY] {
                    let mut x: Vec<f32> = (0..3 * 20).map(unit).collect();
                    x[27] = bad;
                    let mut out = vec![0.0; 30];
                    run(&kernels, &layer, &x, (0, 3), Finish::Store, &mut out);
                    assert!(out[..10].iter().chain(&out[20..]).all(|y| y.is_finite()), "{isa:?} {scheme:?}");
                    assert!(out[10..20].iter().all(|y| !y.is_finite()), "{isa:?} {scheme:?} {bad}: {out:?}");
                }
            }
        }
    }
}
