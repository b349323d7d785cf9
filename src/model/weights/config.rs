//! `config.json`: sizes and conventions of a network or a judge.

use std::path::Path;

use serde::Deserialize;

use super::store::{read_small, refuse};
use crate::model::{JudgeSpec, ModelError, ModelSpec, Source};

const LIMIT: u64 = 1 << 20;
/// Upper bounds that no real model reaches; they keep products of sizes far from overflow.
const MAX_SIZE: usize = 1 << 24;
const MAX_LENGTH: usize = 1 << 20;

#[derive(Deserialize)]
struct ModelConfig {
    model_type: Option<String>,
    name: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    n_blocks: usize,
    n_heads: usize,
    cond_dim: usize,
    #[serde(default = "mlp_ratio")]
    mlp_ratio: usize,
    #[serde(default = "length")]
    length: usize,
    source: Source,
    dt_conditioned: bool,
    #[serde(default)]
    least_dt: f64,
    #[serde(default)]
    scheduler: Scheduler,
    eos_token_id: Option<u32>,
}

#[derive(Deserialize)]
struct Scheduler {
    #[serde(rename = "type")]
    kind: String,
    exponent: f64,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self { kind: "polynomial".to_owned(), exponent: 1.0 }
    }
}

fn mlp_ratio() -> usize {
    4
}

fn length() -> usize {
    1024
}

/// Parses the `config.json` of a network; `path` names it in messages, `folder` names the model if it does not.
pub fn model(path: &Path, bytes: &[u8], folder: &str) -> Result<ModelSpec, ModelError> {
    let config: ModelConfig = parse(path, bytes, "fs_dfm")?;
    if config.model_type.as_deref().is_some_and(|kind| kind != "fs_dfm") {
        return Err(refuse(
            path,
            &format!("describes a {:?} model", config.model_type.unwrap_or_default()),
            "give a folder whose model_type is \"fs_dfm\"",
        ));
    }
    if config.scheduler.kind != "polynomial" {
        return Err(refuse(
            path,
            &format!("asks for a {:?} scheduler", config.scheduler.kind),
            "only \"polynomial\" is supported",
        ));
    }
    let spec = ModelSpec {
        name: config.name.unwrap_or_else(|| folder.to_owned()),
        hash: String::new(),
        vocab: config.vocab_size,
        hidden: config.hidden_size,
        blocks: config.n_blocks,
        heads: config.n_heads,
        cond: config.cond_dim,
        mlp_ratio: config.mlp_ratio,
        length: config.length,
        source: config.source,
        dt_conditioned: config.dt_conditioned,
        least_dt: config.least_dt,
        exponent: config.scheduler.exponent,
        eos: config.eos_token_id,
    };
    check_model(path, &spec)?;
    Ok(spec)
}

/// Refuses sizes no network can have.
pub fn check_model(path: &Path, spec: &ModelSpec) -> Result<(), ModelError> {
    let sizes = [
        ("vocab_size", spec.vocab, MAX_SIZE),
        ("hidden_size", spec.hidden, MAX_SIZE),
        ("n_blocks", spec.blocks, MAX_SIZE),
        ("n_heads", spec.heads, MAX_SIZE),
        ("cond_dim", spec.cond, MAX_SIZE),
        ("mlp_ratio", spec.mlp_ratio, 64),
        ("length", spec.length, MAX_LENGTH),
    ];
    check_sizes(path, &sizes)?;
    check_heads(path, spec.hidden, spec.heads)?;
    if !spec.head_dim().is_multiple_of(2) {
        let problem = format!("has heads of width {}, which rotary positions cannot split", spec.head_dim());
        return Err(refuse(path, &problem, "head width (hidden_size / n_heads) must be even"));
    }
    if !(0.0..=1.0).contains(&spec.least_dt) {
        let problem = format!("has a least_dt of {}", spec.least_dt);
        return Err(refuse(path, &problem, "least_dt is a step size from 0 to 1, or left out"));
    }
    if !(spec.exponent.is_finite() && spec.exponent > 0.0) {
        let problem = format!("has a scheduler exponent of {}", spec.exponent);
        return Err(refuse(path, &problem, "it must be a positive number"));
    }
    if let Some(eos) = spec.eos.filter(|&eos| eos as usize >= spec.vocab) {
        let problem = format!("has eos_token_id {eos} outside its vocabulary of {}", spec.vocab);
        return Err(refuse(path, &problem, "correct eos_token_id or vocab_size"));
    }
    Ok(())
}

#[derive(Deserialize)]
struct JudgeConfig {
    model_type: Option<String>,
    name: Option<String>,
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    activation_function: Option<String>,
    layer_norm_epsilon: Option<f32>,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
}

/// Parses the `config.json` of a judge in the Hugging Face GPT-2 layout.
pub fn judge(path: &Path, bytes: &[u8], folder: &str) -> Result<JudgeSpec, ModelError> {
    let config: JudgeConfig = parse(path, bytes, "gpt2")?;
    let fix = "give a GPT-2 folder, such as gpt2-large";
    if config.model_type.as_deref().is_some_and(|kind| kind != "gpt2") {
        let kind = config.model_type.unwrap_or_default();
        return Err(refuse(path, &format!("describes a {kind:?} model, which cannot judge"), fix));
    }
    // "gelu_new" and "gelu_pytorch_tanh" are the same function.
    let activation = config.activation_function.as_deref().unwrap_or("gelu_new");
    if !matches!(activation, "gelu_new" | "gelu_pytorch_tanh") || config.scale_attn_by_inverse_layer_idx {
        return Err(refuse(path, "asks for a variant of GPT-2 that is not supported", fix));
    }
    let spec = JudgeSpec {
        name: config.name.unwrap_or_else(|| folder.to_owned()),
        vocab: config.vocab_size,
        hidden: config.n_embd,
        blocks: config.n_layer,
        heads: config.n_head,
        length: config.n_positions,
        inner: config.n_inner.unwrap_or(config.n_embd.saturating_mul(4)),
        eps: config.layer_norm_epsilon.unwrap_or(1e-5),
    };
    let sizes = [
        ("vocab_size", spec.vocab, MAX_SIZE),
        ("n_embd", spec.hidden, MAX_SIZE),
        ("n_layer", spec.blocks, MAX_SIZE),
        ("n_head", spec.heads, MAX_SIZE),
        ("n_positions", spec.length, MAX_LENGTH),
        ("n_inner", spec.inner, MAX_SIZE),
    ];
    check_sizes(path, &sizes)?;
    check_heads(path, spec.hidden, spec.heads)?;
    if !(spec.eps.is_finite() && spec.eps > 0.0) {
        return Err(refuse(path, "has a layer_norm_epsilon that is not a positive number", "correct it"));
    }
    Ok(spec)
}

/// Reads a folder's `config.json`.
pub fn read(folder: &Path) -> Result<Vec<u8>, ModelError> {
    read_small(&folder.join("config.json"), LIMIT)
}

fn parse<'a, T: Deserialize<'a>>(path: &Path, bytes: &'a [u8], kind: &str) -> Result<T, ModelError> {
    serde_json::from_slice(bytes).map_err(|e| {
        refuse(path, &format!("is not the config of a {kind} model ({e})"), "docs/model-format.md lists the fields")
    })
}

fn check_sizes(path: &Path, sizes: &[(&str, usize, usize)]) -> Result<(), ModelError> {
    for &(name, value, most) in sizes {
        if value == 0 || value > most {
            return Err(refuse(path, &format!("has {name} {value}"), &format!("it must be 1 to {most}")));
        }
    }
    Ok(())
}

fn check_heads(path: &Path, hidden: usize, heads: usize) -> Result<(), ModelError> {
    if hidden.is_multiple_of(heads) {
        return Ok(());
    }
    let problem = format!("splits a hidden width of {hidden} into {heads} heads");
    Err(refuse(path, &problem, "the width must be a multiple of the heads"))
}
