//! Asking the judge about texts that are not scored by themselves: frames of older runs, and ghosts.

use super::super::msg::Effect;
use super::super::state::{Load, State};
use crate::engine::{Ask, Command};

pub(super) fn ask(state: &mut State, effects: &mut Vec<Effect>) {
    let (Some(live), Some(run)) = (&state.live, state.runs.current()) else { return };
    if matches!(state.judge, Load::Absent | Load::Failed(_)) {
        return;
    }
    let (id, step) = (run.id, run.playhead);
    let mut wanted = Vec::new();
    // The engine scores the frames of the run it works on, but not those that came before it.
    let unseen = live.engine_run != Some(id) || step < run.first;
    if unseen && run.timeline.score(step).is_none() {
        wanted.push((false, run.timeline.ids(step)));
    }
    // At the end the ghost is the text itself, and so is its score.
    if state.ghost
        && step < run.steps()
        && run.timeline.ghost_perplexity(step).is_none()
        && let Some(ids) = run.ghost()
    {
        wanted.push((true, ids));
    }
    for (ghost, ids) in wanted {
        if state.score_asked.insert((id, step, ghost)) {
            let ask = Ask { run: id, step, ids, prompt_len: run.prompt_len(), ghost };
            effects.push(Effect::Engine(Command::Score(ask)));
        }
    }
}
