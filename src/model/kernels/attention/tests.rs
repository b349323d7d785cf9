//! Attention against sums written out, on odd shapes.

use super::super::isa::Isa;
use super::*;

/// A fixed, varied number in [-1, 1].
fn unit(i: usize) -> f32 {
    ((i.wrapping_mul(2_654_435_761) >> 7) % 4001) as f32 / 2000.0 - 1.0
}

/// Softmax attention, written out in f64 over rows of `[q | k | v]`.
fn plain(qkv: &[f32], tokens: usize, heads: usize, dim: usize, causal: bool) -> Vec<f64> {
    let d = heads * dim;
    let at = |t: usize, part: usize, h: usize, i: usize| f64::from(qkv[t * 3 * d + part * d + h * dim + i]);
    let mut out = vec![0.0; tokens * d];
    for t in 0..tokens {
        for h in 0..heads {
            let seen = if causal { t + 1 } else { tokens };
            let score = |s: usize| (0..dim).map(|i| at(t, 0, h, i) * at(s, 1, h, i)).sum::<f64>() / (dim as f64).sqrt();
            let weights: Vec<f64> = (0..seen).map(|s| score(s).exp()).collect();
            let total: f64 = weights.iter().sum();
            for i in 0..dim {
                out[t * d + h * dim + i] = (0..seen).map(|s| weights[s] * at(s, 2, h, i)).sum::<f64>() / total;
            }
        }
    }
    out
}

fn fast(isa: Isa, shape: Shape, qkv: &[f32], tokens: usize) -> Vec<f32> {
    let kernels = Kernels::new(isa);
    let d = shape.width();
    let mut scratch = Scratch::default();
    let starts: Vec<usize> = (0..tokens).step_by(shape.strip).collect();
    let (mut queries, mut strips) = (Vec::new(), Vec::new());
    for &first in &starts {
        let rows = shape.strip.min(tokens - first);
        let (mut q, mut kv) = (Queries::default(), KeyValues::default());
        pack(&kernels, &shape, &qkv[first * 3 * d..], rows, &mut q, &mut kv, &mut scratch);
        queries.push(q);
        strips.push(kv);
    }
    let mut out = vec![0.0; tokens * d];
    for (i, &first) in starts.iter().enumerate() {
        let rows = shape.strip.min(tokens - first);
        let seen = if shape.causal { &strips[..=i] } else { &strips[..] };
        attend(&kernels, &shape, &queries[i], (first, rows), seen, &mut scratch, &mut out[first * d..]);
    }
    out
}

#[test]
fn agrees_with_plain_attention_on_odd_shapes() {
    for isa in Isa::available() {
        for (tokens, heads, dim) in [(1, 2, 8), (7, 3, 7), (33, 2, 64), (64, 1, 48), (97, 2, 20), (200, 1, 33)] {
            let qkv: Vec<f32> = (0..tokens * 3 * heads * dim).map(|i| 2.0 * unit(i)).collect();
            for causal in [false, true] {
                let want = plain(&qkv, tokens, heads, dim, causal);
                for (form, allowed) in [(Form::F32, 2e-5), (Form::I16, 2e-3), (Form::Byte, 0.03)] {
                    if form == Form::Byte && !Kernels::new(isa).has_u8() {
                        continue;
                    }
                    let shape = Shape { heads, dim, strip: 32, form, causal };
                    let got = fast(isa, shape, &qkv, tokens);
                    let worst = got.iter().zip(&want).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
                    assert!(worst < allowed, "{isa:?} {form:?} {tokens}x{heads}x{dim} {causal}: {worst}");
                }
            }
        }
    }
}

#[test]
fn causal_rows_do_not_see_later_ones() {
    let (tokens, heads, dim) = (70, 2, 16);
    let shape = Shape { heads, dim, strip: 32, form: Form::F32, causal: true };
    let mut qkv: Vec<f32> = (0..tokens * 3 * heads * dim).map(unit).collect();
    let before = fast(Isa::best(), shape, &qkv, tokens);
    for x in &mut qkv[50 * 3 * heads * dim..] {
        *x = -*x;
    }
    let after = fast(Isa::best(), shape, &qkv, tokens);
    let (same, changed) = (50 * heads * dim, 51 * heads * dim);
    assert_eq!(before[..same], after[..same]);
    assert_ne!(before[same..changed], after[same..changed]);
}
