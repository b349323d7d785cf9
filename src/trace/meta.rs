//! What made a run, and the model behind it.

use std::sync::Arc;

use crate::flow::RunConfig;
use crate::model::{ModelSpec, Source};

/// The model a run was made with, as traces name it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelMeta {
    /// Name shown to users.
    pub name: String,
    /// Hex digest of the tensors' content; empty where another program made the trace.
    pub hash: String,
    /// Ids of the vocabulary, without the mask id; 0 where it is not known.
    pub vocab_size: usize,
    /// Source distribution.
    pub source: Source,
    /// End-of-text id.
    pub eos: Option<u32>,
    /// Mask id.
    pub mask: Option<u32>,
}

impl Default for ModelMeta {
    fn default() -> Self {
        Self { name: String::new(), hash: String::new(), vocab_size: 0, source: Source::Uniform, eos: None, mask: None }
    }
}

impl From<&ModelSpec> for ModelMeta {
    fn from(spec: &ModelSpec) -> Self {
        Self {
            name: spec.name.clone(),
            hash: spec.hash.clone(),
            vocab_size: spec.vocab,
            source: spec.source,
            eos: spec.eos,
            mask: spec.mask_id(),
        }
    }
}

/// Where a branch left its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The parent's run number.
    pub run: u32,
    /// The last step the two share; the state after it may have been edited.
    pub step: u32,
}

/// What made a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunMeta {
    /// Number of the run, unique within a trace.
    pub run: u32,
    /// Everything that, with the model, determines its frames.
    pub config: RunConfig,
    /// Whether the configuration's seed is the run's: another program's trace may not tell.
    pub seeded: bool,
    /// The run it branched off.
    pub parent: Option<Parent>,
    /// The model.
    pub model: Arc<ModelMeta>,
    /// Name of a sampler that is none of ours, as another program's trace gives it.
    pub sampler: Option<String>,
}

impl RunMeta {
    /// A run of our own from noise.
    pub fn new(run: u32, config: RunConfig, model: Arc<ModelMeta>) -> Self {
        Self { run, config, seeded: true, parent: None, model, sampler: None }
    }

    /// Its seed, where that is known.
    pub fn seed(&self) -> Option<u64> {
        self.seeded.then_some(self.config.seed)
    }

    /// Name of the jump rule on screen.
    pub fn solver_label(&self) -> &str {
        self.sampler.as_deref().unwrap_or_else(|| self.config.solver.label())
    }
}
