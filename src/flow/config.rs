//! What makes a run: everything that, with a model, determines every frame.

use serde::{Deserialize, Serialize};

/// The rule that turns a posterior into one step (paper §4, and the discrete-flow baseline).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SolverKind {
    /// The paper's rule: the rate integrated over the step.
    #[default]
    CumulativeScalar,
    /// Plain Euler, what the paper compares with.
    Euler,
    /// The discrete-flow-matching baseline: draw `x_1`, then jump to it or stay.
    DfmEuler,
}

impl SolverKind {
    /// All solvers, in the order a key cycles through them.
    pub const ALL: [Self; 3] = [Self::CumulativeScalar, Self::Euler, Self::DfmEuler];

    /// Name in flags and traces.
    pub fn flag(self) -> &'static str {
        match self {
            Self::CumulativeScalar => "cumulative-scalar",
            Self::Euler => "euler",
            Self::DfmEuler => "dfm-euler",
        }
    }

    /// Name on screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::CumulativeScalar => "cumulative scalar",
            Self::Euler => "euler",
            Self::DfmEuler => "dfm euler",
        }
    }
}

/// A run to be made: with the model's weights, it determines every frame.
#[derive(Clone, Debug, PartialEq)]
pub struct RunConfig {
    /// Seed of all noise.
    pub seed: u64,
    /// Length of the sequence.
    pub tokens: usize,
    /// Times `t_0 = 0 < t_1 < … < t_N = 1`; the budget is one less than their number.
    pub grid: Vec<f64>,
    /// Step sizes told to the network, one a step; `None`: the step about to be taken, but at least the model's `least_dt`.
    pub told_dt: Option<Vec<f64>>,
    /// The jump rule.
    pub solver: SolverKind,
    /// Exponent `n` of `κ_t = t^n`.
    pub exponent: f64,
    /// Softmax temperature; 1 is the paper's rule.
    pub temperature: f64,
    /// Nucleus mass kept; 1 keeps everything, the paper's rule.
    pub top_p: f64,
    /// Frozen positions with their ids, sorted by position: a prompt, or infill.
    pub frozen: Vec<(u32, u32)>,
    /// Weight of the divergence-free corrector term (`dfm-euler` only).
    pub eta: f64,
    /// Plain Euler on a mask source: only the most certain of the positions that would jump do.
    pub controlled_unmasking: bool,
    /// Mask source: tokens may change after they were unmasked.
    pub unmask_change: bool,
    /// Mask source: only positions still masked may jump under the solvers that would otherwise move any.
    pub only_masked: bool,
    /// Salts by step (`salts[step - 1]`), 0 where the list ends: a re-rolled step has another salt.
    pub salts: Vec<u64>,
}

impl RunConfig {
    /// A run of `steps` uniform steps, everything else as in the paper.
    pub fn new(seed: u64, tokens: usize, steps: usize) -> Self {
        Self {
            seed,
            tokens,
            grid: uniform_grid(steps),
            told_dt: None,
            solver: SolverKind::default(),
            exponent: 1.0,
            temperature: 1.0,
            top_p: 1.0,
            frozen: Vec::new(),
            eta: 0.0,
            controlled_unmasking: false,
            unmask_change: false,
            only_masked: false,
            salts: Vec::new(),
        }
    }

    /// Length of the prompt in tokens: the positions frozen from the start on. Text frozen further on, as in infill, is
    /// not part of it.
    pub fn prompt_len(&self) -> usize {
        self.frozen.iter().zip(0..).take_while(|((position, _), i)| position == i).count()
    }

    /// The budget: how many steps the run takes (NFE).
    pub fn steps(&self) -> usize {
        self.grid.len().saturating_sub(1)
    }
}

/// `steps` equal steps: `t_i = i / steps`.
pub fn uniform_grid(steps: usize) -> Vec<f64> {
    (0..=steps).map(|i| i as f64 / steps.max(1) as f64).collect()
}
