//! One frame: the state after a step, and the numbers behind it.

use std::sync::Arc;

/// How many candidates are kept per position.
pub const TOP: usize = 5;

/// What the sampler knew about one position when it took a step (≤ 64 bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Detail {
    /// Entropy of the posterior, bits.
    pub entropy: f32,
    /// Probability of the token now shown.
    pub prob: f32,
    /// Probability of the token shown before the step, `p(z)`; the jump rules depend on the posterior through it alone.
    pub prob_before: f32,
    /// Probability that the position jumps in this step.
    pub jump_prob: f32,
    /// Rank of the token now shown among the candidates, 0 = most likely.
    pub rank: u32,
    /// Whether the position jumped (or was redrawn, at the last step).
    pub jumped: bool,
    /// The most likely tokens, best first; unused entries have probability 0.
    pub top: [(u32, f32); TOP],
}

/// The state after a step; frame 0 is the noise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Step index: 0 is the noise, `steps` the finished text.
    pub step: u32,
    /// Time after the step.
    pub t: f64,
    /// The step size taken; 0 for the noise.
    pub h: f64,
    /// Token ids.
    pub ids: Arc<[u32]>,
    /// Sorted positions whose id differs from the frame before.
    pub changed: Arc<[u32]>,
    /// Per position, where it was asked for.
    pub detail: Option<Arc<[Detail]>>,
    /// Sums over the editable positions, where `detail` was asked for.
    pub jumps: Option<Jumps>,
    /// Milliseconds of network, head and draw, without the judge; another program's trace may not tell.
    pub ms: Option<f64>,
}

/// Expected and actual jumps of a step, over the editable positions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Jumps {
    /// Expected under the cumulative-scalar rule.
    pub cumulative: f32,
    /// Expected under the plain Euler rule.
    pub euler: f32,
    /// Expected under the DFM Euler rule.
    pub dfm: f32,
    /// Positions that did jump.
    pub actual: u32,
    /// `κ_t` before the step.
    pub kappa: f32,
    /// `κ_{t+h}` after it.
    pub kappa_next: f32,
    /// The cumulative scalar `A = ln(1-κ_t) - ln(1-κ_{t+h})`.
    pub scalar: f32,
    /// Mean entropy of the posterior, bits.
    pub mean_entropy: f32,
}
