//! What the colours mean, which panels there are, and what the text is held against.

use super::super::Action;
use super::super::msg::Level;
use super::super::state::{Side, State};
use super::notify;

pub(super) fn act(state: &mut State, action: Action) {
    match action {
        Action::Overlay => {
            state.overlay = state.overlay.next();
            let known = state.run().is_none_or(|run| state.overlay.is_known(run));
            let label = state.overlay.label();
            let unknown = if known { "" } else { ", which is not known for this frame" };
            notify(state, Level::Info, format!("colours: {label}{unknown}"));
        }
        Action::Map => state.map = !state.map,
        Action::Inspector => show(state, Side::Token),
        Action::Jumps => show(state, Side::Jumps),
        Action::Charts => charts(state),
        Action::Panel => {
            let next = match state.side {
                Side::Off | Side::Charts => Side::Token,
                Side::Token => Side::Jumps,
                Side::Jumps => Side::Charts,
            };
            (state.side, state.side_asked) = (next, true);
        }
        Action::Ghost => ghost(state),
        Action::Diff => {
            state.diff = !state.diff;
            let with = state.run().and_then(|run| state.runs.compared(run)).map(|other| other.id);
            let text = match (state.diff, with) {
                (false, _) => "differences are not marked".to_owned(),
                (true, Some(id)) => format!("underlined: what differs from run {}", place(state, id)),
                (true, None) => "there is no other run to differ from yet".to_owned(),
            };
            notify(state, Level::Info, text);
        }
        _ => {}
    }
}

/// Shows what the text would be if the sampler stopped here, or the text again.
fn ghost(state: &mut State) {
    state.ghost = !state.ghost;
    let Some(run) = state.run().filter(|run| state.ghost && run.ghost().is_none()) else { return };
    if run.playhead < run.newest() {
        // The next step was taken, and its posterior was not kept: it never will be known.
        state.ghost = false;
        let why = "this trace does not tell (write it with --detail)";
        return notify(state, Level::Info, why.to_owned());
    }
    let why = "not known yet: the next step tells what the text would be if the sampler stopped here";
    notify(state, Level::Info, why.to_owned());
}

/// The number of a run on screen, from 1.
fn place(state: &State, id: crate::engine::RunId) -> usize {
    state.runs.all().iter().position(|run| run.id == id).map_or(0, |i| i + 1)
}

/// Shows the charts, then those there was no room for; after the last, hides them.
fn charts(state: &mut State) {
    let there = state.layout.lower.filter(|_| state.side == Side::Charts);
    let next = there.and_then(|area| crate::ui::charts_after(area, state.chart));
    state.chart = next.unwrap_or(0);
    if next.is_none() {
        show(state, Side::Charts);
    }
}

/// Shows a panel; if it is there already, hides it.
fn show(state: &mut State, side: Side) {
    let there = state.side == side && state.layout.lower.is_some();
    (state.side, state.side_asked) = if there { (Side::Off, false) } else { (side, true) };
}
