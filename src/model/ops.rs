//! What the two candle networks share: loading parameters, linear maps, attention, logits in blocks.

use std::cell::Cell;

use candle_core::{D, DType, Device, Tensor};

use super::weights::{Progress, Tensors};
use super::{Cancel, ModelError};

/// Rows whose logits are computed at once: enough for an efficient product, few enough to stay in cache.
pub(super) const HEAD_ROWS: usize = 64;
/// Queries that attend at once; bounds the memory for scores at long lengths.
const QUERY_ROWS: usize = 256;

/// Turns stored tensors into candle's, on one device and of one type, and reports how far it is.
pub(super) struct Loader<'a> {
    tensors: &'a dyn Tensors,
    device: &'a Device,
    dtype: DType,
    progress: Progress<'a>,
    done: Cell<usize>,
    total: usize,
}

impl<'a> Loader<'a> {
    /// `total` is the number of values that will be read.
    pub(super) fn new(
        tensors: &'a dyn Tensors,
        device: &'a Device,
        dtype: DType,
        total: usize,
        progress: Progress<'a>,
    ) -> Self {
        Self { tensors, device, dtype, progress, done: Cell::new(0), total }
    }

    pub(super) fn vector(&self, name: &str, len: usize) -> Result<Tensor, ModelError> {
        self.tensor(self.tensors.vector(name, len)?, &[len])
    }

    pub(super) fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Tensor, ModelError> {
        self.tensor(self.tensors.matrix(name, rows, cols)?.into_f32(), &[rows, cols])
    }

    /// A linear map with bias.
    pub(super) fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
        Ok(Linear {
            weight: self.matrix(&format!("{name}.weight"), outputs, inputs)?,
            bias: Some(self.vector(&format!("{name}.bias"), outputs)?),
        })
    }

    /// A linear map without bias.
    pub(super) fn projection(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
        Ok(Linear { weight: self.matrix(&format!("{name}.weight"), outputs, inputs)?, bias: None })
    }

    fn tensor(&self, values: Vec<f32>, shape: &[usize]) -> Result<Tensor, ModelError> {
        self.done.set(self.done.get() + values.len());
        let tensor = Tensor::from_vec(values, shape, self.device)?.to_dtype(self.dtype)?;
        (self.progress)((self.done.get() as f32 / self.total.max(1) as f32).min(1.0));
        Ok(tensor)
    }
}

/// `y = x Wᵀ + b`.
pub(super) struct Linear {
    /// `(out, in)`.
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
}

impl Linear {
    /// `x` is `(rows, in)`.
    pub(super) fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let y = x.matmul(&self.weight.t()?)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

/// `(rows, width)` to `(heads, rows, width / heads)`.
pub(super) fn split_heads(x: &Tensor, heads: usize) -> candle_core::Result<Tensor> {
    let (rows, width) = x.dims2()?;
    x.reshape((rows, heads, width / heads))?.transpose(0, 1)?.contiguous()
}

/// Softmax attention of `(heads, rows, head_dim)` queries, keys and values, giving `(rows, heads · head_dim)`.
///
/// Queries go in blocks; with `causal` each sees the keys up to its own row only.
pub(super) fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    causal: bool,
    cancel: &Cancel,
) -> Result<Tensor, ModelError> {
    let (heads, rows, head_dim) = q.dims3()?;
    let q = (q * (1.0 / (head_dim as f64).sqrt()))?;
    let mut blocks = Vec::new();
    for first in (0..rows).step_by(QUERY_ROWS) {
        cancel.check()?;
        let count = QUERY_ROWS.min(rows - first);
        let keys = if causal { first + count } else { rows };
        let seen = k.narrow(1, 0, keys)?;
        let mut scores = q.narrow(1, first, count)?.matmul(&seen.t()?)?;
        if causal {
            scores = scores.broadcast_add(&causal_mask(first, count, q.device())?.to_dtype(scores.dtype())?)?;
        }
        let weights = candle_nn::ops::softmax_last_dim(&scores.contiguous()?)?;
        blocks.push(weights.matmul(&v.narrow(1, 0, keys)?.contiguous()?)?);
    }
    let all = Tensor::cat(&blocks, 1)?;
    Ok(all.transpose(0, 1)?.reshape((rows, heads * head_dim))?)
}

/// `(count, first + count)`: minus infinity where the key lies after the query.
fn causal_mask(first: usize, count: usize, device: &Device) -> candle_core::Result<Tensor> {
    let keys = first + count;
    let values: Vec<f32> = (first..keys)
        .flat_map(|query| (0..keys).map(move |key| if key > query { f32::NEG_INFINITY } else { 0.0 }))
        .collect();
    Tensor::from_vec(values, (count, keys), device)
}

/// Layer norm in f32 with two passes (candle's fused one subtracts two large numbers), times `scale`, plus `shift`.
pub(super) fn layer_norm(x: &Tensor, scale: &Tensor, shift: &Tensor, eps: f64) -> candle_core::Result<Tensor> {
    let wide = x.to_dtype(DType::F32)?;
    let centred = wide.broadcast_sub(&wide.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = centred.broadcast_div(&(variance + eps)?.sqrt()?)?;
    normed.to_dtype(x.dtype())?.broadcast_mul(scale)?.broadcast_add(shift)
}

/// Receives the index of a block's first row among those asked for, and the block.
pub(super) type BlockSink<'a> = &'a mut dyn FnMut(usize, &mut [f32]) -> Result<(), ModelError>;

/// Computes the logits of `rows` of `hidden` block by block and hands each block to `sink` as f32.
pub(super) fn head_blocks(
    hidden: &Tensor,
    head: &Linear,
    rows: &[u32],
    cancel: &Cancel,
    sink: BlockSink<'_>,
) -> Result<(), ModelError> {
    for (block, chosen) in rows.chunks(HEAD_ROWS).enumerate() {
        cancel.check()?;
        // A product with a single row takes another path and rounds differently: never ask for one.
        let at_least_two = if let &[row] = chosen { &[row, row] } else { chosen };
        let index = Tensor::from_slice(at_least_two, at_least_two.len(), hidden.device())?;
        let logits = head.forward(&hidden.index_select(&index, 0)?)?.narrow(0, 0, chosen.len())?;
        let mut values = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        sink(block * HEAD_ROWS, &mut values)?;
    }
    Ok(())
}
