//! The jump rules: from the posterior at one position to whether it jumps, and where to.
//!
//! A [`Rule`] holds what all positions of one step share. None of its functions draws a random number itself: they
//! take uniforms, so that the tests can hold every probability and destination to the paper's.

use super::config::{RunConfig, SolverKind};
use super::row::Row;
use super::schedule::Schedule;
use super::weights::Weights;
use crate::model::ModelSpec;

/// Every rate of the plain Euler rule is at least this.
pub const RATE_FLOOR: f64 = 1e-9;

/// The largest mean of the plain Euler rule's Poisson draw.
pub const POISSON_CAP: f64 = 50.0;

/// Slack on [`Rule::ceiling`], far above the rounding of one exponential and far below any probability that matters.
const CEILING_SLACK: f64 = 1e-12;

/// What all positions of one step share.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    kind: SolverKind,
    rows: usize,
    vocab: usize,
    mask: Option<u32>,
    only_masked: bool,
    unmask_change: bool,
    /// The step size.
    pub h: f64,
    /// `κ_t`.
    pub kappa: f64,
    /// `κ_{t+h}`.
    pub kappa_next: f64,
    /// The cumulative scalar `A`.
    pub scalar: f64,
    /// `h κ'_t/(1-κ_t)`: the DFM rule's mean number of jumps to a differing `x_1`.
    forward: f64,
    /// `h η κ'_t/(κ_t(1-κ_t))`: the weight of its divergence-free term.
    corrector: f64,
}

/// The three uniforms that decide over one position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uniforms {
    /// Decides whether it jumps.
    pub jump: f64,
    /// Decides where to.
    pub destination: f64,
    /// Decides the data token `x_1` of the DFM rule.
    pub data: f64,
}

/// Where the DFM rule goes once `x_1` is drawn, as weights on `x_1` and on the source distribution without `z`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Corrected {
    on_data: f64,
    on_source: f64,
}

impl Rule {
    /// The rule of the step of `h` from time `t`.
    pub fn new(spec: &ModelSpec, cfg: &RunConfig, t: f64, h: f64) -> Self {
        let schedule = Schedule { exponent: cfg.exponent };
        let kappa = schedule.kappa(t);
        let forward = h * schedule.kappa_prime(t) / (1.0 - kappa);
        Self {
            kind: cfg.solver,
            rows: spec.rows(),
            vocab: spec.vocab,
            mask: spec.mask_id(),
            only_masked: cfg.only_masked,
            unmask_change: cfg.unmask_change,
            h,
            kappa,
            kappa_next: schedule.kappa(t + h),
            scalar: schedule.cumulative_scalar(t, h),
            forward,
            // The term has no meaning at κ = 0, where nothing has been unmasked that could be corrected.
            corrector: if cfg.eta > 0.0 && kappa > 0.0 { cfg.eta * forward / kappa } else { 0.0 },
        }
    }

    /// Whether rule `kind` may move a position that holds `z` at all.
    pub fn may_move(&self, kind: SolverKind, z: u32) -> bool {
        if self.mask.is_none() || self.mask == Some(z) {
            return true;
        }
        match kind {
            SolverKind::Euler => self.unmask_change,
            SolverKind::CumulativeScalar | SolverKind::DfmEuler => !self.only_masked,
        }
    }

    /// Whether the last step redraws a position that holds `z`.
    pub fn redraws(&self, z: u32) -> bool {
        self.mask.is_none() || self.mask == Some(z) || self.unmask_change
    }

    /// An upper bound of the jump probability at `z`, whatever the posterior is.
    ///
    /// A row whose uniform is not below it cannot jump, so its logits need not be computed.
    /// * cumulative scalar: `1 - exp(-A)`, as `1 - p(z) ≤ 1`;
    /// * plain Euler: `hλ ≤ Σ_{x≠z} p(x) + h·rows·1e-9`, hence `1 - exp(-(1 + h·rows·1e-9))`;
    /// * DFM: the probability for `x_1 ≠ z`, which is at least that for `x_1 = z`.
    pub fn ceiling(&self, z: u32) -> f64 {
        let mean = match self.kind {
            SolverKind::CumulativeScalar => self.scalar,
            SolverKind::Euler => 1.0 + self.h * self.rows as f64 * RATE_FLOOR,
            SolverKind::DfmEuler => self.corrected(z, true).mean(),
        };
        jump_probability(mean) + CEILING_SLACK
    }

    /// The probability that rule `kind` moves a position that holds `z`.
    pub fn jump_prob(&self, kind: SolverKind, row: &Row<'_>, z: u32) -> f64 {
        self.jump_prob_by(kind, z, || row.prob_of_others(z), || self.euler_mean(row, z))
    }

    /// The same from two numbers of the posterior: `1 - p(z)`, and what [`Rule::euler_mean`] gives.
    pub fn jump_prob_by(
        &self,
        kind: SolverKind,
        z: u32,
        away: impl FnOnce() -> f64,
        euler_mean: impl FnOnce() -> f64,
    ) -> f64 {
        if !self.may_move(kind, z) {
            return 0.0;
        }
        match kind {
            SolverKind::CumulativeScalar => jump_probability(self.scalar * away()),
            SolverKind::Euler => euler_jump_probability(euler_mean()),
            SolverKind::DfmEuler => {
                let away = away();
                away * self.dfm_jump_prob(z, true) + (1.0 - away) * self.dfm_jump_prob(z, false)
            }
        }
    }

    /// The probability that the DFM rule jumps once it has drawn an `x_1` that differs from `z`, or equals it.
    pub fn dfm_jump_prob(&self, z: u32, differs: bool) -> f64 {
        jump_probability(self.corrected(z, differs).mean())
    }

    /// `hλ` of the plain Euler rule, before the cap.
    pub fn euler_mean(&self, row: &Row<'_>, z: u32) -> f64 {
        row.floored(z, RATE_FLOOR * self.h).total() / row.total()
    }

    /// How sure the plain Euler rule is of a jump: the largest share `u(x)/λ` of one token.
    pub fn certainty(&self, row: &Row<'_>, z: u32) -> f64 {
        row.best_of_others(z).max(RATE_FLOOR * self.h) / self.euler_mean(row, z)
    }

    /// Where a position that holds `z` jumps to; `None` if it stays.
    pub fn decide(&self, row: &Row<'_>, z: u32, uniforms: Uniforms) -> Option<u32> {
        if uniforms.jump >= self.ceiling(z) {
            return None;
        }
        if self.kind == SolverKind::DfmEuler {
            if !self.may_move(self.kind, z) {
                return None;
            }
            let data = row.all().draw(uniforms.data)?;
            let corrected = self.corrected(z, data != z);
            return (uniforms.jump < jump_probability(corrected.mean()))
                .then(|| self.corrected_draw(corrected, data, z, uniforms.destination));
        }
        if uniforms.jump >= self.jump_prob(self.kind, row, z) {
            return None;
        }
        self.destinations(row, z).draw(uniforms.destination)
    }

    /// Where the two rules that need no `x_1` jump to.
    pub fn destinations<'r>(&self, row: &'r Row<'_>, z: u32) -> Weights<'r> {
        match self.kind {
            SolverKind::Euler => row.floored(z, RATE_FLOOR * self.h),
            SolverKind::CumulativeScalar | SolverKind::DfmEuler => row.others(z),
        }
    }

    /// The DFM rule's `h`-integrated rates, given whether `x_1` differs from `z`; the diagonal is dropped.
    fn corrected(&self, z: u32, differs: bool) -> Corrected {
        let source_at_z = match self.mask {
            Some(mask) => f64::from(u8::from(z == mask)),
            None => 1.0 / self.vocab as f64,
        };
        Corrected {
            on_data: if differs { self.forward + self.corrector * self.kappa } else { 0.0 },
            on_source: self.corrector * (1.0 - self.kappa) * (1.0 - source_at_z),
        }
    }

    /// Draws from the two parts of the corrected rates with one uniform.
    fn corrected_draw(&self, rates: Corrected, data: u32, z: u32, u: f64) -> u32 {
        if rates.on_source <= 0.0 {
            return data;
        }
        let mean = rates.mean();
        let left = u * mean - rates.on_data;
        if left < 0.0 {
            return data;
        }
        if let Some(mask) = self.mask {
            return mask;
        }
        // Uniform over the other ids: skip z.
        let others = self.vocab as u32 - 1;
        let id = ((left / rates.on_source * f64::from(others)) as u32).min(others - 1);
        id + u32::from(id >= z)
    }
}

impl Corrected {
    fn mean(self) -> f64 {
        self.on_data + self.on_source
    }
}

/// The probability of at least one jump when `mean` are expected.
pub fn jump_probability(mean: f64) -> f64 {
    -(-mean).exp_m1()
}

/// The same with the plain Euler rule's cap: `k > 0` for `k ~ Poisson(min(mean, 50))`.
///
/// Only whether `k` is 0 matters, so a uniform below this probability decides (inversion of the Poisson distribution).
pub fn euler_jump_probability(mean: f64) -> f64 {
    jump_probability(mean.min(POISSON_CAP))
}

/// How many of `count` positions that would jump may do so under controlled unmasking.
///
/// The reference's `floor(max(1, min(count, h·T)))`, with a little slack so that `h·T = 2` is not 1.999….
pub fn controlled_count(count: usize, h: f64, tokens: usize) -> usize {
    if count == 0 {
        return 0;
    }
    let share = h * tokens as f64 + 1e-9;
    (count as f64).min(share).max(1.0).floor() as usize
}
