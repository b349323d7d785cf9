//! Networks that predict the posterior, and judges that score text.
//!
//! Everything above this module speaks to a [`Network`] or a [`Judge`]; which weights, precision or device stand
//! behind it is decided when it is loaded.

pub mod bundled;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod draws;
pub mod fake;
pub mod gpt2;
pub mod kernels;
pub mod load;
pub mod net;
mod ops;
pub mod rotary;
pub mod spec;
pub mod synthetic;
pub mod weights;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use draws::{Ask, DrawRule, Drawn, Draws};
pub use load::{Place, Precision, judge, network};
pub use spec::{JudgeSpec, ModelSpec, Source};
pub use weights::{Checkpoint, Entry, JudgeCheckpoint, ModelPlace, OpenOptions, open_judge, open_model};

/// A shared flag that asks a running computation to stop at its next check.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every holder of this flag to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// [`ModelError::Cancelled`] once the flag is raised.
    pub fn check(&self) -> Result<(), ModelError> {
        if self.is_cancelled() { Err(ModelError::Cancelled) } else { Ok(()) }
    }
}

/// What the network is asked about one sequence.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The state `x_t`: token ids, each below [`ModelSpec::rows`].
    pub ids: &'a [u32],
    /// Time in `[0, 1]`.
    pub t: f32,
    /// The step size told to the network; networks without step-size conditioning ignore it.
    pub dt: f32,
}

/// A network `p_{1|t}`: token ids and times in, logits of the posterior out.
///
/// A step is two calls, so that rows whose logits nobody needs cost no head: [`Network::forward`] runs the body,
/// then [`Network::logits`] the head for the rows asked for.
pub trait Network: Send {
    /// Sizes and source of the network.
    fn spec(&self) -> &ModelSpec;

    /// The arithmetic in use, as shown to users and written to traces: `f32`, `bf16`, `int8`, with the CPU path where
    /// it matters, e.g. `int8-avx2`.
    fn precision(&self) -> String;

    /// Runs the body on one sequence and keeps its hidden states for [`Network::logits`].
    ///
    /// `cancel` is checked at least once a block.
    fn forward(&mut self, input: Input<'_>, cancel: &Cancel) -> Result<(), ModelError>;

    /// Computes the logits of the positions `rows` (ascending) of the last [`Network::forward`].
    ///
    /// `sink(first, block)` is called in order with a few rows at a time, while they are still in cache: `block` holds
    /// the logits of `rows[first..]`, [`ModelSpec::rows`] values each, and may be overwritten.
    fn logits(
        &mut self,
        rows: &[u32],
        cancel: &Cancel,
        sink: &mut dyn FnMut(usize, &mut [f32]),
    ) -> Result<(), ModelError>;

    /// Decides over positions of the last [`Network::forward`] where their logits are, if this network can do that
    /// better than its caller can with [`Network::logits`]: one answer a position.
    fn draw(&mut self, _draws: &Draws<'_>, _cancel: &Cancel) -> Result<Option<Vec<Drawn>>, ModelError> {
        Ok(None)
    }
}

/// An autoregressive model that scores text.
pub trait Judge: Send {
    /// Sizes of the judge.
    fn spec(&self) -> &JudgeSpec;

    /// Negative log-likelihood in nats of `ids[i + 1]` given `ids[..=i]`: `ids.len() - 1` values (none for fewer than
    /// two ids).
    fn nll(&mut self, ids: &[u32], cancel: &Cancel) -> Result<Vec<f32>, ModelError>;
}

/// What can go wrong while loading or running a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file that cannot be used: which, why and what to do about it.
    #[error("{}: {problem}; {fix}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What the user can do.
        fix: String,
    },
    /// A request the loaded model cannot serve, such as a sequence that is too long.
    #[error("{0}")]
    Request(String),
    /// The network gave a logit that is not a number.
    #[error(
        "the model gave a logit that is not a number at position {position}; its weights are damaged, or {precision} is too coarse for them (try --precision f32)"
    )]
    NotFinite {
        /// The first position concerned.
        position: usize,
        /// The precision in use.
        precision: String,
    },
    /// An error of the tensor library.
    #[error("tensor library: {0}")]
    Candle(#[from] candle_core::Error),
    /// The computation was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// Refuses a sequence a network cannot take.
pub(crate) fn check_input(spec: &ModelSpec, ids: &[u32]) -> Result<(), ModelError> {
    if ids.is_empty() || ids.len() > spec.length {
        return Err(ModelError::Request(format!(
            "a sequence of {} tokens; the model {} takes 1 to {}",
            ids.len(),
            spec.name,
            spec.length
        )));
    }
    check_ids(ids, spec.rows(), &spec.name)
}

/// Refuses rows of logits that the last forward pass over `tokens` positions does not have; 0: there was none.
pub(crate) fn check_rows(tokens: usize, rows: &[u32]) -> Result<(), ModelError> {
    if tokens == 0 {
        return Err(ModelError::Request("logits before forward".to_owned()));
    }
    if rows.iter().any(|&row| row as usize >= tokens) {
        return Err(ModelError::Request("logits of a position outside of the sequence".to_owned()));
    }
    Ok(())
}

/// Refuses a sequence a judge cannot score.
pub(crate) fn check_judged(spec: &JudgeSpec, ids: &[u32]) -> Result<(), ModelError> {
    // The last id is only ever predicted, so it needs no position of its own.
    if ids.len() > spec.length + 1 {
        return Err(ModelError::Request(format!(
            "a text of {} tokens; the judge {} reads at most {}",
            ids.len(),
            spec.name,
            spec.length + 1
        )));
    }
    check_ids(ids, spec.vocab, &spec.name)
}

fn check_ids(ids: &[u32], rows: usize, name: &str) -> Result<(), ModelError> {
    match ids.iter().find(|&&id| id as usize >= rows) {
        None => Ok(()),
        Some(id) => Err(ModelError::Request(format!("token id {id} is outside of {name}'s vocabulary of {rows}"))),
    }
}

/// The first of the rows of `width` logits in `block` that holds one that is not a finite number.
pub(crate) fn first_not_finite(block: &[f32], width: usize) -> Option<usize> {
    block.iter().position(|v| !v.is_finite()).map(|at| at / width)
}
