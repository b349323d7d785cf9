//! The FS-DFM network on the kernels.

use super::attention::{Form, KeyValues};
use super::block::{Body, Layers, Scratch, Strip, cut};
use super::condition::Condition;
use super::head::Head;
use super::isa::Isa;
use super::linear::{Linear, Scheme};
use super::parts::{Loader, copy_row, label, scheme};
use super::threads::Threads;
use super::tiles::Kernels;
use crate::model::weights::{Matrix, Progress, layout};
use crate::model::{
    Cancel, Checkpoint, Input, ModelError, ModelSpec, Network, Precision, check_input, check_rows, rotary,
};

/// An FS-DFM network on packed weights, for the CPU it is loaded on.
pub struct FastDit {
    spec: ModelSpec,
    body: Body,
    embed: Matrix,
    condition: Condition,
    layers: Vec<Layers>,
    head: Linear,
    scheme: Scheme,
    threads: Threads<Scratch>,
    strips: Vec<Strip>,
    /// Keys and values of the block being attended to, one a strip.
    kv: Vec<KeyValues>,
    logits: Head,
    /// Tokens of the last complete forward pass, 0 if there is none.
    tokens: usize,
}

impl FastDit {
    /// Reads and packs the weights for the best instructions of this CPU.
    pub fn load(
        checkpoint: &Checkpoint,
        precision: Precision,
        threads: usize,
        progress: Progress<'_>,
    ) -> Result<Self, ModelError> {
        Self::load_for(Isa::best(), checkpoint, precision, threads, progress)
    }

    /// Reads and packs the weights for given instructions.
    pub fn load_for(
        isa: Isa,
        checkpoint: &Checkpoint,
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
        checkpoint: &Checkpoint,
        scheme: Scheme,
        threads: usize,
        progress: Progress<'_>,
    ) -> Result<Self, ModelError> {
        let spec = checkpoint.spec.clone();
        let total = layout::model(&spec).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let load = Loader::new(&*checkpoint.tensors, &kernels, scheme, total, progress);
        let (d, mlp, rows) = (spec.hidden, spec.hidden * spec.mlp_ratio, spec.rows());
        let embed = load.matrix("vocab_embed.weight", rows, d)?;
        let condition = Condition::load(&load, &spec)?;
        let layers = (0..spec.blocks)
            .map(|i| {
                let name = |part: &str| format!("blocks.{i}.{part}");
                Ok(Layers {
                    qkv: load.stacked(&[name("qw"), name("kw"), name("vw")], d, d)?,
                    out: load.stacked(&[name("attn_out")], d, d)?,
                    up: load.linear(&name("mlp.0"), d, mlp)?,
                    down: load.linear(&name("mlp.2"), mlp, d)?,
                })
            })
            .collect::<Result<_, ModelError>>()?;
        let head = load.matrix("output_layer.linear.weight", rows, d)?;
        let bias = load.vector("output_layer.linear.bias", rows)?;
        let head = load.pack(load.head(), d, &[(&head).into()], bias);
        let (cos, sin) = rotary::tables(spec.length, spec.head_dim());
        let body = Body {
            hidden: d,
            heads: spec.heads,
            eps: 1e-5,
            form: match scheme {
                Scheme::F32 => Form::F32,
                Scheme::Int8Byte => Form::Byte,
                _ => Form::I16,
            },
            causal: false,
            cos,
            sin,
            kernels,
        };
        Ok(Self {
            spec,
            body,
            embed,
            condition,
            layers,
            head,
            scheme,
            threads: Threads::new(threads)?,
            strips: Vec::new(),
            kv: Vec::new(),
            logits: Head::default(),
            tokens: 0,
        })
    }

    /// Exchanges what strips have packed with what is attended to.
    fn swap(&mut self) {
        for (strip, kv) in self.strips.iter_mut().zip(&mut self.kv) {
            std::mem::swap(&mut strip.packed, kv);
        }
    }
}

impl Network for FastDit {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn precision(&self) -> String {
        label(self.scheme, self.body.kernels.isa())
    }

    fn forward(&mut self, input: Input<'_>, cancel: &Cancel) -> Result<(), ModelError> {
        check_input(&self.spec, input.ids)?;
        self.tokens = 0;
        let (tokens, d) = (input.ids.len(), self.spec.hidden);
        let strip_rows = self.body.strip_rows(tokens);
        let shape = self.body.shape(strip_rows);
        self.condition.evaluate(&self.body.kernels, &self.threads, input.t, input.dt);
        cut(&mut self.strips, tokens, strip_rows, d);
        self.kv.resize_with(self.strips.len(), KeyValues::default);

        let (body, condition, embed) = (&self.body, &self.condition, &self.embed);
        let first = &self.layers[0];
        self.threads.each(&mut self.strips, |_, strip, scratch| {
            let ids = &input.ids[strip.first..strip.first + strip.rows];
            for (&id, x) in ids.iter().zip(strip.x.chunks_exact_mut(d)) {
                copy_row(embed, id as usize, x);
            }
            body.project(&shape, first, condition.block(0).0, strip, scratch);
        });
        for i in 0..self.layers.len() {
            cancel.check()?;
            self.swap();
            let (body, condition, kv) = (&self.body, &self.condition, &self.kv[..]);
            let (layers, next, head) = (&self.layers[i], self.layers.get(i + 1), self.head.scheme());
            self.threads.each(&mut self.strips, |_, strip, scratch| {
                // A block of a large network takes longer than a key press may.
                if cancel.is_cancelled() {
                    return;
                }
                body.finish(&shape, layers, condition.block(i), kv, strip, scratch);
                match next {
                    Some(next) => body.project(&shape, next, condition.block(i + 1).0, strip, scratch),
                    None => body.last(condition.last(), head, strip, scratch),
                }
            });
        }
        cancel.check()?;
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
        let strip_rows = self.body.strip_rows(self.tokens);
        let most = Head::block_rows(self.threads.count());
        for (i, chunk) in rows.chunks(most).enumerate() {
            cancel.check()?;
            let kernels = &self.body.kernels;
            let block = self.logits.block(kernels, &self.threads, &self.head, &self.strips, strip_rows, chunk);
            let block = block.map_err(|position| ModelError::NotFinite {
                position: position as usize,
                precision: label(self.scheme, self.body.kernels.isa()),
            })?;
            sink(i * most, block);
        }
        Ok(())
    }
}
