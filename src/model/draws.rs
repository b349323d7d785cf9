//! Draws where the logits are: what a network on a GPU is asked, so that no logits need to travel.

/// How many of the most likely ids an answer names.
pub const CANDIDATES: usize = 5;

/// A step's decisions over some positions of the last [`super::Network::forward`].
#[derive(Clone, Debug)]
pub struct Draws<'a> {
    /// The positions, ascending.
    pub rows: &'a [u32],
    /// One entry a position.
    pub asks: Vec<Ask>,
    /// Softmax temperature.
    pub temperature: f64,
    /// An id that gets no mass.
    pub banned: Option<u32>,
    /// How positions move.
    pub rule: DrawRule,
    /// The plain Euler rule's least probability of an id in this step; the answers tell of it whatever the rule.
    pub floor: f64,
}

/// The rules that a network can follow by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DrawRule {
    /// A jump with probability `1 - exp(-scalar (1 - p(z)))`, to anything but `z`.
    CumulativeScalar {
        /// The cumulative scalar.
        scalar: f64,
    },
    /// A jump with probability `1 - exp(-Σ max(p, floor))`, `p(z)` replaced by the floor; to any id by those weights.
    Euler,
    /// A draw from the whole posterior.
    Redraw,
}

/// What decides over one position.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Ask {
    /// A uniform: whether it jumps.
    pub jump: f64,
    /// A uniform: where to.
    pub destination: f64,
    /// The id it holds, `z`.
    pub now: u32,
    /// 1 if it may move, else 0.
    pub may_move: u32,
}

/// One position's posterior in numbers, and what became of it. Weights are `e^((l - max)/τ)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Drawn {
    /// Sum of all weights.
    pub total: f64,
    /// `Σ w ln w`.
    pub weighted_log: f64,
    /// Sum of the weights of all ids but `z`.
    pub others: f64,
    /// `Σ max(w, floor)`, the weight of `z` replaced by the floor.
    pub floored: f64,
    /// The weight of `z`.
    pub weight_before: f32,
    /// The weight of the id it holds now.
    pub weight_now: f32,
    /// The largest weights.
    pub top_weights: [f32; CANDIDATES],
    /// Their ids.
    pub top: [u32; CANDIDATES],
    /// Where it went; `u32::MAX` if it stayed.
    pub destination: u32,
    /// Rank of the id it holds now.
    pub rank: u32,
    /// 1 if all its logits are numbers, else 0, and then nothing else counts.
    pub finite: u32,
}
