//! The FS-DFM network in bf16 on an NVIDIA GPU: cuBLAS for the large products, kernels of its own for the rest.
//!
//! The residual stream, norms, softmax sums and logits are f32. Draws happen on the GPU, so that of a step only ids
//! and a few numbers a position come back.

mod gpu;

use candle_core::cuda_backend::CudaDevice;
use half::bf16;

use self::gpu::{Address, Arg, DrawSettings, Gpu, Memory, Product, narrow};
use super::net::sinusoids;
use super::weights::layout::{self, SINUSOIDS};
use super::weights::{Checkpoint, Progress, Tensors};
use super::{
    Ask, Cancel, DrawRule, Drawn, Draws, Input, ModelError, ModelSpec, Network, check_input, check_rows,
    first_not_finite, rotary,
};

/// Rows whose logits are on the GPU at once.
const HEAD_ROWS: usize = 1024;
/// Rows whose logits are copied at once.
const COPIED_ROWS: usize = 64;
/// Threads of a block of most kernels.
const THREADS: usize = 256;
/// Queries of a block of the attention kernel, and keys that it takes at once.
const TILE: usize = 64;

/// Whether the kernels serve a network of these sizes; others run in candle.
pub fn fits(spec: &ModelSpec) -> bool {
    let row = spec.hidden * size_of::<f32>();
    matches!(spec.head_dim(), 32 | 64) && spec.cond.is_multiple_of(2) && row <= 40 << 10
}

/// An FS-DFM network on a GPU.
pub struct CudaDit {
    spec: ModelSpec,
    gpu: Gpu,
    embed: Memory<bf16>,
    condition: Condition,
    blocks: Vec<Block>,
    norm_final: Memory<f32>,
    head: Memory<bf16>,
    head_bias: Memory<f32>,
    /// Rows of `head`: padded, as products with an odd number of outputs are slow.
    padded: usize,
    cos: Memory<f32>,
    sin: Memory<f32>,
    space: Space,
    /// Length of the sequence last run; 0 before.
    tokens: usize,
}

/// Memory that every step uses again.
struct Space {
    ids: Memory<u32>,
    /// The residual stream.
    x: Memory<f32>,
    /// Normed states, or what attention gives.
    h: Memory<bf16>,
    /// Queries, keys and values, or the MLP's inner states.
    inner: Memory<bf16>,
    /// What a block's half adds to the stream.
    y: Memory<bf16>,
    rows: Memory<u32>,
    picked: Memory<bf16>,
    asks: Memory<Ask>,
    answers: Memory<Drawn>,
    /// Made when first needed.
    logits: Option<Memory<f32>>,
    copied: Option<Memory<f32>>,
}

struct Block {
    norm1: Memory<f32>,
    qkv: Memory<bf16>,
    out: Memory<bf16>,
    norm2: Memory<f32>,
    up: Map,
    down: Map,
}

/// A linear map with bias.
struct Map {
    weight: Memory<bf16>,
    bias: Memory<f32>,
}

/// From times to the modulations of all blocks: maps of a single row, stacked.
struct Condition {
    first: Map,
    second: Map,
    /// A student's map of time and step size, and those of the blocks and the output layer.
    fusers: Option<(Map, Map)>,
    modulations: Map,
    waves: Memory<f32>,
    /// Two vectors that take turns as a map's input and output.
    a: Memory<f32>,
    b: Memory<f32>,
    /// Six vectors a block, then two of the output layer.
    modulation: Memory<f32>,
}

/// Reads weights onto the GPU and reports how far it is.
struct Loader<'a> {
    tensors: &'a dyn Tensors,
    gpu: &'a Gpu,
    progress: Progress<'a>,
    done: std::cell::Cell<usize>,
    total: usize,
}

impl Loader<'_> {
    fn values(&self, name: &str, rows: usize, cols: usize) -> Result<Vec<bf16>, ModelError> {
        let values = narrow(&self.tensors.matrix(&format!("{name}.weight"), rows, cols)?.into_f32());
        self.done.set(self.done.get() + values.len());
        (self.progress)((self.done.get() as f32 / self.total.max(1) as f32).min(1.0));
        Ok(values)
    }

    /// Matrices with as many columns, one below the other.
    fn stack(&self, names: &[String], rows: usize, cols: usize) -> Result<Memory<bf16>, ModelError> {
        let mut all = Vec::with_capacity(names.len() * rows * cols);
        for name in names {
            all.extend(self.values(name, rows, cols)?);
        }
        self.gpu.upload(&all)
    }

    fn vector(&self, name: &str, len: usize) -> Result<Memory<f32>, ModelError> {
        self.gpu.upload(&self.tensors.vector(name, len)?)
    }

    /// Linear maps one below the other, each of a number of outputs.
    fn maps(&self, names: &[(String, usize)], inputs: usize) -> Result<Map, ModelError> {
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for (name, outputs) in names {
            weight.extend(self.values(name, *outputs, inputs)?);
            bias.extend(self.tensors.vector(&format!("{name}.bias"), *outputs)?);
        }
        Ok(Map { weight: self.gpu.upload(&weight)?, bias: self.gpu.upload(&bias)? })
    }

    fn map(&self, name: String, inputs: usize, outputs: usize) -> Result<Map, ModelError> {
        self.maps(&[(name, outputs)], inputs)
    }
}

impl CudaDit {
    /// Reads all weights onto `device`.
    pub fn load(checkpoint: &Checkpoint, device: &CudaDevice, progress: Progress<'_>) -> Result<Self, ModelError> {
        let spec = checkpoint.spec.clone();
        let total = layout::model(&spec).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let gpu = Gpu::new(device)?;
        let load = Loader { tensors: &*checkpoint.tensors, gpu: &gpu, progress, done: 0.into(), total };
        let (d, rows) = (spec.hidden, spec.rows());
        let condition = Condition::load(&load, &spec)?;
        let blocks = (0..spec.blocks).map(|i| Block::load(&load, &spec, i)).collect::<Result<_, _>>()?;
        let embed = gpu.upload(&load.values("vocab_embed", rows, d)?)?;
        let padded = rows.next_multiple_of(128);
        let mut head = load.values("output_layer.linear", rows, d)?;
        head.resize(padded * d, bf16::ZERO);
        let head = gpu.upload(&head)?;
        let head_bias = load.vector("output_layer.linear.bias", rows)?;
        let norm_final = load.vector("output_layer.norm_final.weight", d)?;
        let (cos, sin) = rotary::tables(spec.length, spec.head_dim());
        let (cos, sin) = (gpu.upload(&cos)?, gpu.upload(&sin)?);
        let space = Space::new(&gpu, &spec)?;
        Ok(Self {
            spec,
            embed,
            condition,
            blocks,
            norm_final,
            head,
            head_bias,
            padded,
            cos,
            sin,
            space,
            tokens: 0,
            gpu,
        })
    }

    /// `x += gate · (y + bias)`, then the norm of what follows, into `h`.
    fn residual(
        &self,
        bias: Option<&Memory<f32>>,
        gate: Address,
        norm: &Memory<f32>,
        shift: Address,
        scale: Address,
        tokens: usize,
    ) -> Result<(), ModelError> {
        let (space, d) = (&self.space, self.spec.hidden);
        let args: [Arg; 9] = [
            space.x.at(0).into(),
            space.h.at(0).into(),
            space.y.at(0).into(),
            bias.map_or(0, |bias| bias.at(0)).into(),
            gate.into(),
            norm.at(0).into(),
            shift.into(),
            scale.into(),
            d.into(),
        ];
        // SAFETY: the parameters of `residual_norm`; all matrices hold `tokens` rows of `d`, all vectors `d`.
        unsafe { self.gpu.launch(&self.gpu.kernels.residual_norm, (tokens, 1), THREADS, d * size_of::<f32>(), &args) }
    }

    fn attend(&self, tokens: usize) -> Result<(), ModelError> {
        let (space, heads, head_dim) = (&self.space, self.spec.heads, self.spec.head_dim());
        let kernels = &self.gpu.kernels;
        let args: [Arg; 5] =
            [space.inner.at(0).into(), self.cos.at(0).into(), self.sin.at(0).into(), heads.into(), head_dim.into()];
        // SAFETY: the parameters of `rope`; the tables have a row for every position of the longest sequence.
        unsafe { self.gpu.launch(&kernels.rope, (tokens, 1), THREADS, 0, &args)? };
        let kernel = if head_dim == 32 { &kernels.attend32 } else { &kernels.attend64 };
        let scale = std::f32::consts::LOG2_E / (head_dim as f32).sqrt();
        let args: [Arg; 5] =
            [space.h.at(0).into(), space.inner.at(0).into(), tokens.into(), heads.into(), scale.into()];
        // Two tiles of keys and two of values, rows padded against bank conflicts.
        let shared = 4 * TILE * (head_dim + 8) * size_of::<bf16>();
        // SAFETY: the parameters of both kernels; `inner` holds `tokens` rows of queries, keys and values.
        unsafe { self.gpu.launch(kernel, (tokens.div_ceil(TILE), heads), 2 * TILE, shared, &args) }
    }

    /// The final states of `rows`: in place where they follow each other, else gathered.
    fn pick(&mut self, rows: &[u32]) -> Result<Address, ModelError> {
        let d = self.spec.hidden;
        if rows.windows(2).all(|pair| pair[0] + 1 == pair[1]) {
            return Ok(self.space.h.at(rows[0] as usize * d));
        }
        self.gpu.write(&mut self.space.rows, rows)?;
        let space = &self.space;
        let args: [Arg; 4] = [space.picked.at(0).into(), space.h.at(0).into(), space.rows.at(0).into(), d.into()];
        // SAFETY: the parameters of `gather`; callers have checked that the rows exist.
        unsafe { self.gpu.launch(&self.gpu.kernels.gather, (rows.len(), 1), THREADS / 2, 0, &args)? };
        Ok(space.picked.at(0))
    }

    /// Logits of at most [`HEAD_ROWS`] rows, padded and without their bias.
    fn head(&mut self, rows: &[u32]) -> Result<Address, ModelError> {
        let x = self.pick(rows)?;
        let logits = match &mut self.space.logits {
            Some(logits) if logits.len() >= rows.len() * self.padded => logits,
            logits => logits.insert(self.gpu.reserve(rows.len().next_multiple_of(TILE) * self.padded)?),
        };
        let out = logits.at(0);
        let (outputs, inputs) = (self.padded, self.spec.hidden);
        self.gpu.product(Product { x, w: self.head.at(0), out, rows: rows.len(), outputs, inputs, wide: true })?;
        Ok(out)
    }
}

impl Network for CudaDit {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn precision(&self) -> String {
        "bf16-cuda".to_owned()
    }

    fn forward(&mut self, input: Input<'_>, cancel: &Cancel) -> Result<(), ModelError> {
        check_input(&self.spec, input.ids)?;
        self.tokens = 0;
        let (tokens, d) = (input.ids.len(), self.spec.hidden);
        let mlp = d * self.spec.mlp_ratio;
        self.gpu.write(&mut self.space.ids, input.ids)?;
        self.condition.forward(&self.gpu, &self.spec, input)?;
        let space = &self.space;
        let [x, h, inner, y] = [space.x.at(0), space.h.at(0), space.inner.at(0), space.y.at(0)];
        let modulation = |block: usize, part: usize| self.condition.modulation.at((6 * block + part) * d);
        let product = |x, w: &Memory<bf16>, out, outputs, inputs| {
            self.gpu.product(Product { x, w: w.at(0), out, rows: tokens, outputs, inputs, wide: false })
        };
        // The norm before the first block; every later one follows the sum before it.
        let norm = self.blocks.first().map_or(&self.norm_final, |block| &block.norm1);
        let args: [Arg; 8] = [
            x.into(),
            h.into(),
            space.ids.at(0).into(),
            self.embed.at(0).into(),
            norm.at(0).into(),
            modulation(0, 0).into(),
            modulation(0, 1).into(),
            d.into(),
        ];
        // SAFETY: the parameters of `embed_norm`; the ids are checked.
        unsafe { self.gpu.launch(&self.gpu.kernels.embed_norm, (tokens, 1), THREADS, d * size_of::<f32>(), &args)? };
        for (i, block) in self.blocks.iter().enumerate() {
            cancel.check()?;
            product(h, &block.qkv, inner, 3 * d, d)?;
            self.attend(tokens)?;
            product(h, &block.out, y, d, d)?;
            self.residual(None, modulation(i, 2), &block.norm2, modulation(i, 3), modulation(i, 4), tokens)?;
            product(h, &block.up.weight, inner, mlp, d)?;
            let total = tokens * mlp;
            let args: [Arg; 4] = [inner.into(), block.up.bias.at(0).into(), mlp.into(), Arg::Long(total as i64)];
            // SAFETY: the parameters of `bias_gelu`; both sizes are multiples of 8.
            unsafe {
                self.gpu.launch(&self.gpu.kernels.bias_gelu, (total.div_ceil(8 * THREADS), 1), THREADS, 0, &args)?;
            }
            product(inner, &block.down.weight, y, d, mlp)?;
            let norm = self.blocks.get(i + 1).map_or(&self.norm_final, |next| &next.norm1);
            let (shift, scale) = (modulation(i + 1, 0), modulation(i + 1, 1));
            self.residual(Some(&block.down.bias), modulation(i, 5), norm, shift, scale, tokens)?;
        }
        self.tokens = tokens;
        Ok(())
    }

    fn logits(
        &mut self,
        rows: &[u32],
        cancel: &Cancel,
        sink: &mut dyn FnMut(usize, &mut [f32]),
    ) -> Result<(), ModelError> {
        check_rows(self.tokens, rows)?;
        let width = self.spec.rows();
        for (block, chosen) in rows.chunks(COPIED_ROWS).enumerate() {
            cancel.check()?;
            let logits = self.head(chosen)?;
            let copied = match &mut self.space.copied {
                Some(copied) => copied,
                none => none.insert(self.gpu.reserve(COPIED_ROWS * width)?),
            };
            let args: [Arg; 5] =
                [copied.at(0).into(), logits.into(), self.head_bias.at(0).into(), width.into(), self.padded.into()];
            // SAFETY: the parameters of `unpad`.
            unsafe { self.gpu.launch(&self.gpu.kernels.unpad, (chosen.len(), 1), THREADS, 0, &args)? };
            let mut values = self.gpu.read(copied, chosen.len() * width)?;
            if let Some(row) = first_not_finite(&values, width) {
                return Err(ModelError::NotFinite { position: chosen[row] as usize, precision: self.precision() });
            }
            sink(block * COPIED_ROWS, &mut values);
        }
        Ok(())
    }

    fn draw(&mut self, draws: &Draws<'_>, cancel: &Cancel) -> Result<Option<Vec<Drawn>>, ModelError> {
        check_rows(self.tokens, draws.rows)?;
        let settings = DrawSettings {
            scalar: if let DrawRule::CumulativeScalar { scalar } = draws.rule { scalar } else { 0.0 },
            floor: draws.floor,
            sharpness: (1.0 / draws.temperature) as f32,
            banned: draws.banned.unwrap_or(u32::MAX),
            last: (draws.rule == DrawRule::Redraw).into(),
            euler: (draws.rule == DrawRule::Euler).into(),
            width: self.spec.rows() as u32,
            stride: self.padded as u32,
        };
        let mut answers = Vec::with_capacity(draws.rows.len());
        for (rows, asks) in draws.rows.chunks(HEAD_ROWS).zip(draws.asks.chunks(HEAD_ROWS)) {
            cancel.check()?;
            let logits = self.head(rows)?;
            self.gpu.write(&mut self.space.asks, asks)?;
            let space = &self.space;
            let args: [Arg; 5] = [
                space.answers.at(0).into(),
                logits.into(),
                self.head_bias.at(0).into(),
                space.asks.at(0).into(),
                Arg::Settings(settings),
            ];
            // SAFETY: the parameters of `draw`, whose structures are laid out as `Ask`, `Drawn` and `DrawSettings`.
            unsafe { self.gpu.launch(&self.gpu.kernels.draw, (rows.len(), 1), 512, 0, &args)? };
            answers.extend(self.gpu.read(&space.answers, rows.len())?);
        }
        Ok(Some(answers))
    }
}

impl Block {
    fn load(load: &Loader<'_>, spec: &ModelSpec, i: usize) -> Result<Self, ModelError> {
        let (d, mlp) = (spec.hidden, spec.hidden * spec.mlp_ratio);
        let name = |part: &str| format!("blocks.{i}.{part}");
        Ok(Self {
            norm1: load.vector(&name("norm1.weight"), d)?,
            qkv: load.stack(&["qw", "kw", "vw"].map(name), d, d)?,
            out: load.stack(&[name("attn_out")], d, d)?,
            norm2: load.vector(&name("norm2.weight"), d)?,
            up: load.map(name("mlp.0"), d, mlp)?,
            down: load.map(name("mlp.2"), mlp, d)?,
        })
    }
}

impl Space {
    fn new(gpu: &Gpu, spec: &ModelSpec) -> Result<Self, ModelError> {
        let (tokens, d) = (spec.length, spec.hidden);
        let rows = tokens.min(HEAD_ROWS);
        Ok(Self {
            ids: gpu.reserve(tokens)?,
            x: gpu.reserve(tokens * d)?,
            h: gpu.reserve(tokens * d)?,
            inner: gpu.reserve(tokens * d * spec.mlp_ratio.max(3))?,
            y: gpu.reserve(tokens * d)?,
            rows: gpu.reserve(rows)?,
            picked: gpu.reserve(rows * d)?,
            asks: gpu.reserve(rows)?,
            answers: gpu.reserve(rows)?,
            logits: None,
            copied: None,
        })
    }
}

impl Condition {
    fn load(load: &Loader<'_>, spec: &ModelSpec) -> Result<Self, ModelError> {
        let (c, d) = (spec.cond, spec.hidden);
        let times: &[&str] =
            if spec.dt_conditioned { &["time_embedding", "dt_embedding"] } else { &["time_embedding"] };
        let each = |part: &str| -> Vec<(String, usize)> {
            times.iter().map(|name| (format!("{name}.mlp.{part}"), c)).collect()
        };
        let layers = || (0..spec.blocks).map(|i| format!("blocks.{i}")).chain(["output_layer".to_owned()]);
        let modulations: Vec<_> = layers()
            .enumerate()
            .map(|(i, layer)| {
                let vectors = if i < spec.blocks { 6 } else { 2 };
                (format!("{layer}.adaLN_modulation"), vectors * d)
            })
            .collect();
        let fusers = if spec.dt_conditioned {
            let own: Vec<_> = layers().map(|layer| (format!("{layer}.condition_fuser"), c)).collect();
            Some((load.map("time_condition_fuser".to_owned(), 2 * c, 2 * c)?, load.maps(&own, 2 * c)?))
        } else {
            None
        };
        let widest = c * (spec.blocks + 2);
        Ok(Self {
            first: load.maps(&each("0"), SINUSOIDS)?,
            second: load.maps(&each("2"), c)?,
            fusers,
            modulations: load.maps(&modulations, c)?,
            waves: load.gpu.reserve(2 * SINUSOIDS)?,
            a: load.gpu.reserve(widest)?,
            b: load.gpu.reserve(widest)?,
            modulation: load.gpu.reserve((6 * spec.blocks + 2) * d)?,
        })
    }

    /// Fills `modulation`.
    fn forward(&mut self, gpu: &Gpu, spec: &ModelSpec, input: Input<'_>) -> Result<(), ModelError> {
        let (c, d) = (spec.cond, spec.hidden);
        let mut waves = sinusoids(input.t);
        if spec.dt_conditioned {
            waves.extend(sinusoids(input.dt));
        }
        gpu.write(&mut self.waves, &waves)?;
        // `group`: outputs that share inputs, and how far on the next group's are.
        let map = |map: &Map, from: Address, to: Address, inputs: usize, group: (usize, usize), silu: bool| {
            let outputs = map.bias.len();
            let args: [Arg; 9] = [
                to.into(),
                from.into(),
                map.weight.at(0).into(),
                map.bias.at(0).into(),
                inputs.into(),
                outputs.into(),
                group.0.into(),
                group.1.into(),
                usize::from(silu).into(),
            ];
            // SAFETY: the parameters of `gemv`; the vectors hold the inputs of all groups and all outputs.
            unsafe { gpu.launch(&gpu.kernels.gemv, (outputs.div_ceil(4), 1), 128, 0, &args) }
        };
        let (a, b) = (self.a.at(0), self.b.at(0));
        map(&self.first, self.waves.at(0), a, SINUSOIDS, (c, SINUSOIDS), true)?;
        let all = self.modulation.at(0);
        if let Some((fuser, own)) = &self.fusers {
            map(&self.second, a, b, c, (c, c), false)?;
            map(fuser, b, a, 2 * c, (2 * c, 0), true)?;
            map(own, a, b, 2 * c, (c, 0), true)?;
            map(&self.modulations, b, all, c, (6 * d, c), false)
        } else {
            map(&self.second, a, b, c, (c, c), true)?;
            map(&self.modulations, b, all, c, (6 * d, 0), false)
        }
    }
}
