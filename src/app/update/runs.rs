//! Runs: new ones, changed ones, and what the engine has to say about them.

use std::sync::Arc;

use super::super::Action;
use super::super::grid::GridEditor;
use super::super::msg::{Effect, Level};
use super::super::run::{MEMORY, Run};
use super::super::state::{Load, Popup, State};
use super::{notify, time};
use crate::engine::{Event, Part, RunId};
use crate::flow::{RunConfig, Sampler, SolverKind};
use crate::trace::{Frame, ModelMeta, RunMeta, Score, Timeline};

/// The largest budget.
const MOST_STEPS: usize = 1024;

/// Begins a run: its noise is on screen at once, and it plays.
pub(in crate::app) fn begin(state: &mut State, config: RunConfig, prompt: &str, effects: &mut Vec<Effect>) {
    if let Load::Failed(text) = &state.network {
        let text = text.clone();
        return message(state, "the model cannot be used", text);
    }
    let Some(live) = &state.live else {
        return notify(state, Level::Info, "a replayed trace cannot be run anew".to_owned());
    };
    let noise = match Sampler::new(&live.spec, config.clone()) {
        Ok(sampler) => sampler.noise(),
        Err(error) => return message(state, "this run cannot be made", error.to_string()),
    };
    let id = state.runs.next_id();
    let meta = RunMeta::new(id, config, Arc::new(ModelMeta::from(&live.spec)));
    let timeline = match Timeline::new(meta, noise) {
        Ok(timeline) => timeline,
        Err(error) => return message(state, "this run cannot be made", error.to_string()),
    };
    state.runs.push(Run::new(id, timeline, prompt));
    state.passage.clear();
    time::play(state);
    trim(state);
    time::ask_engine(state, effects);
    super::refresh(state);
}

/// A run made elsewhere.
pub(super) fn add(state: &mut State, timeline: Timeline) {
    let first = state.runs.all().is_empty();
    let on_screen = state.runs.index();
    state.waiting = None;
    state.runs.adopt(timeline);
    // The first of a trace is shown; the others wait their turn.
    if first {
        time::play(state);
    } else {
        state.runs.select(on_screen);
    }
}

/// The oldest runs go when memory is short.
pub(super) fn trim(state: &mut State) {
    let gone = state.runs.trim(MEMORY);
    if gone > 0 {
        let runs = if gone == 1 { "the oldest run was" } else { "the oldest runs were" };
        notify(state, Level::Info, format!("{runs} let go: {} MiB are kept", MEMORY >> 20));
    }
}

pub(super) fn act(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::RunBefore => return select(state, state.runs.index().checked_sub(1)),
        Action::RunAfter => return select(state, Some(state.runs.index() + 1)),
        _ => {}
    }
    let Some((mut config, prompt)) = state.run().map(|r| (r.config.clone(), r.prompt.clone())) else {
        return;
    };
    let steps = config.steps();
    match action {
        Action::BudgetDouble => return budget(state, config, steps * 2, effects),
        Action::BudgetHalve => return budget(state, config, steps / 2, effects),
        Action::BudgetMore => return budget(state, config, steps + 1, effects),
        Action::BudgetLess => return budget(state, config, steps.saturating_sub(1), effects),
        Action::Solver => {
            let all = SolverKind::ALL;
            let at = all.iter().position(|s| *s == config.solver).unwrap_or(0);
            config.solver = all[(at + 1) % all.len()];
        }
        Action::Reroll => config.seed = config.seed.wrapping_add(1),
        _ => {}
    }
    begin(state, config, &prompt, effects);
}

/// A run of another budget from the same noise.
fn budget(state: &mut State, mut config: RunConfig, steps: usize, effects: &mut Vec<Effect>) {
    let steps = steps.clamp(1, MOST_STEPS);
    if steps == config.steps() {
        let end = if steps == 1 { "one step is the least" } else { "1024 steps are the most" };
        return notify(state, Level::Info, end.to_owned());
    }
    // A preset has times for any budget; edited times and salts belong to the steps there were.
    let (grid, lost) = GridEditor::for_budget(&config, steps);
    config.told_dt = grid.told_dt();
    config.grid = grid.times;
    config.salts.clear();
    let prompt = state.run().map(|r| r.prompt.clone()).unwrap_or_default();
    begin(state, config, &prompt, effects);
    if !lost.is_empty() && state.popup.is_none() {
        let lost = lost.join(" and ");
        notify(state, Level::Info, format!("{lost} fit the other budget only: these are equal steps"));
    }
}

/// Puts another run on screen, where it was left.
pub(super) fn select(state: &mut State, index: Option<usize>) {
    if let Some(index) = index.filter(|&i| i < state.runs.all().len()) {
        state.play.on = false;
        state.runs.select(index);
    }
}

/// News from the engine. What belongs to runs that are gone is dropped.
pub(super) fn event(state: &mut State, event: Event) {
    match event {
        Event::Loading { part, fraction } => {
            let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
            *state.load_mut(part) = Load::Loading(fraction);
        }
        Event::Ready { part, precision, .. } => *state.load_mut(part) = Load::Ready(precision),
        Event::Frame { run, frame } => push(state, run, frame),
        Event::Score { run, step, perplexity, nll } => {
            if let Some(run) = state.runs.by_id_mut(run) {
                // A trace may hold the perplexity alone.
                let nll = Some(nll).filter(|nll| !nll.is_empty());
                run.timeline.set_score(step, Score { perplexity, nll });
            }
        }
        Event::GhostScore { run, step, perplexity } => {
            if let Some(run) = state.runs.by_id_mut(run) {
                run.timeline.set_ghost_perplexity(step, perplexity.unwrap_or(f64::NAN));
            }
        }
        Event::Failed { run, part, message } => failed(state, run, part, &message),
    }
}

fn push(state: &mut State, id: RunId, frame: Frame) {
    let on_screen = state.run().is_some_and(|run| run.id == id);
    let Some(run) = state.runs.by_id_mut(id) else { return };
    // Frame 0 is here already, and a run that was taken up again repeats the frame it goes on from.
    if frame.step as usize != run.timeline.len() {
        return;
    }
    if let Err(error) = run.timeline.push(frame) {
        run.failed = Some(error.to_string());
        return message(state, "a frame cannot be used", error.to_string());
    }
    if run.ahead > 0 {
        run.ahead -= 1;
        run.playhead = run.newest();
    }
    if on_screen {
        time::tick(state, state.now);
    }
}

fn failed(state: &mut State, id: Option<RunId>, part: Part, text: &str) {
    match (part, id) {
        (Part::Judge, _) => {
            // Text is written without a judge as well as with one.
            state.judge = Load::Failed(text.to_owned());
            notify(state, Level::Error, format!("no perplexity: {text}"));
        }
        (Part::Model, None) => {
            state.network = Load::Failed(text.to_owned());
            state.play.on = false;
            if let Some(run) = state.runs.current_mut() {
                run.failed = Some(text.to_owned());
            }
            message(state, "the model cannot be used", text.to_owned());
        }
        (Part::Model, Some(id)) => {
            let Some(run) = state.runs.by_id_mut(id) else { return };
            run.failed = Some(text.to_owned());
            let nothing_came = run.newest() == 0;
            // The last good run comes back on screen.
            if nothing_came && state.runs.all().len() > 1 {
                state.runs.remove(id);
            }
            state.play.on = false;
            message(state, "the run failed", text.to_owned());
        }
    }
}

/// Opens a window with something that must be read.
pub(super) fn message(state: &mut State, title: &str, text: String) {
    state.popup_scroll = 0;
    state.popup = Some(Popup::Message { title: title.to_owned(), text });
}
