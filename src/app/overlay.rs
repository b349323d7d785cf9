//! What the tokens' colours mean.

use super::run::Run;
use crate::config::theme::{LEVELS, level, level_of};
use crate::trace::{self, Detail};

/// What the tokens' colours mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlay {
    /// The step of the last change.
    #[default]
    LastChange,
    /// How often the token changed.
    Revisions,
    /// Only what changed in this step.
    ChangedNow,
    /// Entropy of the posterior the step was drawn from.
    Entropy,
    /// Probability of the token shown.
    Probability,
    /// What the judge thinks of the token, in nats.
    Surprise,
    /// Probability that the token would jump in this step.
    JumpProbability,
}

impl Overlay {
    /// All, in the order a key cycles through them.
    pub const ALL: [Self; 7] = [
        Self::LastChange,
        Self::Revisions,
        Self::ChangedNow,
        Self::Entropy,
        Self::Probability,
        Self::Surprise,
        Self::JumpProbability,
    ];

    /// Its name on screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::LastChange => "last change",
            Self::Revisions => "revisions",
            Self::ChangedNow => "changed now",
            Self::Entropy => "posterior entropy",
            Self::Probability => "probability",
            Self::Surprise => "judge surprise",
            Self::JumpProbability => "jump probability",
        }
    }

    /// The overlay after this one.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|o| *o == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// Whether what it shows is known at the playhead.
    pub fn is_known(self, run: &Run) -> bool {
        match self {
            Self::LastChange | Self::Revisions | Self::ChangedNow => true,
            Self::Entropy | Self::Probability | Self::JumpProbability => run.timeline.detail(run.playhead).is_some(),
            Self::Surprise => run.timeline.score(run.playhead).is_some_and(|s| s.nll.is_some()),
        }
    }

    /// The ramp level of a position in the frame on screen; `None` where it has no colour.
    pub fn level(self, run: &Run, frame: &trace::State, position: u32, now: bool) -> Option<u8> {
        let at = position as usize;
        let last = frame.last_change.get(at).copied().filter(|step| *step > 0);
        let top = LEVELS as u32 - 1;
        let detail = |value: fn(Detail) -> f32| {
            let detail = run.timeline.detail(run.playhead)?.get(at)?;
            // A frozen position has no posterior.
            (detail.top[0].1 > 0.0).then(|| value(detail))
        };
        match self {
            Self::LastChange => last.map(|step| level(step, run.steps())),
            Self::Revisions => {
                let count = frame.revisions.get(at).copied().filter(|count| *count > 0)?;
                Some((count - 1).min(top) as u8)
            }
            Self::ChangedNow => last.filter(|_| now).map(|step| level(step, run.steps())),
            Self::Entropy => detail(|d| d.entropy).map(whole),
            Self::Probability => detail(|d| d.prob).map(level_of),
            Self::JumpProbability => detail(|d| d.jump_prob).map(level_of),
            Self::Surprise => {
                // The judge scores each token but the first.
                let nll = run.timeline.score(run.playhead)?.nll.as_ref()?;
                nll.get(at.checked_sub(1)?).copied().map(whole)
            }
        }
    }
}

/// One level a bit, or a nat; the last is for everything above.
fn whole(value: f32) -> u8 {
    level_of(value / LEVELS as f32)
}
