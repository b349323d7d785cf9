//! The FS-DFM network (a DiT over tokens) in candle: the reference every faster path is held to.
//!
//! It follows the paper's implementation operation by operation, with or without step-size conditioning, for either
//! source, on any device candle knows. Sequences come one at a time, so tensors are `(T, width)`.

use candle_core::{DType, Device, Tensor};

use super::ops::{Linear, Loader, attention, head_blocks, layer_norm, split_heads};
use super::weights::layout::{self, SINUSOIDS};
use super::weights::{Checkpoint, Progress};
use super::{Cancel, Input, ModelError, ModelSpec, Network, check_input, check_rows, first_not_finite, rotary};

const EPS: f64 = 1e-5;

/// An FS-DFM network in candle.
pub struct Dit {
    spec: ModelSpec,
    device: Device,
    dtype: DType,
    embed: Tensor,
    time: ScalarEmbedding,
    /// Embedding of the step size and the map that joins it with time's; none for a plain network.
    step: Option<(ScalarEmbedding, Linear)>,
    blocks: Vec<Block>,
    norm_final: Tensor,
    final_modulation: Modulation,
    head: Linear,
    /// Normed hidden states of the last forward pass, `(T, hidden)`.
    hidden: Option<Tensor>,
}

struct Block {
    norm1: Tensor,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    norm2: Tensor,
    up: Linear,
    down: Linear,
    modulation: Modulation,
}

impl Dit {
    /// Reads all weights onto `device` as `dtype`.
    pub fn load(
        checkpoint: &Checkpoint,
        device: &Device,
        dtype: DType,
        progress: Progress<'_>,
    ) -> Result<Self, ModelError> {
        let spec = checkpoint.spec.clone();
        let total = layout::model(&spec).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let load = Loader::new(&*checkpoint.tensors, device, dtype, total, progress);
        let (d, c, rows) = (spec.hidden, spec.cond, spec.rows());
        let step = if spec.dt_conditioned {
            let fuser = load.linear("time_condition_fuser", 2 * c, 2 * c)?;
            Some((ScalarEmbedding::load(&load, "dt_embedding", c)?, fuser))
        } else {
            None
        };
        let blocks = (0..spec.blocks).map(|i| Block::load(&load, &spec, i)).collect::<Result<_, _>>()?;
        Ok(Self {
            embed: load.matrix("vocab_embed.weight", rows, d)?,
            time: ScalarEmbedding::load(&load, "time_embedding", c)?,
            step,
            blocks,
            norm_final: load.vector("output_layer.norm_final.weight", d)?,
            final_modulation: Modulation::load(&load, &spec, "output_layer", 2)?,
            head: load.linear("output_layer.linear", d, rows)?,
            device: device.clone(),
            dtype,
            spec,
            hidden: None,
        })
    }

    /// The condition vector `(1, cond)`, or `(1, 2 cond)` for a student.
    fn condition(&self, t: f32, dt: f32) -> candle_core::Result<Tensor> {
        let time = self.time.forward(t, &self.device, self.dtype)?;
        match &self.step {
            None => time.silu(),
            Some((embedding, fuser)) => {
                let step = embedding.forward(dt, &self.device, self.dtype)?;
                fuser.forward(&Tensor::cat(&[time, step], 1)?)?.silu()
            }
        }
    }
}

impl Network for Dit {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn precision(&self) -> String {
        let dtype = self.dtype.as_str();
        match self.device {
            Device::Cpu => dtype.to_owned(),
            Device::Cuda(_) => format!("{dtype}-cuda"),
            Device::Metal(_) => format!("{dtype}-metal"),
        }
    }

    fn forward(&mut self, input: Input<'_>, cancel: &Cancel) -> Result<(), ModelError> {
        check_input(&self.spec, input.ids)?;
        self.hidden = None;
        let ids = Tensor::from_slice(input.ids, input.ids.len(), &self.device)?;
        let condition = self.condition(input.t, input.dt)?;
        let rotary = Rotary::new(input.ids.len(), self.spec.head_dim(), &self.device)?;
        let mut x = self.embed.index_select(&ids, 0)?;
        for block in &self.blocks {
            cancel.check()?;
            x = block.forward(&x, &condition, &rotary, self.spec.heads, cancel)?;
        }
        let [shift, scale] = self.final_modulation.forward(&condition)?;
        self.hidden = Some(modulated_norm(&x, &self.norm_final, &scale, &shift)?);
        Ok(())
    }

    fn logits(
        &mut self,
        rows: &[u32],
        cancel: &Cancel,
        sink: &mut dyn FnMut(usize, &mut [f32]),
    ) -> Result<(), ModelError> {
        check_rows(self.hidden.as_ref().map_or(0, |hidden| hidden.dims()[0]), rows)?;
        let Some(hidden) = &self.hidden else { return Ok(()) };
        let width = self.spec.rows();
        head_blocks(hidden, &self.head, rows, cancel, &mut |first, block| {
            if let Some(row) = first_not_finite(block, width) {
                return Err(ModelError::NotFinite {
                    position: rows[first + row] as usize,
                    precision: self.precision(),
                });
            }
            sink(first, block);
            Ok(())
        })
    }
}

impl Block {
    fn load(load: &Loader<'_>, spec: &ModelSpec, i: usize) -> Result<Self, ModelError> {
        let (d, mlp) = (spec.hidden, spec.hidden * spec.mlp_ratio);
        let prefix = format!("blocks.{i}");
        let name = |part: &str| format!("{prefix}.{part}");
        Ok(Self {
            norm1: load.vector(&name("norm1.weight"), d)?,
            q: load.projection(&name("qw"), d, d)?,
            k: load.projection(&name("kw"), d, d)?,
            v: load.projection(&name("vw"), d, d)?,
            out: load.projection(&name("attn_out"), d, d)?,
            norm2: load.vector(&name("norm2.weight"), d)?,
            up: load.linear(&name("mlp.0"), d, mlp)?,
            down: load.linear(&name("mlp.2"), mlp, d)?,
            modulation: Modulation::load(load, spec, &prefix, 6)?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        condition: &Tensor,
        rotary: &Rotary,
        heads: usize,
        cancel: &Cancel,
    ) -> Result<Tensor, ModelError> {
        let [shift_a, scale_a, gate_a, shift_m, scale_m, gate_m] = self.modulation.forward(condition)?;

        let h = modulated_norm(x, &self.norm1, &scale_a, &shift_a)?;
        let q = rotary.apply(&split_heads(&self.q.forward(&h)?, heads)?)?;
        let k = rotary.apply(&split_heads(&self.k.forward(&h)?, heads)?)?;
        let v = split_heads(&self.v.forward(&h)?, heads)?;
        let attended = self.out.forward(&attention(&q, &k, &v, false, cancel)?)?;
        let x = (x + attended.broadcast_mul(&gate_a)?)?;

        let h = modulated_norm(&x, &self.norm2, &scale_m, &shift_m)?;
        // `gelu` is the tanh form, which the network was trained with.
        let h = self.down.forward(&self.up.forward(&h)?.gelu()?)?;
        Ok((x + h.broadcast_mul(&gate_m)?)?)
    }
}

/// `LN(x) · weight · (1 + scale) + shift`.
fn modulated_norm(x: &Tensor, weight: &Tensor, scale: &Tensor, shift: &Tensor) -> candle_core::Result<Tensor> {
    layer_norm(x, &(weight * (scale + 1.0)?)?, shift, EPS)
}

/// The adaptive layer norm's parameters, from the condition vector.
struct Modulation {
    /// A student's own map of the condition vector.
    fuser: Option<Linear>,
    modulation: Linear,
}

impl Modulation {
    fn load(load: &Loader<'_>, spec: &ModelSpec, prefix: &str, chunks: usize) -> Result<Self, ModelError> {
        let c = spec.cond;
        let fuser =
            if spec.dt_conditioned { Some(load.linear(&format!("{prefix}.condition_fuser"), 2 * c, c)?) } else { None };
        let modulation = load.linear(&format!("{prefix}.adaLN_modulation"), c, chunks * spec.hidden)?;
        Ok(Self { fuser, modulation })
    }

    /// `N` vectors of the hidden width.
    fn forward<const N: usize>(&self, condition: &Tensor) -> candle_core::Result<[Tensor; N]> {
        let all = match &self.fuser {
            None => self.modulation.forward(condition)?,
            Some(fuser) => self.modulation.forward(&fuser.forward(condition)?.silu()?)?,
        };
        let all = all.flatten_all()?;
        let width = all.dims1()? / N;
        let chunks: Vec<Tensor> = (0..N).map(|i| all.narrow(0, i * width, width)).collect::<Result<_, _>>()?;
        chunks.try_into().map_err(|_| candle_core::Error::msg("wrong number of chunks"))
    }
}

/// The embedding of a number in `[0, 1]`: sinusoids, then a small MLP.
struct ScalarEmbedding {
    first: Linear,
    second: Linear,
}

impl ScalarEmbedding {
    fn load(load: &Loader<'_>, name: &str, cond: usize) -> Result<Self, ModelError> {
        Ok(Self {
            first: load.linear(&format!("{name}.mlp.0"), SINUSOIDS, cond)?,
            second: load.linear(&format!("{name}.mlp.2"), cond, cond)?,
        })
    }

    fn forward(&self, s: f32, device: &Device, dtype: DType) -> candle_core::Result<Tensor> {
        let waves = Tensor::from_vec(sinusoids(s), (1, SINUSOIDS), device)?.to_dtype(dtype)?;
        self.second.forward(&self.first.forward(&waves)?.silu()?)
    }
}

/// `[cos(s f_k), sin(s f_k)]` with `f_k = 10000^(-k / 128)`.
pub fn sinusoids(s: f32) -> Vec<f32> {
    let half = SINUSOIDS / 2;
    let angles = (0..half).map(|k| s * (-(10000_f32.ln()) * k as f32 / half as f32).exp());
    angles.clone().map(f32::cos).chain(angles.map(f32::sin)).collect()
}

/// Rotary positions of one length, `(T, head_dim / 2)` each, in f32.
struct Rotary {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    fn new(length: usize, head_dim: usize, device: &Device) -> candle_core::Result<Self> {
        let (cos, sin) = rotary::tables(length, head_dim);
        let shape = (length, head_dim / 2);
        Ok(Self { cos: Tensor::from_vec(cos, shape, device)?, sin: Tensor::from_vec(sin, shape, device)? })
    }

    /// Rotates `(heads, T, head_dim)`.
    fn apply(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let wide = x.to_dtype(DType::F32)?.unsqueeze(0)?;
        candle_nn::rotary_emb::rope(&wide, &self.cos, &self.sin)?.squeeze(0)?.to_dtype(x.dtype())
    }
}
