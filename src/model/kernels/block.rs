//! A transformer block over strips: a few dozen consecutive rows that one thread takes through whole layers.
//!
//! Attention is the only thing rows of different strips share, so a block is two steps: [`Body::project`] norms a
//! strip and packs its queries, keys and values; once all strips have, [`Body::finish`] attends and runs the rest.
//! The second step of one block and the first of the next are done together while the strip is in cache.

use super::acts::Acts;
use super::aligned::Aligned;
use super::attention::{self, Form, KeyValues, Queries, Shape};
use super::linear::{Linear, Scheme, Work};
use super::math::{self, Finish};
use super::tiles::Kernels;

/// The matrices of one block.
pub(crate) struct Layers {
    /// Queries, keys and values side by side.
    pub(crate) qkv: Linear,
    pub(crate) out: Linear,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

/// A norm's scale and shift, and what the branch behind it is multiplied with before it is added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Branch {
    pub(crate) alpha: Vec<f32>,
    pub(crate) beta: Vec<f32>,
    /// Empty: 1.
    pub(crate) gate: Vec<f32>,
}

impl Branch {
    fn finish(&self) -> Finish<'_> {
        if self.gate.is_empty() { Finish::Add } else { Finish::GateAdd(&self.gate) }
    }
}

/// Rows `first..first + rows` of the sequence.
#[derive(Default)]
pub(crate) struct Strip {
    pub(crate) first: usize,
    pub(crate) rows: usize,
    /// The residual stream.
    pub(crate) x: Aligned<f32>,
    queries: Queries,
    /// Keys and values of the block being projected, until all strips have theirs.
    pub(crate) packed: KeyValues,
    /// Rows after the last norm, ready for the head.
    pub(crate) last: Acts,
}

/// Scratch of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) work: Work,
    pub(crate) acts: Acts,
    attention: attention::Scratch,
    row: Vec<f32>,
    wide: Aligned<f32>,
    pub(crate) logits: Aligned<f32>,
}

/// What all blocks of a network have in common.
pub(crate) struct Body {
    pub(crate) kernels: Kernels,
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    pub(crate) eps: f32,
    pub(crate) form: Form,
    pub(crate) causal: bool,
    /// Rotary tables `(length, head_dim / 2)`; empty: none.
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
}

impl Body {
    /// Attention's sizes for strips of `strip` rows.
    pub(crate) fn shape(&self, strip: usize) -> Shape {
        Shape { heads: self.heads, dim: self.hidden / self.heads, strip, form: self.form, causal: self.causal }
    }

    /// Rows of a strip for a sequence. Not a matter of how many threads there are, so that results are not either.
    pub(crate) fn strip_rows(&self, tokens: usize) -> usize {
        let rows = match tokens {
            0..=64 => 16,
            65..256 => 32,
            _ => 64,
        };
        rows.max(self.kernels.nr())
    }

    /// Norms rows of a strip into `acts`.
    fn norm(&self, branch: &Branch, strip: &Strip, scheme: Scheme, row: &mut Vec<f32>, acts: &mut Acts) {
        let (isa, d) = (self.kernels.isa(), self.hidden);
        row.resize(d, 0.0);
        acts.shape(scheme, strip.rows, d);
        for (r, x) in strip.x.chunks_exact(d).take(strip.rows).enumerate() {
            math::norm(isa, x, self.eps, &branch.alpha, &branch.beta, row);
            acts.put(isa, r, row);
        }
    }

    /// The last norm of a strip, for a head multiplied by `scheme`.
    pub(crate) fn last(&self, branch: &Branch, scheme: Scheme, strip: &mut Strip, scratch: &mut Scratch) {
        let mut last = std::mem::take(&mut strip.last);
        self.norm(branch, strip, scheme, &mut scratch.row, &mut last);
        strip.last = last;
    }

    /// Norm, projections, rotary; leaves queries, keys and values packed in the strip.
    pub(crate) fn project(
        &self,
        shape: &Shape,
        layers: &Layers,
        branch: &Branch,
        strip: &mut Strip,
        scratch: &mut Scratch,
    ) {
        let (kernels, d) = (&self.kernels, self.hidden);
        let (rows, width) = (strip.rows, 3 * d);
        self.norm(branch, strip, layers.qkv.scheme(), &mut scratch.row, &mut scratch.acts);
        scratch.wide.grow(rows * width);
        let qkv = &mut scratch.wide[..rows * width];
        layers.qkv.apply(kernels, &scratch.acts, (0, rows), &mut scratch.work, qkv, width, Finish::Store);
        if !self.cos.is_empty() {
            let half = shape.dim / 2;
            for (r, row) in qkv.chunks_exact_mut(width).enumerate() {
                let at = (strip.first + r) * half;
                let (cos, sin) = (&self.cos[at..at + half], &self.sin[at..at + half]);
                math::rotate(kernels.isa(), &mut row[..2 * d], shape.dim, cos, sin);
            }
        }
        attention::pack(kernels, shape, qkv, rows, &mut strip.queries, &mut strip.packed, &mut scratch.attention);
    }

    /// Attention to `seen` strips and everything after it in a block.
    pub(crate) fn finish(
        &self,
        shape: &Shape,
        layers: &Layers,
        (attend, mlp): (&Branch, &Branch),
        seen: &[KeyValues],
        strip: &mut Strip,
        scratch: &mut Scratch,
    ) {
        let (kernels, isa, d) = (&self.kernels, self.kernels.isa(), self.hidden);
        let rows = strip.rows;
        scratch.wide.grow(rows * d.max(layers.up.n()));

        let attended = &mut scratch.wide[..rows * d];
        let at = (strip.first, rows);
        attention::attend(kernels, shape, &strip.queries, at, seen, &mut scratch.attention, attended);
        scratch.acts.shape(layers.out.scheme(), rows, d);
        for (r, row) in attended.chunks_exact_mut(d).enumerate() {
            scratch.acts.put(isa, r, row);
        }
        let (acts, work) = (&scratch.acts, &mut scratch.work);
        layers.out.apply(kernels, acts, (0, rows), work, &mut strip.x, d, attend.finish());

        self.norm(mlp, strip, layers.up.scheme(), &mut scratch.row, &mut scratch.acts);
        let inner = layers.up.n();
        let hidden = &mut scratch.wide[..rows * inner];
        layers.up.apply(kernels, &scratch.acts, (0, rows), &mut scratch.work, hidden, inner, Finish::Store);
        scratch.acts.shape(layers.down.scheme(), rows, inner);
        for (r, row) in hidden.chunks_exact_mut(inner).enumerate() {
            let range = math::gelu_range(isa, row);
            scratch.acts.put_with_range(isa, r, row, range);
        }
        let (acts, work) = (&scratch.acts, &mut scratch.work);
        layers.down.apply(kernels, acts, (0, rows), work, &mut strip.x, d, mlp.finish());
    }
}

/// Cuts a sequence into strips, keeping the buffers of those there were.
pub(crate) fn cut(strips: &mut Vec<Strip>, tokens: usize, rows: usize, hidden: usize) {
    strips.resize_with(tokens.div_ceil(rows), Strip::default);
    for (i, strip) in strips.iter_mut().enumerate() {
        strip.first = i * rows;
        strip.rows = rows.min(tokens - strip.first);
        strip.x.grow(rows * hidden);
    }
}
