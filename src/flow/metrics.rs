//! Numbers shown beside a sample. Each is defined here, once.

use std::collections::{HashMap, HashSet};

/// Perplexity of one sample: the exponentiated mean of the judge's negative log-likelihoods of its next tokens
/// (the paper's measure, there with GPT-2 Large).
///
/// `nll[i]` is in nats and scores the token at position `i + 1`; the first token is given, not scored. The tokens of a
/// prompt (the first `prompt_len` positions) were not written by the sampler and do not count, unless
/// `include_prompt`. Over several samples, take the arithmetic mean of their perplexities.
///
/// `None` where nothing is scored or the judge gave no finite number.
pub fn perplexity(nll: &[f32], prompt_len: usize, include_prompt: bool) -> Option<f64> {
    let skipped = if include_prompt { 0 } else { prompt_len.saturating_sub(1) };
    let scored = nll.get(skipped..).filter(|scored| !scored.is_empty())?;
    let mean = scored.iter().map(|&nats| f64::from(nats)).sum::<f64>() / scored.len() as f64;
    Some(mean.exp()).filter(|perplexity| perplexity.is_finite())
}

/// Entropy of one sample in bits: that of the histogram of its own ids, at most `log2` of its length (the paper's
/// measure of diversity; low = repetitive). 0 for an empty sample.
pub fn entropy_bits(ids: &[u32]) -> f64 {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    for &id in ids {
        *counts.entry(id).or_default() += 1;
    }
    // Sorted: the order of a hash map must not decide over the last bits of a sum.
    let mut counts: Vec<usize> = counts.into_values().collect();
    counts.sort_unstable();
    let total = ids.len() as f64;
    let entropy: f64 = counts.into_iter().map(|count| count as f64 / total).map(|share| -share * share.log2()).sum();
    // A single kind of token gives -0.
    entropy.max(0.0)
}

/// Share of a sample's `n`-grams (all windows of `n` neighbouring ids, overlapping) that occurred earlier in it:
/// 1 - distinct/all, the complement of "distinct-n" (Li et al., 2016). 0 for fewer than `n` ids.
pub fn repeats(ids: &[u32], n: usize) -> f64 {
    if n == 0 || ids.len() < n {
        return 0.0;
    }
    let mut seen = HashSet::new();
    let all = ids.len() - n + 1;
    let repeated = ids.windows(n).filter(|gram| !seen.insert(*gram)).count();
    repeated as f64 / all as f64
}

/// The sorted positions at which two frames of a run differ.
pub fn changed(before: &[u32], after: &[u32]) -> Vec<u32> {
    (0..before.len().min(after.len()))
        .filter(|&position| before[position] != after[position])
        .map(|position| position as u32)
        .collect()
}

/// Step of last change (the paper's figure): per position the largest step at which its id differs from its id
/// before that step, 0 if it never changed. `frames` starts with the noise.
pub fn last_change<F: AsRef<[u32]>>(frames: &[F]) -> Vec<u32> {
    let Some(noise) = frames.first() else {
        return Vec::new();
    };
    let mut last = vec![0; noise.as_ref().len()];
    for (step, pair) in (1..).zip(frames.windows(2)) {
        for position in changed(pair[0].as_ref(), pair[1].as_ref()) {
            last[position as usize] = step;
        }
    }
    last
}

/// How many positions are settled at `step`: neither it nor any later step changed them, as far as the run has come.
/// None in the noise. `last_change` is that of the run's newest frame.
pub fn settled(last_change: &[u32], step: u32) -> usize {
    last_change.iter().filter(|&&last| last < step).count()
}
