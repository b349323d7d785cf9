//! The schedule `κ_t = t^n`: how much of the data a state at time `t` holds.

/// Both logarithms of the cumulative scalar are kept off zero by this much.
const FLOOR: f64 = 1e-8;

/// The polynomial schedule `κ_t = t^n`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The exponent `n`; released models use 1.
    pub exponent: f64,
}

impl Schedule {
    /// `κ_t`.
    pub fn kappa(self, t: f64) -> f64 {
        t.powf(self.exponent)
    }

    /// Its derivative `κ'_t`.
    pub fn kappa_prime(self, t: f64) -> f64 {
        self.exponent * t.powf(self.exponent - 1.0)
    }

    /// The cumulative scalar `A = ln(1-κ_t) - ln(1-κ_{t+h})`, both arguments clamped to `[1e-8, 1]`: the rate of the
    /// paper's rule integrated over the step.
    pub fn cumulative_scalar(self, t: f64, h: f64) -> f64 {
        let left = |t: f64| (1.0 - self.kappa(t)).clamp(FLOOR, 1.0);
        left(t).ln() - left(t + h).ln()
    }
}
