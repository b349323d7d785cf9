//! Measures of a frame, until the sampler's own are there.

use std::collections::{HashMap, HashSet};

/// Entropy of the histogram of ids, in bits.
pub(super) fn entropy_bits(ids: &[u32]) -> f64 {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    for &id in ids {
        *counts.entry(id).or_default() += 1;
    }
    let mut counts: Vec<usize> = counts.into_values().collect();
    counts.sort_unstable();
    let total = ids.len() as f64;
    counts.into_iter().map(|c| c as f64 / total).map(|p| -p * p.log2()).sum::<f64>().max(0.0)
}

/// Share of `n`-grams that occurred earlier.
pub(super) fn repeats(ids: &[u32], n: usize) -> f64 {
    if n == 0 || ids.len() < n {
        return 0.0;
    }
    let mut seen = HashSet::new();
    let repeated = ids.windows(n).filter(|gram| !seen.insert(*gram)).count();
    repeated as f64 / (ids.len() - n + 1) as f64
}
