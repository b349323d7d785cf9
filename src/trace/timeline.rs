//! One run as the views read it.
//!
//! A frame is kept as the positions it changed and their new ids, with a key frame every `KEY_EVERY` steps, so that
//! any step's ids, last changes and revisions are a few hundred operations away. What views show beside the text is
//! computed once, when a frame is pushed.

use std::sync::Arc;

use super::error::TraceError;
use super::frame::{Detail, Frame, Jumps};
use super::meta::{Parent, RunMeta};
use super::packed::{Details, Packed};
use crate::flow::metrics;
use crate::text::MAX_ID;

/// Steps between key frames.
const KEY_EVERY: usize = 32;
/// Length of the n-grams whose repetition is shown.
const REPEAT_GRAM: usize = 4;

/// What the judge said about a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Perplexity over the written positions; `None` where it is undefined.
    pub perplexity: Option<f64>,
    /// Negative log-likelihood in nats of positions 1….
    pub nll: Option<Arc<[f32]>>,
}

/// One entry of a position's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The step that set it; 0 is the noise.
    pub step: u32,
    /// The id it set.
    pub id: u32,
}

/// Everything about the positions at one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Token ids.
    pub ids: Arc<[u32]>,
    /// Per position the step that last changed it; 0 where none did yet.
    pub last_change: Arc<[u32]>,
    /// Per position how many steps changed it so far.
    pub revisions: Arc<[u32]>,
}

/// Positions as they are while frames are applied.
#[derive(Clone)]
struct Positions {
    ids: Vec<u32>,
    last_change: Vec<u32>,
    revisions: Vec<u32>,
}

impl Positions {
    fn apply(&mut self, step: u32, changed: &[u32], to: &[u32]) {
        for (&pos, &id) in changed.iter().zip(to) {
            let pos = pos as usize;
            self.ids[pos] = id;
            self.last_change[pos] = step;
            self.revisions[pos] += 1;
        }
    }

    fn state(self) -> State {
        State { ids: self.ids.into(), last_change: self.last_change.into(), revisions: self.revisions.into() }
    }
}

/// One step, without its changes.
#[derive(Clone)]
struct Step {
    t: f64,
    h: f64,
    ms: Option<f64>,
    entropy: f64,
    repeats: f64,
    /// Where its changes end in the flat lists.
    end: usize,
    jumps: Option<Jumps>,
    detail: Option<Box<[Packed]>>,
    score: Option<Score>,
    /// Perplexity of what the run would end with if it stopped here.
    ghost: Option<f64>,
}

/// One run: all its frames so far, and everything the views need about them.
///
/// Steps are counted from 0, the noise. A step beyond the newest frame reads as the newest.
#[derive(Clone)]
pub struct Timeline {
    meta: RunMeta,
    steps: Vec<Step>,
    /// Changed positions of all steps, one step after the other, and the ids they got.
    changed: Vec<u32>,
    to: Vec<u32>,
    keys: Vec<Positions>,
    tip: Positions,
    /// The newest frame's ids, as they came.
    newest: Arc<[u32]>,
    /// Per step the number of positions that no later step has changed.
    settled: Vec<u32>,
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timeline").field("meta", &self.meta).field("frames", &self.steps.len()).finish_non_exhaustive()
    }
}

impl Timeline {
    /// A run that has only its noise.
    pub fn new(mut meta: RunMeta, noise: Frame) -> Result<Self, TraceError> {
        if noise.step != 0 {
            return Err(TraceError::Frame(format!("a run begins with step 0, not with step {}", noise.step)));
        }
        check_ids(&noise.ids)?;
        let tokens = noise.ids.len();
        meta.config.tokens = tokens;
        let tip = Positions { ids: noise.ids.to_vec(), last_change: vec![0; tokens], revisions: vec![0; tokens] };
        let mut timeline = Self {
            meta,
            steps: Vec::new(),
            changed: Vec::new(),
            to: Vec::new(),
            keys: vec![tip.clone()],
            tip,
            newest: Arc::default(),
            settled: Vec::new(),
        };
        timeline.append(noise);
        Ok(timeline)
    }

    /// A branch: the run up to `step`, where its ids become `ids` (edited or not), to be continued under `meta`.
    pub fn branch(&self, mut meta: RunMeta, step: u32, ids: &[u32]) -> Result<Self, TraceError> {
        let step = self.clamp(step);
        self.check_next(step as u32, ids)?;
        meta.parent = Some(Parent { run: self.meta.run, step: step as u32 });
        let edited = |mut frame: Frame| {
            frame.ids = ids.into();
            frame
        };
        if step == 0 {
            return Self::new(meta, edited(self.frame(0)));
        }
        let mut branch = Self::new(meta, self.frame(0))?;
        for kept in 1..step as u32 {
            branch.push(self.frame(kept))?;
            branch.steps[kept as usize].score.clone_from(&self.steps[kept as usize].score);
        }
        branch.push(edited(self.frame(step as u32)))?;
        if ids == &*self.ids(step as u32) {
            branch.steps[step].score.clone_from(&self.steps[step].score);
        }
        Ok(branch)
    }

    /// Adds the next frame. Its `changed` is not believed but computed.
    pub fn push(&mut self, frame: Frame) -> Result<(), TraceError> {
        self.check_next(frame.step, &frame.ids)?;
        if frame.step as usize != self.steps.len() {
            return Err(TraceError::Frame(format!("step {} cannot follow step {}", frame.step, self.steps.len() - 1)));
        }
        for (pos, (&before, &after)) in self.tip.ids.iter().zip(frame.ids.iter()).enumerate() {
            if before != after {
                self.changed.push(pos as u32);
                self.to.push(after);
            }
        }
        let start = self.end_of(self.steps.len() - 1);
        // A position that changed now was not settled at any step since its last change.
        let mut unsettled = vec![0; self.steps.len()];
        for &pos in &self.changed[start..] {
            unsettled[self.tip.last_change[pos as usize] as usize] += 1;
        }
        let mut sum = 0;
        for (settled, new) in self.settled.iter_mut().zip(unsettled) {
            sum += new;
            *settled -= sum;
        }
        self.tip.apply(frame.step, &self.changed[start..], &self.to[start..]);
        self.append(frame);
        if (self.newest() as usize).is_multiple_of(KEY_EVERY) {
            self.keys.push(self.tip.clone());
        }
        Ok(())
    }

    /// The part of a push that the noise shares.
    fn append(&mut self, frame: Frame) {
        self.settled.push(self.tip.ids.len() as u32);
        let detail = frame.detail.as_ref().filter(|d| d.len() == frame.ids.len());
        self.steps.push(Step {
            t: frame.t,
            h: frame.h,
            ms: frame.ms,
            entropy: metrics::entropy_bits(&frame.ids),
            repeats: metrics::repeats(&frame.ids, REPEAT_GRAM),
            end: self.changed.len(),
            jumps: frame.jumps,
            detail: detail.map(|d| d.iter().map(Packed::from).collect()),
            score: None,
            ghost: None,
        });
        self.newest = frame.ids;
    }

    fn check_next(&self, step: u32, ids: &[u32]) -> Result<(), TraceError> {
        if ids.len() != self.tokens() {
            return Err(TraceError::Frame(format!(
                "step {step} has {} tokens, but its run has {}",
                ids.len(),
                self.tokens()
            )));
        }
        check_ids(ids)
    }

    /// Takes the ids of frozen positions from the newest frame: a trace says which they are, but not to what.
    pub(super) fn adopt_frozen(&mut self) {
        let ids = &self.tip.ids;
        self.meta.config.frozen.retain(|(pos, _)| (*pos as usize) < ids.len());
        self.meta.config.frozen.iter_mut().for_each(|(pos, id)| *id = ids[*pos as usize]);
    }

    /// What made the run.
    pub fn meta(&self) -> &RunMeta {
        &self.meta
    }

    /// Length of the sequence.
    pub fn tokens(&self) -> usize {
        self.tip.ids.len()
    }

    /// Frames so far, the noise included: at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a timeline is never empty")]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// The newest step.
    pub fn newest(&self) -> u32 {
        self.steps.len() as u32 - 1
    }

    /// The budget: how many steps the run takes.
    pub fn steps(&self) -> u32 {
        self.meta.config.steps() as u32
    }

    /// Whether every step of the budget is there.
    pub fn is_complete(&self) -> bool {
        self.newest() >= self.steps()
    }

    /// Ids, last changes and revisions at a step.
    pub fn state(&self, step: u32) -> State {
        let step = self.clamp(step);
        if step + 1 == self.steps.len() {
            let tip = &self.tip;
            let (last_change, revisions) = (tip.last_change.as_slice().into(), tip.revisions.as_slice().into());
            return State { ids: self.newest.clone(), last_change, revisions };
        }
        let key = step / KEY_EVERY;
        let mut positions = self.keys[key].clone();
        for next in key * KEY_EVERY + 1..=step {
            let range = self.end_of(next - 1)..self.end_of(next);
            positions.apply(next as u32, &self.changed[range.clone()], &self.to[range]);
        }
        positions.state()
    }

    /// Ids at a step.
    pub fn ids(&self, step: u32) -> Arc<[u32]> {
        self.state(step).ids
    }

    /// Per position the step that last changed it, as seen from `step`; 0 where none did yet.
    pub fn last_change(&self, step: u32) -> Arc<[u32]> {
        self.state(step).last_change
    }

    /// Per position how many steps up to `step` changed it.
    pub fn revisions(&self, step: u32) -> Arc<[u32]> {
        self.state(step).revisions
    }

    /// Sorted positions that a step changed.
    pub fn changed(&self, step: u32) -> &[u32] {
        &self.changed[self.range(step)]
    }

    /// The ids those positions got, in the same order.
    pub fn changed_to(&self, step: u32) -> &[u32] {
        &self.to[self.range(step)]
    }

    /// How many positions a step changed.
    pub fn changed_count(&self, step: u32) -> usize {
        self.range(step).len()
    }

    /// Every id a position ever had, from the noise on.
    pub fn history(&self, pos: u32) -> Vec<Change> {
        let Some(&id) = self.keys[0].ids.get(pos as usize) else {
            return Vec::new();
        };
        let mut history = vec![Change { step: 0, id }];
        for step in 1..self.steps.len() as u32 {
            if let Ok(at) = self.changed(step).binary_search(&pos) {
                history.push(Change { step, id: self.changed_to(step)[at] });
            }
        }
        history
    }

    /// The per-position numbers of a step, where they were asked for.
    pub fn detail(&self, step: u32) -> Option<Details<'_>> {
        self.at(step).detail.as_deref().map(Details)
    }

    /// The finish-now ghost: per position the most likely token of the posterior this step was taken with; the shown
    /// token where a position is frozen and so has no posterior.
    pub fn most_likely(&self, step: u32) -> Option<Arc<[u32]>> {
        let detail = self.detail(step)?;
        let ids = self.ids(step);
        let best = |(d, &shown): (Detail, &u32)| if d.top[0].1 > 0.0 { d.top[0].0 } else { shown };
        Some(detail.iter().zip(ids.iter()).map(best).collect())
    }

    /// Expected and actual jumps of a step.
    pub fn jumps(&self, step: u32) -> Option<Jumps> {
        self.at(step).jumps
    }

    /// Keeps what the judge said about a step; ignored for a step that is not there.
    pub fn set_score(&mut self, step: u32, score: Score) {
        if let Some(step) = self.steps.get_mut(step as usize) {
            step.score = Some(score);
        }
    }

    /// What the judge said about a step; `None` while it has not spoken.
    pub fn score(&self, step: u32) -> Option<&Score> {
        self.at(step).score.as_ref()
    }

    /// Keeps the perplexity, NaN where undefined, of the text the run would end with if it stopped after a step.
    pub fn set_ghost_perplexity(&mut self, step: u32, perplexity: f64) {
        if let Some(step) = self.steps.get_mut(step as usize) {
            step.ghost = Some(perplexity);
        }
    }

    /// Perplexity, NaN where undefined, of the text the run would end with if it stopped after a step; `None` while the
    /// judge has not spoken.
    pub fn ghost_perplexity(&self, step: u32) -> Option<f64> {
        self.at(step).ghost
    }

    /// Perplexity of a step, where it is known.
    pub fn perplexity(&self, step: u32) -> Option<f64> {
        self.score(step)?.perplexity
    }

    /// Entropy of a step's text, in bits.
    pub fn entropy(&self, step: u32) -> f64 {
        self.at(step).entropy
    }

    /// Share of a step's 4-grams that occurred earlier in it.
    pub fn repeats(&self, step: u32) -> f64 {
        self.at(step).repeats
    }

    /// Share of positions settled at a step: that neither it nor a later one has changed, as far as the run has come.
    /// None are in the noise ([`crate::flow::metrics::settled`]).
    pub fn settled(&self, step: u32) -> f64 {
        match self.clamp(step).checked_sub(1) {
            Some(before) if self.tokens() > 0 => f64::from(self.settled[before]) / self.tokens() as f64,
            _ => 0.0,
        }
    }

    /// Milliseconds a step took, where that is known.
    pub fn ms(&self, step: u32) -> Option<f64> {
        self.at(step).ms
    }

    /// What the steps so far took on average, of those for which it is known.
    pub fn mean_ms(&self) -> Option<f64> {
        let known: Vec<f64> = (1..=self.newest()).filter_map(|step| self.ms(step)).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// Time after a step.
    pub fn t(&self, step: u32) -> f64 {
        self.at(step).t
    }

    /// The step size taken.
    pub fn h(&self, step: u32) -> f64 {
        self.at(step).h
    }

    /// A step's frame, as the sampler gave it (numbers beside the ids to half precision).
    pub fn frame(&self, step: u32) -> Frame {
        let step = self.clamp(step);
        let kept = &self.steps[step];
        Frame {
            step: step as u32,
            t: kept.t,
            h: kept.h,
            ids: self.ids(step as u32),
            changed: self.changed(step as u32).into(),
            detail: self.detail(step as u32).map(|d| d.iter().collect()),
            jumps: kept.jumps,
            ms: kept.ms,
        }
    }

    /// Bytes this run takes.
    pub fn memory(&self) -> usize {
        let words = |v: &Vec<u32>| v.capacity() * size_of::<u32>();
        let positions = |p: &Positions| words(&p.ids) + words(&p.last_change) + words(&p.revisions);
        let step = |s: &Step| {
            let detail = s.detail.as_ref().map_or(0, |d| size_of_val(&**d));
            let nll = s.score.as_ref().and_then(|s| s.nll.as_ref()).map_or(0, |n| size_of_val(&**n));
            detail + nll
        };
        size_of::<Self>()
            + self.steps.capacity() * size_of::<Step>()
            + self.steps.iter().map(step).sum::<usize>()
            + words(&self.changed)
            + words(&self.to)
            + words(&self.settled)
            + positions(&self.tip)
            + self.keys.iter().map(positions).sum::<usize>()
    }

    fn clamp(&self, step: u32) -> usize {
        (step as usize).min(self.steps.len() - 1)
    }

    fn at(&self, step: u32) -> &Step {
        &self.steps[self.clamp(step)]
    }

    fn end_of(&self, step: usize) -> usize {
        self.steps[step].end
    }

    fn range(&self, step: u32) -> std::ops::Range<usize> {
        let step = self.clamp(step);
        if step == 0 { 0..0 } else { self.end_of(step - 1)..self.end_of(step) }
    }
}

fn check_ids(ids: &[u32]) -> Result<(), TraceError> {
    match ids.iter().position(|id| *id > MAX_ID) {
        Some(pos) => Err(TraceError::Frame(format!("id {} at position {pos} is out of range", ids[pos]))),
        None => Ok(()),
    }
}
