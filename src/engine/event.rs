//! What the engine tells the screen.

use std::sync::Arc;

use crate::engine::RunId;
use crate::trace::Frame;

/// Which of the two models an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The network that writes.
    Model,
    /// The judge that scores.
    Judge,
}

/// News from the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A load has progressed to `fraction` (0 to 1).
    Loading {
        /// What is being loaded.
        part: Part,
        /// How much of it is done.
        fraction: f32,
    },
    /// A model is ready.
    Ready {
        /// Which.
        part: Part,
        /// The arithmetic in use, e.g. `int8-avx2`.
        precision: String,
        /// Milliseconds the load took.
        ms: f64,
    },
    /// A frame was computed. Frame 0 is sent as soon as a run starts, before any weight is read.
    Frame {
        /// The run it belongs to.
        run: RunId,
        /// The frame.
        frame: Frame,
    },
    /// A frame was scored.
    Score {
        /// The run it belongs to.
        run: RunId,
        /// The step scored.
        step: u32,
        /// Perplexity over the written positions; `None` where it is undefined.
        perplexity: Option<f64>,
        /// Negative log-likelihood of positions 1…, in nats.
        nll: Arc<[f32]>,
    },
    /// What a run would end with if it stopped at a step was scored.
    GhostScore {
        /// The run it belongs to.
        run: RunId,
        /// The step scored.
        step: u32,
        /// Perplexity over the written positions; `None` where it is undefined.
        perplexity: Option<f64>,
    },
    /// Something failed; what was computed before stays valid.
    Failed {
        /// The run concerned, `None` if none will work (a model that cannot be loaded).
        run: Option<RunId>,
        /// The part concerned.
        part: Part,
        /// What happened, in one line.
        message: String,
    },
}
