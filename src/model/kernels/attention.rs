//! Attention of one strip of rows, head by head, over keys and values packed as panels.
//!
//! Each strip packs its own keys and values once; then every strip attends to all of them. With [`Form::I16`], queries,
//! keys, values and probabilities are rounded to about 13 bits, so that the integer kernels can be used at twice the
//! speed of f32; that is finer than bf16, and its 32-bit sums are exact. [`Form::Byte`] keeps 8 bits of queries and keys
//! (a scale for each head of a row), but not of probabilities: many small ones would all be rounded to nothing.

use super::aligned::Aligned;
use super::softmax::{self, Keys};
use super::tiles::{Kernels, Panel};

/// How queries, keys and values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    F32,
    I16,
    Byte,
}

/// Sizes that all strips of a network share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) heads: usize,
    /// Width of a head.
    pub(crate) dim: usize,
    /// Rows of a full strip, a multiple of the panel width.
    pub(crate) strip: usize,
    pub(crate) form: Form,
    /// Whether a position sees only itself and those before it.
    pub(crate) causal: bool,
}

impl Shape {
    /// Width of all heads together.
    fn width(&self) -> usize {
        self.heads * self.dim
    }

    /// Width of a head in whole groups.
    fn depth(&self) -> usize {
        self.dim.next_multiple_of(if self.form == Form::Byte { 4 } else { 2 })
    }

    /// Width of a head in whole panels.
    fn padded(&self, nr: usize) -> usize {
        self.dim.next_multiple_of(nr)
    }

    /// Largest query or key: sums over a head stay within 32 bits.
    fn key_limit(&self) -> f32 {
        if self.form == Form::Byte {
            return 127.0;
        }
        (f64::from(i32::MAX) / self.depth() as f64).sqrt().min(32_767.0).floor() as f32
    }

    /// Largest 16-bit probability or value: sums over a strip stay within 32 bits.
    fn value_limit(&self) -> f32 {
        (f64::from(i32::MAX) / self.strip as f64).sqrt().min(32_767.0).floor() as f32
    }
}

/// What a query of 0 is in 8 bits.
const ZERO: i16 = 128;

/// Queries of one strip, ready to be multiplied.
#[derive(Default)]
pub(crate) struct Queries {
    f32: Aligned<f32>,
    i16: Aligned<i16>,
    /// With [`ZERO`] for 0.
    u8: Aligned<u8>,
    /// `[row][head]`.
    scale: Vec<f32>,
}

/// Keys and values of one strip, packed.
#[derive(Default)]
pub(crate) struct KeyValues {
    rows: usize,
    k_f32: Aligned<f32>,
    v_f32: Aligned<f32>,
    /// In pairs, as the kernels take them.
    k_i16: Aligned<[i16; 2]>,
    v_i16: Aligned<[i16; 2]>,
    /// In fours.
    k_i8: Aligned<[i8; 4]>,
    /// `[head][key]`.
    k_scale: Vec<f32>,
    /// What a query of zeros comes to, `[head][key]`; for 8 bits.
    k_zero: Vec<i32>,
    /// `[head]`.
    v_scale: Vec<f32>,
}

/// Scratch of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    sums_i32: Aligned<i32>,
    sums_f32: Aligned<f32>,
    p_i16: Aligned<i16>,
    p_f32: Aligned<f32>,
    scores: Aligned<f32>,
    total: Vec<f32>,
    out: Aligned<f32>,
    row: Vec<i16>,
    scale: Vec<f32>,
    zero: Vec<i32>,
}

/// Packs a strip's rows of `[q | k | v]` (already rotated) for attention.
pub(crate) fn pack(
    kernels: &Kernels,
    shape: &Shape,
    qkv: &[f32],
    rows: usize,
    queries: &mut Queries,
    kv: &mut KeyValues,
    scratch: &mut Scratch,
) {
    kv.rows = rows;
    match shape.form {
        Form::F32 => pack_f32(kernels, shape, qkv, rows, queries, kv),
        Form::I16 | Form::Byte => pack_integers(kernels, shape, qkv, rows, queries, kv, scratch),
    }
}

fn pack_f32(kernels: &Kernels, shape: &Shape, qkv: &[f32], rows: usize, queries: &mut Queries, kv: &mut KeyValues) {
    let (nr, d, dim) = (kernels.nr(), shape.width(), shape.dim);
    let padded = shape.padded(nr);
    queries.f32.grow(shape.strip * d);
    kv.k_f32.grow(shape.heads * shape.strip * dim);
    kv.v_f32.grow(shape.heads * shape.strip * padded);
    let scale = 1.0 / (dim as f32).sqrt();
    for r in 0..shape.strip {
        for h in 0..shape.heads {
            let k = &mut kv.k_f32[(h * shape.strip + r / nr * nr) * dim..];
            let v = &mut kv.v_f32[h * shape.strip * padded..];
            if r < rows {
                let row = &qkv[r * 3 * d + h * dim..];
                for (q, &x) in queries.f32[r * d + h * dim..].iter_mut().zip(&row[..dim]) {
                    *q = x * scale;
                }
                for i in 0..dim {
                    k[i * nr + r % nr] = row[d + i];
                    v[(i / nr * shape.strip + r) * nr + i % nr] = row[2 * d + i];
                }
            } else {
                // Rows that are not there: weights of zero must not meet leftovers that are not finite.
                for i in 0..dim {
                    k[i * nr + r % nr] = 0.0;
                    v[(i / nr * shape.strip + r) * nr + i % nr] = 0.0;
                }
            }
        }
    }
}

fn pack_integers(
    kernels: &Kernels,
    shape: &Shape,
    qkv: &[f32],
    rows: usize,
    queries: &mut Queries,
    kv: &mut KeyValues,
    scratch: &mut Scratch,
) {
    let (isa, nr, d, dim) = (kernels.isa(), kernels.nr(), shape.width(), shape.dim);
    let (heads, strip, depth, padded) = (shape.heads, shape.strip, shape.depth(), shape.padded(nr));
    let bytes = shape.form == Form::Byte;
    if bytes {
        queries.u8.grow(strip * heads * depth);
        kv.k_i8.grow(heads * strip * depth / 4);
        kv.k_zero.resize(heads * strip, 0);
    } else {
        queries.i16.grow(strip * heads * depth);
        kv.k_i16.grow(heads * strip * depth / 2);
    }
    queries.scale.resize(strip * heads, 0.0);
    kv.v_i16.grow(heads * strip * padded / 2);
    kv.k_scale.resize(heads * strip, 0.0);
    kv.v_scale.clear();
    kv.v_scale.resize(heads, 0.0);
    scratch.row.resize(heads * depth, 0);
    scratch.scale.resize(heads, 0.0);

    let limit = shape.key_limit();
    let inverse_root = 1.0 / (dim as f32).sqrt();
    for r in 0..rows {
        let row = &qkv[r * 3 * d..][..3 * d];
        let within = r * heads * depth..(r + 1) * heads * depth;
        let q = if bytes { &mut scratch.row } else { &mut queries.i16[within.clone()] };
        let scale = &mut queries.scale[r * heads..][..heads];
        softmax::heads_to_i16(isa, &row[..d], dim, depth, limit, q, scale);
        for s in scale {
            *s *= inverse_root;
        }
        if bytes {
            for (to, &q) in queries.u8[within].iter_mut().zip(&scratch.row) {
                *to = (q + ZERO) as u8;
            }
        }
        softmax::heads_to_i16(isa, &row[d..2 * d], dim, depth, limit, &mut scratch.row, &mut scratch.scale);
        for h in 0..heads {
            kv.k_scale[h * strip + r] = scratch.scale[h];
            let key = &scratch.row[h * depth..][..depth];
            let panel = (h * strip + r / nr * nr) * depth;
            if bytes {
                kv.k_zero[h * strip + r] = i32::from(ZERO) * key.iter().map(|&k| i32::from(k)).sum::<i32>();
                let packed = kv.k_i8[panel / 4..][..nr * depth / 4].chunks_exact_mut(nr);
                for (packed, four) in packed.zip(key.as_chunks::<4>().0) {
                    packed[r % nr] = four.map(|k| k as i8);
                }
            } else {
                let packed = kv.k_i16[panel / 2..][..nr * depth / 2].chunks_exact_mut(nr);
                for (packed, pair) in packed.zip(key.as_chunks::<2>().0) {
                    packed[r % nr] = *pair;
                }
            }
        }
        softmax::head_peaks(isa, &row[2 * d..], dim, &mut kv.v_scale);
    }

    let limit = shape.value_limit();
    for s in &mut kv.v_scale {
        *s /= limit;
    }
    // Two rows at a time, one of zeros where there is none: the kernels take values in pairs.
    let zeros = vec![0.0; d];
    let values = |r: usize| if r < rows { &qkv[r * 3 * d + 2 * d..][..d] } else { &zeros[..] };
    for r in (0..strip).step_by(2) {
        let (even, odd) = (values(r), values(r + 1));
        for h in 0..heads {
            let packed = &mut kv.v_i16[h * strip * padded / 2..][..strip * padded / 2];
            let factor = if kv.v_scale[h] > 1e-30 { 1.0 / kv.v_scale[h] } else { 0.0 };
            for start in (0..dim).step_by(nr) {
                let width = nr.min(dim - start);
                let to = &mut packed[(start * strip + r * nr) / 2..][..width];
                let from = h * dim + start..h * dim + start + width;
                softmax::pairs_to_i16(isa, &even[from.clone()], &odd[from], factor, to);
            }
        }
    }
}

/// Attends from a strip's queries to the keys and values of `strips` (all, or those up to its own when causal) and
/// writes rows of all heads to `out`. `first` is the position of the strip's first row.
pub(crate) fn attend(
    kernels: &Kernels,
    shape: &Shape,
    queries: &Queries,
    (first, rows): (usize, usize),
    strips: &[KeyValues],
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let keys: usize = strips.iter().map(|s| s.rows).sum();
    // Scores of this many rows stay in the second cache.
    let most = (49_152 / (strips.len() * shape.strip)).clamp(12, 64);
    let parts = rows.div_ceil(most).max(1);
    let height = rows.div_ceil(parts);
    for h in 0..shape.heads {
        for start in (0..rows).step_by(height.max(1)) {
            let part = Part { head: h, start, rows: height.min(rows - start), first: first + start, keys };
            match shape.form {
                Form::F32 => attend_f32(kernels, shape, queries, &part, strips, scratch, out),
                Form::I16 | Form::Byte => attend_integers(kernels, shape, queries, &part, strips, scratch, out),
            }
        }
    }
}

/// Some rows of one head.
struct Part {
    head: usize,
    /// First row within the strip.
    start: usize,
    rows: usize,
    /// Position of the first row.
    first: usize,
    /// Keys there are.
    keys: usize,
}

impl Part {
    /// Keys that row `r` of this part sees.
    fn seen(&self, shape: &Shape, r: usize) -> usize {
        if shape.causal { (self.first + r + 1).min(self.keys) } else { self.keys }
    }
}

fn attend_f32(
    kernels: &Kernels,
    shape: &Shape,
    queries: &Queries,
    part: &Part,
    strips: &[KeyValues],
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let (isa, nr, d, dim, strip) = (kernels.isa(), kernels.nr(), shape.width(), shape.dim, shape.strip);
    let (rows, columns) = (part.rows, strips.len() * strip);
    let padded = shape.padded(nr);
    let ldp = columns + 16;
    scratch.sums_f32.grow(rows * columns);
    scratch.p_f32.grow(rows * ldp);
    scratch.scores.grow(columns);
    scratch.out.grow(rows * nr);
    scratch.total.resize(rows.max(scratch.total.len()), 0.0);

    let q = &queries.f32[part.start * d + part.head * dim..];
    for (panel, c) in scratch.sums_f32[..rows * columns].chunks_exact_mut(rows * nr).enumerate() {
        let (s, within) = (panel * nr / strip, panel * nr % strip);
        kernels.f32(Panel {
            a: q,
            lda: d,
            rows,
            b: &strips[s].k_f32[(part.head * strip + within) * dim..],
            groups: dim,
            c,
            fresh: true,
        });
    }
    for r in 0..rows {
        let p = &mut scratch.p_f32[r * ldp..][..columns];
        let (seen, scores) = (part.seen(shape, r), &mut scratch.scores[..columns]);
        scratch.total[r] = softmax::probabilities_f32(isa, &scratch.sums_f32, nr, rows, r, seen, scores, p);
    }
    for first in (0..dim).step_by(nr) {
        for (s, kv) in strips.iter().enumerate() {
            kernels.f32(Panel {
                a: &scratch.p_f32[s * strip..],
                lda: ldp,
                rows,
                b: &kv.v_f32[part.head * strip * padded + first * strip..],
                groups: strip,
                c: &mut scratch.out,
                fresh: s == 0,
            });
        }
        let width = nr.min(dim - first);
        for r in 0..rows {
            let inverse = 1.0 / scratch.total[r];
            let to = (part.start + r) * d + part.head * dim + first;
            for (to, &x) in out[to..to + width].iter_mut().zip(&scratch.out[r * nr..]) {
                *to = x * inverse;
            }
        }
    }
}

fn attend_integers(
    kernels: &Kernels,
    shape: &Shape,
    queries: &Queries,
    part: &Part,
    strips: &[KeyValues],
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let (isa, nr, d, dim, strip) = (kernels.isa(), kernels.nr(), shape.width(), shape.dim, shape.strip);
    let (rows, columns) = (part.rows, strips.len() * strip);
    let (depth, padded, heads) = (shape.depth(), shape.padded(nr), shape.heads);
    let ldp = columns + 32;
    scratch.sums_i32.grow(rows * columns.max(nr));
    scratch.p_i16.grow(rows * ldp);
    scratch.scores.grow(columns);
    scratch.out.grow(rows * nr);
    scratch.total.resize(rows.max(scratch.total.len()), 0.0);

    let (q, lda) = (part.start * heads * depth + part.head * depth, heads * depth);
    for (panel, c) in scratch.sums_i32[..rows * columns].chunks_exact_mut(rows * nr).enumerate() {
        let (kv, within) = (&strips[panel * nr / strip], panel * nr % strip);
        let k = (part.head * strip + within) * depth;
        if shape.form == Form::Byte {
            let b = kv.k_i8[k / 4..].as_flattened();
            kernels.u8(Panel { a: &queries.u8[q..], lda, rows, b, groups: depth / 4, c, fresh: true });
        } else {
            let b = kv.k_i16[k / 2..].as_flattened();
            kernels.i16(Panel { a: &queries.i16[q..], lda, rows, b, groups: depth / 2, c, fresh: true });
        }
    }
    scratch.scale.clear();
    scratch.zero.clear();
    for kv in strips {
        scratch.scale.extend_from_slice(&kv.k_scale[part.head * strip..][..strip]);
        if shape.form == Form::Byte {
            scratch.zero.extend_from_slice(&kv.k_zero[part.head * strip..][..strip]);
        }
    }
    let keys = Keys { scale: &scratch.scale, zero: &scratch.zero };
    // Zero, or NaN if a key is not finite: integers would hide it.
    let poison: f32 = scratch.scale[..part.keys].iter().map(|s| s * 0.0).sum();
    for r in 0..rows {
        let scale = queries.scale[(part.start + r) * heads + part.head];
        let p = &mut scratch.p_i16[r * ldp..][..columns];
        scratch.total[r] = softmax::probabilities_i16(
            isa,
            &scratch.sums_i32,
            nr,
            rows,
            r,
            part.seen(shape, r),
            keys,
            scale,
            shape.value_limit(),
            &mut scratch.scores[..columns],
            p,
        ) + poison;
    }
    for first in (0..dim).step_by(nr) {
        let width = nr.min(dim - first);
        for (s, kv) in strips.iter().enumerate() {
            kernels.i16(Panel {
                a: &scratch.p_i16[s * strip..],
                lda: ldp,
                rows,
                b: kv.v_i16[(part.head * strip * padded + first * strip) / 2..].as_flattened(),
                groups: strip / 2,
                c: &mut scratch.sums_i32,
                fresh: true,
            });
            let sums = &scratch.sums_i32[..rows * nr];
            softmax::add_scaled(isa, sums, kv.v_scale[part.head], s == 0, &mut scratch.out[..rows * nr]);
        }
        for r in 0..rows {
            let inverse = 1.0 / scratch.total[r];
            let to = (part.start + r) * d + part.head * dim + first;
            for (to, &x) in out[to..to + width].iter_mut().zip(&scratch.out[r * nr..]) {
                *to = x * inverse;
            }
        }
    }
}

#[cfg(test)]
mod tests;
