//! One message in, effects out.

mod mouse;
mod popup;
mod prompt;
mod runs;
mod text;
mod time;

pub(super) use runs::begin;

use super::msg::{Effect, Level, Msg};
use super::state::{NOTICE, Notice, Side, State};
use super::{Action, Layout};
use crate::config::{Chord, Mode};
use crate::text::Glyphs;
use crate::trace::ChangeMap;

/// Changes the state by one message; what the outside must do comes back.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let mut effects = Vec::new();
    match msg {
        Msg::Tick(now) => time::tick(state, now),
        Msg::Key(key) => match state.looks.keymap.action(state.mode(), Chord::of(key)) {
            Some(action) => act(state, action, &mut effects),
            None if state.mode() == Mode::Prompt => state.prompt.key(key),
            None => {}
        },
        Msg::Action(action) => act(state, action, &mut effects),
        Msg::Paste(text) => state.prompt.paste(&text),
        Msg::Mouse { kind, target } => mouse::update(state, kind, target, &mut effects),
        Msg::Resize(width, height) => state.size = (width, height),
        Msg::Engine(event) => runs::event(state, event),
        Msg::About { model, vocab } => {
            state.model = model;
            state.vocab = Some(vocab);
            state.passage.clear();
        }
        Msg::Run(timeline) => runs::add(state, *timeline),
        Msg::Notice(level, text) => notify(state, level, text),
    }
    time::ask_engine(state, &mut effects);
    refresh(state);
    effects
}

/// An action, in whatever mode.
fn act(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Suspend => return effects.push(Effect::Suspend),
        Action::Quit => return effects.push(Effect::Quit),
        _ => {}
    }
    match state.mode() {
        Mode::Popup => popup::act(state, action),
        Mode::Prompt => prompt::act(state, action, effects),
        Mode::Main => main(state, action, effects),
    }
}

/// An action on the screen itself.
fn main(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Play
        | Action::StepBack
        | Action::StepForward
        | Action::First
        | Action::Last
        | Action::Digit(_)
        | Action::Slower
        | Action::Faster
        | Action::Loop => time::act(state, action),
        Action::BudgetDouble
        | Action::BudgetHalve
        | Action::BudgetMore
        | Action::BudgetLess
        | Action::Solver
        | Action::Reroll
        | Action::Restart
        | Action::RunBefore
        | Action::RunAfter => runs::act(state, action, effects),
        Action::CursorLeft
        | Action::CursorRight
        | Action::CursorUp
        | Action::CursorDown
        | Action::PageUp
        | Action::PageDown
        | Action::Overlay => text::act(state, action),
        Action::Prompt => prompt::open(state),
        Action::Map => state.map = !state.map,
        Action::Inspector => {
            state.side = match state.side {
                Side::Off => Side::Token,
                Side::Token => Side::Off,
            }
        }
        Action::Copy => copy(state, effects),
        Action::Save => {
            if let Some(run) = state.run() {
                effects.push(Effect::Save(run.id));
            }
        }
        Action::Record => effects.push(Effect::Record),
        Action::Help => popup::open_help(state),
        Action::Close => {
            if state.notice.take().is_none() {
                state.cursor = None;
            }
        }
        Action::Suspend
        | Action::Quit
        | Action::PromptAccept
        | Action::PromptNewline
        | Action::PromptOlder
        | Action::PromptNewer => {}
    }
}

fn copy(state: &mut State, effects: &mut Vec<Effect>) {
    let (Some(run), Some(vocab)) = (state.run(), &state.vocab) else {
        return;
    };
    effects.push(Effect::Copy(vocab.decode(&run.timeline.ids(run.playhead))));
}

/// Shows a line for a while.
pub(super) fn notify(state: &mut State, level: Level, text: String) {
    let until = state.now + NOTICE;
    state.notice = Some(Notice { level, text, until });
}

/// Brings what is derived up to date: the layout, and the lines of the text.
fn refresh(state: &mut State) {
    let (width, height) = state.size;
    state.layout = Layout::new(width, height, state.wanted());
    let area = state.layout.passage;
    match state.runs.current() {
        Some(run) => {
            let glyphs = if state.looks.glyphs.is_ascii() { Glyphs::Ascii } else { Glyphs::Unicode };
            let frame = (run.id, &run.timeline, run.playhead);
            state.passage.set(frame, state.vocab.as_deref(), glyphs, (area.width, area.height));
        }
        None => state.passage.clear(),
    }
    refresh_map(state);
}

/// The map grows with its run; another run or another size makes a new one.
fn refresh_map(state: &mut State) {
    let (Some(area), Some(run)) = (state.layout.map, state.runs.current()) else {
        state.changes = None;
        return;
    };
    let key = (run.id, area.width, area.height);
    match &mut state.changes {
        Some((kept, map)) if *kept == key => map.update(&run.timeline),
        changes => {
            let inner = crate::ui::map_area(area, run.steps());
            let map = ChangeMap::new(&run.timeline, usize::from(inner.width), usize::from(inner.height));
            *changes = Some((key, map));
        }
    }
}
