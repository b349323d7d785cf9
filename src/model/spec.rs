//! Sizes of a network and of a judge.

use serde::{Deserialize, Serialize};

/// Where noise comes from (paper §3): the source distribution of `x_0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Every id of the vocabulary equally likely.
    Uniform,
    /// The mask id, one past the vocabulary.
    Mask,
}

/// Sizes and conventions of an FS-DFM network.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// Name shown to users, e.g. `stories-33M`.
    pub name: String,
    /// Hex digest of the tensors' content; empty until somebody asks [`super::Checkpoint::hash`] for it.
    pub hash: String,
    /// Ids of the vocabulary, without the mask id.
    pub vocab: usize,
    /// Hidden width `d`.
    pub hidden: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the condition vector.
    pub cond: usize,
    /// Width of the MLP over the hidden width.
    pub mlp_ratio: usize,
    /// Longest sequence.
    pub length: usize,
    /// Source distribution.
    pub source: Source,
    /// Whether the network is told the step size (the FS-DFM student).
    pub dt_conditioned: bool,
    /// The least step size it is told: smaller steps are told this one. 0: every step is told its own size.
    pub least_dt: f64,
    /// Exponent `n` of the schedule `κ_t = t^n` the network was trained with.
    pub exponent: f64,
    /// End-of-text id, if the vocabulary has one.
    pub eos: Option<u32>,
}

impl ModelSpec {
    /// Rows of the embedding and of the head: the vocabulary, and the mask id for a mask source.
    pub fn rows(&self) -> usize {
        self.vocab + usize::from(self.source == Source::Mask)
    }

    /// The mask id, for a mask source.
    pub fn mask_id(&self) -> Option<u32> {
        (self.source == Source::Mask).then_some(self.vocab as u32)
    }

    /// Width of one attention head.
    pub fn head_dim(&self) -> usize {
        self.hidden / self.heads
    }
}

/// Sizes of a GPT-2 judge (Hugging Face layout).
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeSpec {
    /// Name shown to users.
    pub name: String,
    /// Vocabulary.
    pub vocab: usize,
    /// Hidden width.
    pub hidden: usize,
    /// Blocks.
    pub blocks: usize,
    /// Attention heads.
    pub heads: usize,
    /// Longest sequence.
    pub length: usize,
    /// Width of the MLP.
    pub inner: usize,
    /// Epsilon of the layer norms.
    pub eps: f32,
}
