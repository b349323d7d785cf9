//! Numbers by step, for sparklines and charts.

use super::number;
use crate::app::Run;

/// A number every step has, or may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Series {
    /// Perplexity by the judge.
    Perplexity,
    /// Entropy of the text.
    Entropy,
    /// Positions the step changed.
    Changed,
    /// Share of positions at rest.
    Settled,
    /// Mean entropy of the posterior.
    Posterior,
}

impl Series {
    /// Those with a chart.
    pub(super) const ALL: [Self; 5] = [Self::Perplexity, Self::Entropy, Self::Changed, Self::Settled, Self::Posterior];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Perplexity => "perplexity",
            Self::Entropy => "entropy",
            Self::Changed => "changed",
            Self::Settled => "settled",
            Self::Posterior => "posterior entropy",
        }
    }

    /// Its value at a step, where there is one.
    pub(super) fn at(self, run: &Run, step: u32) -> Option<f64> {
        let line = &run.timeline;
        if step > run.newest() {
            return None;
        }
        // At the noise nothing has changed, nothing is at rest, and no posterior was asked for.
        let moved = step > 0;
        let value = match self {
            Self::Perplexity => line.perplexity(step)?,
            Self::Entropy => line.entropy(step),
            Self::Changed if moved => line.changed_count(step) as f64,
            Self::Settled if moved => line.settled(step),
            Self::Posterior if moved => f64::from(line.jumps(step)?.mean_entropy),
            Self::Changed | Self::Settled | Self::Posterior => return None,
        };
        value.is_finite().then_some(value)
    }

    /// Its value where it is drawn: perplexity by its logarithm, or the noise would flatten all that follows.
    pub(super) fn height(self, run: &Run, step: u32) -> Option<f64> {
        let value = self.at(run, step)?;
        match self {
            Self::Perplexity => (value > 0.0).then(|| value.ln()),
            _ => Some(value),
        }
    }

    /// A height as a number.
    pub(super) fn label(self, height: f64) -> String {
        match self {
            Self::Perplexity => number::perplexity(height.exp()),
            Self::Entropy | Self::Posterior => number::fixed(height, 2),
            Self::Changed => number::fixed(height, 0),
            Self::Settled => number::percent(height, 0),
        }
    }

    /// The extremes of its heights over some runs.
    pub(super) fn range<'a>(self, runs: impl IntoIterator<Item = &'a Run>) -> Option<(f64, f64)> {
        let heights = runs.into_iter().flat_map(|run| (0..=run.newest()).filter_map(|s| self.height(run, s)));
        heights.fold(None, |range, h| {
            let (low, high) = range.unwrap_or((h, h));
            Some((h.min(low), h.max(high)))
        })
    }
}

/// A height between two extremes, as a share; the middle where they are the same.
pub(super) fn share(height: f64, (low, high): (f64, f64)) -> f64 {
    if high > low { (height - low) / (high - low) } else { 0.5 }
}
