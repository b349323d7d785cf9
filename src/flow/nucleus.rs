//! The nucleus: the most likely ids that together hold some mass.

/// Keeps the most likely ids until they hold the mass `mass`, and zeroes the others; returns `Σ w` and `Σ w ln w`.
pub(super) fn keep_nucleus(weights: &mut [f32], all: f64, mass: f64) -> (f64, f64) {
    // All ids below this weight hold less than what may be dropped, so the nucleus is among the others.
    let least = ((all - mass) / weights.len() as f64) as f32;
    // Non-negative floats order like their bits; the inverted id puts the smaller one first among equals.
    let mut order: Vec<u64> = Vec::new();
    for (id, weight) in weights.iter_mut().enumerate() {
        if *weight >= least {
            order.push(u64::from(weight.to_bits()) << 32 | u64::from(!(id as u32)));
        } else {
            *weight = 0.0;
        }
    }
    let (mut total, mut weighted_log) = (0.0, 0.0);
    let mut kept = 0;
    // Sorting everything would cost more than the rest of the step: sort ever larger heads until one is enough.
    let mut head = 64;
    'sorting: while kept < order.len() {
        let tail = &mut order[kept..];
        let size = head.min(tail.len());
        if size < tail.len() {
            tail.select_nth_unstable_by(size - 1, |a, b| b.cmp(a));
        }
        tail[..size].sort_unstable_by(|a, b| b.cmp(a));
        for &key in &tail[..size] {
            let weight = f64::from(f32::from_bits((key >> 32) as u32));
            if kept > 0 && (total >= mass || weight == 0.0) {
                break 'sorting;
            }
            total += weight;
            weighted_log += weight * weight.ln();
            kept += 1;
        }
        head *= 4;
    }
    for &key in &order[kept..] {
        weights[!(key as u32) as usize] = 0.0;
    }
    (total, weighted_log)
}
