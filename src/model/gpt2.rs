//! The judge: a GPT-2 in candle, which scores how likely a text is.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::ops::{Linear, Loader, attention, head_blocks, layer_norm, split_heads};
use super::weights::{JudgeCheckpoint, Progress, layout};
use super::{Cancel, Judge, JudgeSpec, ModelError, check_judged};

/// A GPT-2 in candle.
pub struct Gpt2 {
    spec: JudgeSpec,
    device: Device,
    tokens: Tensor,
    positions: Tensor,
    blocks: Vec<Block>,
    norm: Norm,
    head: Linear,
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

struct Block {
    norm1: Norm,
    qkv: Linear,
    out: Linear,
    norm2: Norm,
    up: Linear,
    down: Linear,
}

impl Gpt2 {
    /// Reads all weights onto `device` as `dtype`.
    pub fn load(
        checkpoint: &JudgeCheckpoint,
        device: &Device,
        dtype: DType,
        progress: Progress<'_>,
    ) -> Result<Self, ModelError> {
        let spec = checkpoint.spec.clone();
        let total = layout::judge(&spec).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let load = Loader::new(&*checkpoint.tensors, device, dtype, total, progress);
        let (d, vocab) = (spec.hidden, spec.vocab);
        let tokens = load.matrix("wte.weight", vocab, d)?;
        let head = match checkpoint.head() {
            "wte.weight" => tokens.clone(),
            separate => load.matrix(separate, vocab, d)?,
        };
        Ok(Self {
            tokens,
            positions: load.matrix("wpe.weight", spec.length, d)?,
            blocks: (0..spec.blocks).map(|i| Block::load(&load, &spec, i)).collect::<Result<_, _>>()?,
            norm: Norm::load(&load, &spec, "ln_f")?,
            head: Linear { weight: head, bias: None },
            device: device.clone(),
            spec,
        })
    }

    /// Hidden states before the head.
    fn hidden(&self, ids: &[u32], cancel: &Cancel) -> Result<Tensor, ModelError> {
        let index = Tensor::from_slice(ids, ids.len(), &self.device)?;
        let positions = self.positions.narrow(0, 0, ids.len())?;
        let mut x = (self.tokens.index_select(&index, 0)? + positions)?;
        for block in &self.blocks {
            cancel.check()?;
            x = block.forward(&x, self.spec.heads, cancel)?;
        }
        Ok(self.norm.forward(&x)?)
    }
}

impl Judge for Gpt2 {
    fn spec(&self) -> &JudgeSpec {
        &self.spec
    }

    fn nll(&mut self, ids: &[u32], cancel: &Cancel) -> Result<Vec<f32>, ModelError> {
        check_judged(&self.spec, ids)?;
        let Some(targets) = ids.get(1..).filter(|rest| !rest.is_empty()) else {
            return Ok(Vec::new());
        };
        let hidden = self.hidden(&ids[..targets.len()], cancel)?;
        let rows: Vec<u32> = (0..targets.len() as u32).collect();
        let mut nll = vec![0.0; targets.len()];
        head_blocks(&hidden, &self.head, &rows, cancel, &mut |first, block| {
            let logits = block.par_chunks(self.spec.vocab);
            let values: Vec<f32> = logits.zip(&targets[first..]).map(|(row, &id)| surprise(row, id)).collect();
            if let Some(row) = values.iter().position(|v| !v.is_finite()) {
                return Err(ModelError::Request(format!(
                    "the judge {} gave a value that is not a number at position {}; its weights are damaged",
                    self.spec.name,
                    first + row + 1
                )));
            }
            nll[first..first + values.len()].copy_from_slice(&values);
            Ok(())
        })?;
        Ok(nll)
    }
}

/// `-ln softmax(logits)[id]`, summed in f64.
fn surprise(logits: &[f32], id: u32) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&l| f64::from((l - most).exp())).sum();
    (sum.ln() - f64::from(logits[id as usize] - most)) as f32
}

impl Block {
    fn load(load: &Loader<'_>, spec: &JudgeSpec, i: usize) -> Result<Self, ModelError> {
        let d = spec.hidden;
        let name = |part: &str| format!("h.{i}.{part}");
        Ok(Self {
            norm1: Norm::load(load, spec, &name("ln_1"))?,
            qkv: load.linear(&name("attn.c_attn"), d, 3 * d)?,
            out: load.linear(&name("attn.c_proj"), d, d)?,
            norm2: Norm::load(load, spec, &name("ln_2"))?,
            up: load.linear(&name("mlp.c_fc"), d, spec.inner)?,
            down: load.linear(&name("mlp.c_proj"), spec.inner, d)?,
        })
    }

    fn forward(&self, x: &Tensor, heads: usize, cancel: &Cancel) -> Result<Tensor, ModelError> {
        let d = x.dims()[1];
        let qkv = self.qkv.forward(&self.norm1.forward(x)?)?;
        let part = |i: usize| split_heads(&qkv.narrow(1, i * d, d)?.contiguous()?, heads);
        let attended = attention(&part(0)?, &part(1)?, &part(2)?, true, cancel)?;
        let x = (x + self.out.forward(&attended)?)?;
        let h = self.up.forward(&self.norm2.forward(&x)?)?.gelu()?;
        Ok((&x + self.down.forward(&h)?)?)
    }
}

impl Norm {
    fn load(load: &Loader<'_>, spec: &JudgeSpec, name: &str) -> Result<Self, ModelError> {
        Ok(Self {
            weight: load.vector(&format!("{name}.weight"), spec.hidden)?,
            bias: load.vector(&format!("{name}.bias"), spec.hidden)?,
            eps: f64::from(spec.eps),
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}
