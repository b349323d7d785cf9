//! What the screen asks of the engine.

use std::sync::Arc;

use crate::engine::RunId;
use crate::flow::RunConfig;

/// A request to the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin a run; whatever ran before is cancelled.
    Start(Start),
    /// Compute frames of the current run up to and including step `upto`. Ignored for any other run.
    Advance {
        /// The run meant.
        run: RunId,
        /// The last step wanted for now.
        upto: u32,
    },
    /// Score a text that is not scored by itself: a frame of an older run, or one that is no frame at all.
    Score(Ask),
    /// Stop computing; frames already sent stay valid.
    Cancel,
}

/// A text to score.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The run it belongs to.
    pub run: RunId,
    /// The step it belongs to.
    pub step: u32,
    /// Its ids.
    pub ids: Arc<[u32]>,
    /// Positions at the start that are given.
    pub prompt_len: usize,
    /// It is what the sampler would end with if it stopped at this step, not the frame itself.
    pub ghost: bool,
}

/// A run to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Its number.
    pub run: RunId,
    /// What makes it.
    pub config: RunConfig,
    /// Continue from the state `ids` after step `step` rather than from noise.
    pub from: Option<(u32, Vec<u32>)>,
    /// The last step wanted for now.
    pub upto: u32,
    /// Positions at the start that are given, not written: excluded from perplexity.
    pub prompt_len: usize,
}
