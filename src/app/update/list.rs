//! Windows with rows to choose from and values to change: the runs, what-if, and the editor of times.

use super::super::Action;
use super::super::grid::GridEditor;
use super::super::msg::{Effect, Level};
use super::super::state::{Popup, State};
use super::{notify, runs, whatif};
use crate::flow::SolverKind;

/// Rows of the what-if list.
pub const WHAT_IF: [&str; 4] = ["noise of the next step", "solver", "temperature", "top-p"];

/// Opens one of them.
pub(super) fn open(state: &mut State, action: Action) {
    state.row = 0;
    match action {
        Action::RunList => {
            let at = state.runs.index();
            state.row = state.runs.tree().iter().position(|(index, _)| *index == at).unwrap_or(0);
            state.popup = Some(Popup::Runs);
        }
        Action::WhatIf => {
            if whatif::touch(state) {
                state.popup = Some(Popup::WhatIf);
            }
        }
        _ => {
            let Some(run) = state.run() else { return };
            if state.live.is_none() {
                return notify(state, Level::Info, "a replayed trace cannot be run anew".to_owned());
            }
            let editor = GridEditor::new(&run.config);
            state.play.on = false;
            state.popup = Some(Popup::Grid(editor));
        }
    }
}

pub(super) fn act(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    if action == Action::Close {
        state.popup = None;
        return;
    }
    match state.popup {
        Some(Popup::Runs) => run_list(state, action),
        Some(Popup::WhatIf) => what_if(state, action, effects),
        Some(Popup::Grid(_)) => grid(state, action, effects),
        _ => {}
    }
}

/// Moves the chosen row among so many.
fn choose(state: &mut State, action: Action, rows: usize) {
    let last = rows.saturating_sub(1);
    state.row = match action {
        Action::RowUp => state.row.saturating_sub(1),
        Action::RowDown => state.row + 1,
        Action::First => 0,
        Action::Last => last,
        _ => state.row,
    }
    .min(last);
}

fn run_list(state: &mut State, action: Action) {
    choose(state, action, state.runs.all().len());
    if action == Action::Accept {
        let row = state.row;
        go_to_run(state, row);
    }
}

/// Puts the run of a row on screen.
pub(super) fn go_to_run(state: &mut State, row: usize) {
    if let Some(&(index, _)) = state.runs.tree().get(row) {
        state.popup = None;
        runs::select(state, Some(index));
    }
}

fn what_if(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    choose(state, action, WHAT_IF.len());
    let by = match action {
        Action::Less => -1,
        Action::More => 1,
        Action::Accept => {
            state.popup = None;
            return whatif::branch(state, effects);
        }
        _ => return,
    };
    let Some(config) = state.run().map(|run| run.config.clone()) else { return };
    let edits = &mut state.edits;
    match state.row {
        0 => edits.reroll = !edits.reroll,
        1 => {
            let all = SolverKind::ALL;
            let now = edits.solver.unwrap_or(config.solver);
            let at = all.iter().position(|s| *s == now).unwrap_or(0);
            let next = all[(at + all.len()).saturating_add_signed(by) % all.len()];
            edits.solver = (next != config.solver).then_some(next);
        }
        2 => edits.temperature = stepped(edits.temperature, config.temperature, by as f64 * 0.1, (0.1, 3.0)),
        _ => edits.top_p = stepped(edits.top_p, config.top_p, by as f64 * 0.05, (0.05, 1.0)),
    }
}

/// A value a step further, to two decimals; nothing where it comes back to what the run has.
fn stepped(now: Option<f64>, own: f64, by: f64, (least, most): (f64, f64)) -> Option<f64> {
    let next = ((now.unwrap_or(own) + by) * 100.0).round() / 100.0;
    let next = next.clamp(least, most);
    ((next - own).abs() > 1e-9).then_some(next)
}

fn grid(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let Some(Popup::Grid(editor)) = &mut state.popup else { return };
    let nudge = 1.0 / 64.0_f64.max(editor.steps() as f64 * 8.0);
    match action {
        Action::RowUp => editor.choose(-1),
        Action::RowDown => editor.choose(1),
        Action::First => editor.choose(isize::MIN),
        Action::Last => editor.choose(isize::MAX),
        Action::Less => editor.nudge(-nudge),
        Action::More => editor.nudge(nudge),
        Action::Preset => editor.next_preset(),
        Action::ToldHalf => editor.tell(-1),
        Action::ToldDouble => editor.tell(1),
        Action::Accept => {
            let editor = editor.clone();
            state.popup = None;
            run_grid(state, &editor, effects);
        }
        _ => {}
    }
}

/// A run on the edited times, from the same noise.
fn run_grid(state: &mut State, editor: &GridEditor, effects: &mut Vec<Effect>) {
    let Some((mut config, prompt)) = state.run().map(|r| (r.config.clone(), r.prompt.clone())) else {
        return;
    };
    config.grid.clone_from(&editor.times);
    config.told_dt = editor.told_dt();
    config.salts.clear();
    runs::begin(state, config, &prompt, effects);
}
