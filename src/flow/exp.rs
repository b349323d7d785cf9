//! An exponential that the compiler vectorises.

/// Below it `e^x` is not a normal `f32` any more; such weights count as 0.
const SMALLEST: f32 = -87.0;

/// `e^x` for `x ≤ 0`, within 2 units in the last place; exactly 0 below -87 and exactly 1 at 0. With it comes `x`
/// itself, kept finite.
///
/// `x` must be a number. No branch, no call and no table, so that a loop over it becomes vector code on any CPU: `x = n ln 2 + r`, the
/// Taylor series of `e^r` to the seventh power (the eighth is below 1e-8 for `|r| ≤ ln 2 / 2`), and `n` into the
/// exponent bits.
#[inline]
pub(super) fn exp_negative(x: f32) -> (f32, f32) {
    // 1.5 · 2²³: adding it rounds to the nearest integer and leaves that integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Not `f32::max`, whose care for NaN costs three more instructions.
    let clamped = if x > SMALLEST { x } else { SMALLEST };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let mut series = 1.0 / 5040.0;
    series = series * r + 1.0 / 720.0;
    series = series * r + 1.0 / 120.0;
    series = series * r + 1.0 / 24.0;
    series = series * r + 1.0 / 6.0;
    series = series * r + 0.5;
    series = series * (r * r) + r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()) << 23;
    let power = f32::from_bits(exponent.wrapping_add(1.0f32.to_bits()));
    let value = if x < SMALLEST { 0.0 } else { series * power };
    (value, clamped)
}

#[cfg(test)]
mod tests {
    use super::exp_negative;

    #[test]
    fn within_two_ulps_of_the_exact_value() {
        let mut worst = 0.0f64;
        for i in 0..870_000 {
            let x = -1e-4 * i as f32;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp_negative(x).0) / exact - 1.0).abs());
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "relative error {worst:e}");
    }

    #[test]
    fn ends_are_exact() {
        assert_eq!(exp_negative(0.0).0, 1.0);
        assert_eq!(exp_negative(-87.01).0, 0.0);
        assert_eq!(exp_negative(-1e30).0, 0.0);
        assert_eq!(exp_negative(f32::NEG_INFINITY).0, 0.0);
    }
}
