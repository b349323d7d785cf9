//! Which tensors a network has, and the check that a file holds exactly those.

use std::collections::HashSet;

use super::{Dtype, Tensors, decode};
use crate::model::{JudgeSpec, ModelError, ModelSpec};

/// Values of the sinusoids that time and step size are turned into.
pub const SINUSOIDS: usize = 256;

/// The rotary frequencies: a buffer that some files carry, recomputed here.
pub const ROTARY: &str = "rotary_emb.inv_freq";

const FIX: &str = "check that config.json and the weights belong together";

/// A tensor's full name and shape.
pub type Slot = (String, Vec<usize>);

/// Every tensor of an FS-DFM network of these sizes.
pub fn model(spec: &ModelSpec) -> Vec<Slot> {
    let (d, c, rows) = (spec.hidden, spec.cond, spec.rows());
    let mlp = d * spec.mlp_ratio;
    let mut slots = Slots::default();
    slots.weight("vocab_embed", &[rows, d]);
    slots.linear("time_embedding.mlp.0", SINUSOIDS, c);
    slots.linear("time_embedding.mlp.2", c, c);
    if spec.dt_conditioned {
        slots.linear("dt_embedding.mlp.0", SINUSOIDS, c);
        slots.linear("dt_embedding.mlp.2", c, c);
        slots.linear("time_condition_fuser", 2 * c, 2 * c);
    }
    for i in 0..spec.blocks {
        let name = |part: &str| format!("blocks.{i}.{part}");
        slots.weight(&name("norm1"), &[d]);
        for part in ["qw", "kw", "vw", "attn_out"] {
            slots.weight(&name(part), &[d, d]);
        }
        slots.weight(&name("norm2"), &[d]);
        slots.linear(&name("mlp.0"), d, mlp);
        slots.linear(&name("mlp.2"), mlp, d);
        if spec.dt_conditioned {
            slots.linear(&name("condition_fuser"), 2 * c, c);
        }
        slots.linear(&name("adaLN_modulation"), c, 6 * d);
    }
    slots.weight("output_layer.norm_final", &[d]);
    slots.linear("output_layer.linear", d, rows);
    if spec.dt_conditioned {
        slots.linear("output_layer.condition_fuser", 2 * c, c);
    }
    slots.linear("output_layer.adaLN_modulation", c, 2 * d);
    slots.0
}

/// Every tensor of a GPT-2 judge of these sizes, matrices `(out, in)`; a separate head is not among them.
pub fn judge(spec: &JudgeSpec) -> Vec<Slot> {
    let d = spec.hidden;
    let mut slots = Slots::default();
    slots.weight("wte", &[spec.vocab, d]);
    slots.weight("wpe", &[spec.length, d]);
    for i in 0..spec.blocks {
        let name = |part: &str| format!("h.{i}.{part}");
        slots.norm(&name("ln_1"), d);
        slots.linear(&name("attn.c_attn"), d, 3 * d);
        slots.linear(&name("attn.c_proj"), d, d);
        slots.norm(&name("ln_2"), d);
        slots.linear(&name("mlp.c_fc"), d, spec.inner);
        slots.linear(&name("mlp.c_proj"), spec.inner, d);
    }
    slots.norm("ln_f", d);
    slots.0
}

#[derive(Default)]
struct Slots(Vec<Slot>);

impl Slots {
    fn weight(&mut self, name: &str, shape: &[usize]) {
        self.0.push((format!("{name}.weight"), shape.to_vec()));
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) {
        self.weight(name, &[outputs, inputs]);
        self.0.push((format!("{name}.bias"), vec![outputs]));
    }

    fn norm(&mut self, name: &str, width: usize) {
        self.weight(name, &[width]);
        self.0.push((format!("{name}.bias"), vec![width]));
    }
}

/// Refuses tensors unless they hold `expected`, with the scales of int8 matrices, and nothing else but `optional`.
pub fn check(tensors: &dyn Tensors, expected: &[Slot], optional: &[Slot]) -> Result<(), ModelError> {
    let mut known = HashSet::new();
    let present = optional.iter().filter(|(name, _)| tensors.shape(name).is_some());
    for (name, shape) in expected.iter().chain(present) {
        let Some(found) = tensors.shape(name) else {
            return Err(tensors.error(format!("tensor {name} is missing"), FIX));
        };
        if found != *shape {
            return Err(tensors.error(format!("tensor {name} has shape {found:?}, expected {shape:?}"), FIX));
        }
        known.insert(name.clone());
        if tensors.dtype(name) == Some(Dtype::I8) {
            check_int8(tensors, name, shape)?;
            known.insert(decode::scale_name(name));
        }
    }
    let mut extra: Vec<String> = tensors.names().into_iter().filter(|n| !known.contains(n)).collect();
    extra.sort_unstable();
    match extra.first() {
        None => Ok(()),
        Some(name) => {
            Err(tensors
                .error(format!("holds {} tensors that the model does not have, such as {name}", extra.len()), FIX))
        }
    }
}

fn check_int8(tensors: &dyn Tensors, name: &str, shape: &[usize]) -> Result<(), ModelError> {
    let fix = "docs/model-format.md describes int8 weights";
    let &[outputs, _] = shape else {
        return Err(tensors.error(format!("tensor {name} is int8, which only matrices may be"), fix));
    };
    let scale = decode::scale_name(name);
    let good = tensors.shape(&scale).is_some_and(|s| s == [outputs]);
    if good && tensors.dtype(&scale) != Some(Dtype::I8) {
        return Ok(());
    }
    Err(tensors.error(format!("tensor {name} is int8 but {scale} does not hold {outputs} scales"), fix))
}

/// Refuses a number of blocks that the names do not show, before a list of that many is made.
pub fn check_blocks(tensors: &dyn Tensors, prefix: &str, blocks: usize) -> Result<(), ModelError> {
    let found = count_blocks(&tensors.names(), prefix);
    if found == blocks {
        return Ok(());
    }
    Err(tensors.error(format!("holds {found} blocks, config.json says {blocks}"), FIX))
}

/// How many different numbers follow `prefix` in tensor names such as `blocks.3.qw.weight`.
pub fn count_blocks(names: &[String], prefix: &str) -> usize {
    let number = |name: &String| name.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
    names.iter().filter_map(number).collect::<HashSet<_>>().len()
}
