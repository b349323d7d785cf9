//! What if: edits of the frame on screen, and the branch that goes on from them.

use std::sync::Arc;

use super::super::Action;
use super::super::edits::{Edits, salt};
use super::super::line::{Line, Purpose};
use super::super::msg::{Effect, Level};
use super::super::run::Run;
use super::super::state::State;
use super::{notify, runs, time};
use crate::flow::rng::{Noise, Stream};
use crate::flow::{RunConfig, Sampler};
use crate::trace::{ModelMeta, RunMeta};

pub(super) fn act(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Branch => return branch(state, effects),
        Action::StepReroll => return step_reroll(state, effects),
        _ => {}
    }
    let Some(at) = state.cursor else {
        return notify(state, Level::Info, "move the cursor to a token first (h j k l, or a click)".to_owned());
    };
    if !touch(state) {
        return;
    }
    match action {
        Action::Pin => {
            if !state.edits.pinned.remove(&at) {
                state.edits.pinned.insert(at);
            }
            say(state);
        }
        Action::Noise => noise(state, at),
        Action::Swap => swap(state, at),
        Action::Replace => state.line = Some(Line::new(Purpose::Token(at))),
        _ => {}
    }
}

/// Edits belong to the frame on screen, which stands still for them. False where nothing can be edited.
pub(super) fn touch(state: &mut State) -> bool {
    if state.live.is_none() {
        notify(state, Level::Info, "a replayed trace cannot go on in another way: there is no model".to_owned());
        return false;
    }
    let Some(run) = state.runs.current() else { return false };
    if run.playhead >= run.steps() {
        let why = "after the last step nothing follows: go back to where the branch is to leave";
        notify(state, Level::Info, why.to_owned());
        return false;
    }
    let here = Some((run.id, run.playhead));
    state.play.on = false;
    state.ghost = false;
    if state.edits_at != here {
        state.edits = Edits::default();
        state.edits_at = here;
    }
    true
}

/// What the branch will have that this run has not.
fn say(state: &mut State) {
    let text = match state.edits.summary() {
        none if none.is_empty() => "nothing is changed".to_owned(),
        summary => format!("{summary}: enter goes on from here as a branch, esc drops it"),
    };
    notify(state, Level::Info, text);
}

/// Puts noise at a position: the mask, or any token.
fn noise(state: &mut State, at: u32) {
    let (Some(live), Some(run)) = (&state.live, state.runs.current()) else { return };
    let id = live.spec.mask_id().unwrap_or_else(|| {
        // Another token each time, and the same ones whenever the same keys are pressed.
        let before = state.passage.ids().get(at as usize).copied().unwrap_or(0);
        let salt = u64::from(before) + 1;
        Noise::step(run.config.seed, salt, run.playhead as u16).below(at, Stream::Noise, live.spec.vocab as u32)
    });
    state.edits.replaced.insert(at, id);
    say(state);
}

/// The least probability, as the inspector shows it, of a token worth putting in another's place.
const LIKELY: f32 = 0.0005;

/// Puts the next of the likely tokens at a position that are not its own; after the last, the first again.
fn swap(state: &mut State, at: u32) {
    let Some(run) = state.runs.current() else { return };
    // The posterior at this frame is the one the next step was drawn from; where there is none yet, the last one.
    let line = &run.timeline;
    let next = (run.playhead + 1).min(run.newest());
    let detail = line.detail(next).or_else(|| line.detail(run.playhead)).and_then(|d| d.get(at as usize));
    let Some(detail) = detail else {
        return notify(state, Level::Info, "no likely tokens are known here".to_owned());
    };
    let own = line.state(run.playhead).ids.get(at as usize).copied();
    let others = detail.top.into_iter().filter(|(id, p)| *p >= LIKELY && Some(*id) != own);
    let likely: Vec<u32> = others.map(|(id, _)| id).collect();
    let now = state.edits.replaced.get(&at);
    let index = likely.iter().position(|id| Some(id) == now).map_or(0, |i| i + 1);
    let Some(&id) = likely.get(index).or(likely.first()) else {
        return notify(state, Level::Info, "no other token is likely here".to_owned());
    };
    state.edits.replaced.insert(at, id);
    say(state);
}

/// Puts a typed token at a position; a text of several tokens takes the positions after it as well.
pub(super) fn replace(state: &mut State, mut line: Line) {
    let Purpose::Token(at) = line.purpose else { return };
    let Some(vocab) = &state.vocab else { return };
    let tokens = state.run().map_or(0, |run| run.config.tokens) as u32;
    let ids = match vocab.encode(&line.text) {
        Ok(ids) if ids.is_empty() => return,
        Ok(ids) => ids,
        Err(error) => {
            line.error = Some(error.to_string());
            state.line = Some(line);
            return;
        }
    };
    if touch(state) {
        state.edits.replaced.extend((at..tokens).zip(ids));
        say(state);
    }
}

/// Goes on from the frame on screen, with the edits made to it.
pub(super) fn branch(state: &mut State, effects: &mut Vec<Effect>) {
    if !touch(state) {
        return;
    }
    let edits = std::mem::take(&mut state.edits);
    if edits.is_empty() {
        let text = "change something first: b lists what can be, z takes this step again with other noise";
        return notify(state, Level::Info, text.to_owned());
    }
    let Some(run) = state.runs.current() else { return };
    let step = run.playhead;
    let ids = edits.apply(&run.timeline.ids(step));
    let config = edits.config(&run.config, step, &ids);
    leave(state, step, config, ids, effects);
}

/// The step on screen once more, from the frame before it, with other noise.
fn step_reroll(state: &mut State, effects: &mut Vec<Effect>) {
    if state.live.is_none() {
        touch(state);
        return;
    }
    let Some(run) = state.runs.current() else { return };
    let Some(before) = run.playhead.checked_sub(1) else {
        return notify(state, Level::Info, "the noise itself changes with the seed: r".to_owned());
    };
    let mut config = run.config.clone();
    salt(&mut config, run.playhead);
    let ids = run.timeline.ids(before).to_vec();
    leave(state, before, config, ids, effects);
}

/// Adds the branch that leaves the run on screen after step `step`, and plays it.
fn leave(state: &mut State, step: u32, config: RunConfig, ids: Vec<u32>, effects: &mut Vec<Effect>) {
    let (Some(live), Some(run)) = (&state.live, state.runs.current()) else { return };
    let ids = match Sampler::resume(&live.spec, config.clone(), step, ids) {
        Ok(sampler) => sampler.ids().to_vec(),
        Err(error) => return runs::message(state, "this branch cannot be made", error.to_string()),
    };
    let id = state.runs.next_id();
    let meta = RunMeta::new(id, config, Arc::new(ModelMeta::from(&live.spec)));
    let timeline = match run.timeline.branch(meta, step, &ids) {
        Ok(timeline) => timeline,
        Err(error) => return runs::message(state, "this branch cannot be made", error.to_string()),
    };
    let prompt = Arc::clone(&run.prompt);
    let branch = Run { playhead: step, first: step, ..Run::new(id, timeline, &prompt) };
    state.runs.push(branch);
    state.diff = true;
    runs::trim(state);
    time::play(state);
    let from = format!("a branch from step {step}; what differs from its parent is underlined (d)");
    notify(state, Level::Info, from);
    time::ask_engine(state, effects);
}
