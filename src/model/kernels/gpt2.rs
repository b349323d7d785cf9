//! The judge on the kernels: a GPT-2 that scores text, and recomputes only what changed since the last text.

use super::attention::{Form, KeyValues};
use super::block::{Body, Branch, Layers, Scratch, Strip, cut};
use super::isa::Isa;
use super::linear::{Linear, Scheme};
use super::math::Finish;
use super::parts::{Loader, copy_row, label, scheme};
use super::row;
use super::threads::Threads;
use super::tiles::Kernels;
use crate::model::weights::{Matrix, Progress, layout};
use crate::model::{Cancel, Judge, JudgeCheckpoint, JudgeSpec, ModelError, Precision, check_judged};

/// A GPT-2 on packed weights, for the CPU it is loaded on.
///
/// A position sees only those before it, so everything up to the first id that differs from the last text's is still
/// valid: keys and values of every block are kept, and scoring resumes at the strip with that id.
pub struct FastGpt2 {
    spec: JudgeSpec,
    body: Body,
    tokens: Matrix,
    positions: Matrix,
    blocks: Vec<Block>,
    norm: Branch,
    head: Linear,
    scheme: Scheme,
    threads: Threads<Scratch>,
    strips: Vec<Strip>,
    /// The text whose keys, values and scores are kept.
    seen: Vec<u32>,
    nll: Vec<f32>,
}

struct Block {
    layers: Layers,
    attend: Branch,
    mlp: Branch,
    /// Keys and values, one a strip.
    kv: Vec<KeyValues>,
}

impl FastGpt2 {
    /// Reads and packs the weights for the best instructions of this CPU.
    pub fn load(
        checkpoint: &JudgeCheckpoint,
        precision: Precision,
        threads: usize,
        progress: Progress<'_>,
    ) -> Result<Self, ModelError> {
        Self::load_for(Isa::best(), checkpoint, precision, threads, progress)
    }

    /// Reads and packs the weights for given instructions.
    pub fn load_for(
        isa: Isa,
        checkpoint: &JudgeCheckpoint,
        precision: Precision,
        threads: usize,
        progress: Progress<'_>,
    ) -> Result<Self, ModelError> {
        let kernels = Kernels::new(isa);
        let scheme = scheme(precision, &kernels);
        Self::load_scheme(kernels, checkpoint, scheme, threads, progress)
    }

    /// Reads and packs the weights for one way to multiply.
    pub(super) fn load_scheme(
        kernels: Kernels,
        checkpoint: &JudgeCheckpoint,
        scheme: Scheme,
        threads: usize,
        progress: Progress<'_>,
    ) -> Result<Self, ModelError> {
        let spec = checkpoint.spec.clone();
        let total = layout::judge(&spec).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let load = Loader::new(&*checkpoint.tensors, &kernels, scheme, total, progress);
        let (d, vocab) = (spec.hidden, spec.vocab);
        let norm = |name: &str| {
            Ok::<_, ModelError>(Branch {
                alpha: load.vector(&format!("{name}.weight"), d)?,
                beta: load.vector(&format!("{name}.bias"), d)?,
                gate: Vec::new(),
            })
        };
        let blocks = (0..spec.blocks)
            .map(|i| {
                let name = |part: &str| format!("h.{i}.{part}");
                Ok(Block {
                    layers: Layers {
                        qkv: load.linear(&name("attn.c_attn"), d, 3 * d)?,
                        out: load.linear(&name("attn.c_proj"), d, d)?,
                        up: load.linear(&name("mlp.c_fc"), d, spec.inner)?,
                        down: load.linear(&name("mlp.c_proj"), spec.inner, d)?,
                    },
                    attend: norm(&name("ln_1"))?,
                    mlp: norm(&name("ln_2"))?,
                    kv: Vec::new(),
                })
            })
            .collect::<Result<_, ModelError>>()?;
        let tokens = load.matrix("wte.weight", vocab, d)?;
        let head = match checkpoint.head() {
            "wte.weight" => load.pack(load.head(), d, &[(&tokens).into()], Vec::new()),
            separate => load.pack(load.head(), d, &[(&load.matrix(separate, vocab, d)?).into()], Vec::new()),
        };
        let norm = norm("ln_f")?;
        let positions = load.matrix("wpe.weight", spec.length, d)?;
        let body = Body {
            hidden: d,
            heads: spec.heads,
            eps: spec.eps,
            // A strip's values share a scale in 16 bits, which later tokens would have a say in.
            form: Form::F32,
            causal: true,
            cos: Vec::new(),
            sin: Vec::new(),
            kernels,
        };
        Ok(Self {
            spec,
            body,
            tokens,
            positions,
            blocks,
            norm,
            head,
            scheme,
            threads: Threads::new(threads)?,
            strips: Vec::new(),
            seen: Vec::new(),
            nll: Vec::new(),
        })
    }

    /// The arithmetic in use, e.g. `int8-avx2`.
    pub fn precision(&self) -> String {
        label(self.scheme, self.body.kernels.isa())
    }

    /// Rows of a strip: the same for every text, so that kept strips stay where they are.
    fn strip_rows(&self) -> usize {
        self.body.kernels.nr().max(32)
    }

    /// Runs the blocks over the strips from `first` on.
    fn forward(&mut self, ids: &[u32], first: usize, cancel: &Cancel) -> Result<(), ModelError> {
        let (d, rows) = (self.spec.hidden, self.strip_rows());
        let shape = self.body.shape(rows);
        cut(&mut self.strips, ids.len(), rows, d);
        for block in &mut self.blocks {
            block.kv.resize_with(self.strips.len(), KeyValues::default);
        }
        let (body, tokens, positions) = (&self.body, &self.tokens, &self.positions);
        let (layers, attend) = (&self.blocks[0].layers, &self.blocks[0].attend);
        self.threads.each(&mut self.strips[first..], |_, strip, scratch| {
            let mut place = vec![0.0; d];
            for (r, x) in strip.x.chunks_exact_mut(d).take(strip.rows).enumerate() {
                copy_row(tokens, ids[strip.first + r] as usize, x);
                copy_row(positions, strip.first + r, &mut place);
                for (x, place) in x.iter_mut().zip(&place) {
                    *x += place;
                }
            }
            body.project(&shape, layers, attend, strip, scratch);
        });
        for i in 0..self.blocks.len() {
            cancel.check()?;
            for (strip, kv) in self.strips.iter_mut().zip(&mut self.blocks[i].kv).skip(first) {
                std::mem::swap(&mut strip.packed, kv);
            }
            let (block, next, norm) = (&self.blocks[i], self.blocks.get(i + 1), &self.norm);
            let head = self.head.scheme();
            self.threads.each(&mut self.strips[first..], |s, strip, scratch| {
                if cancel.is_cancelled() {
                    return;
                }
                let seen = &block.kv[..=first + s];
                body.finish(&shape, &block.layers, (&block.attend, &block.mlp), seen, strip, scratch);
                match next {
                    Some(next) => body.project(&shape, &next.layers, &next.attend, strip, scratch),
                    None => body.last(norm, head, strip, scratch),
                }
            });
        }
        cancel.check()
    }
}

impl Judge for FastGpt2 {
    fn spec(&self) -> &JudgeSpec {
        &self.spec
    }

    fn nll(&mut self, ids: &[u32], cancel: &Cancel) -> Result<Vec<f32>, ModelError> {
        check_judged(&self.spec, ids)?;
        let Some((&last, inputs)) = ids.split_last().filter(|(_, rest)| !rest.is_empty()) else {
            return Ok(Vec::new());
        };
        let same = self.seen.iter().zip(ids).take_while(|(a, b)| a == b).count();
        if same == ids.len() {
            return Ok(self.nll[..inputs.len()].to_vec());
        }
        // The score before the first id that differs is the first that does; its strip was whole, or is redone.
        let rows = self.strip_rows();
        let first = same.saturating_sub(1) / rows;
        self.seen.clear();
        let mut kept = std::mem::take(&mut self.nll);
        self.forward(inputs, first, cancel)?;

        kept.resize(inputs.len(), 0.0);
        let (kernels, head, vocab) = (&self.body.kernels, &self.head, self.spec.vocab);
        let mut parts: Vec<(&Strip, &mut [f32])> =
            self.strips[first..].iter().zip(kept[first * rows..].chunks_mut(rows)).collect();
        self.threads.each(&mut parts, |_, (strip, nll), scratch| {
            // Few rows at a time: their logits stay in cache.
            for start in (0..strip.rows).step_by(16) {
                let count = 16.min(strip.rows - start);
                let mut logits = std::mem::take(&mut scratch.logits);
                logits.grow(count * vocab);
                head.apply(kernels, &strip.last, (start, count), &mut scratch.work, &mut logits, vocab, Finish::Store);
                for r in 0..count {
                    let target = ids[strip.first + start + r + 1] as usize;
                    let logits = &logits[r * vocab..][..vocab];
                    let of_target = logits[target];
                    let peak = row::max(kernels.isa(), logits);
                    let sum = row::exp_sum(kernels.isa(), logits, peak);
                    nll[start + r] = (sum.ln() - f64::from(of_target - peak)) as f32;
                }
                scratch.logits = logits;
            }
        });
        if let Some(at) = kept.iter().position(|v| !v.is_finite()) {
            return Err(ModelError::Request(format!(
                "the judge {} gave a value that is not a number at position {}; its weights are damaged",
                self.spec.name,
                at + 1
            )));
        }
        self.seen.extend_from_slice(inputs);
        self.seen.push(last);
        self.nll.clone_from(&kept);
        Ok(kept)
    }
}
