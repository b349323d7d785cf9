//! One message in, effects out.

mod list;
mod mouse;
mod panels;
mod popup;
mod prompt;
mod runs;
mod scores;
mod search;
mod text;
mod time;
mod whatif;

pub use list::WHAT_IF;
pub(super) use runs::begin;

use super::edits::Edits;
use super::msg::{Effect, Level, Msg};
use super::passage::Shown;
use super::state::{NOTICE, Notice, State};
use super::{Action, Layout};
use crossterm::event::KeyEvent;

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
            None => typed(state, key),
        },
        Msg::Action(action) => act(state, action, &mut effects),
        Msg::Paste(text) => paste(state, &text),
        Msg::Mouse { kind, target } => mouse::update(state, kind, target, &mut effects),
        Msg::Resize(width, height) => state.size = (width, height),
        Msg::Engine(event) => runs::event(state, event),
        Msg::About { model, vocab } => {
            state.model = model;
            state.vocab = Some(vocab);
            state.passage.clear();
        }
        Msg::Run(timeline) => runs::add(state, *timeline),
        Msg::Message { title, text } => runs::message(state, &title, text),
        Msg::Notice(level, text) => notify(state, level, text),
    }
    time::ask_engine(state, &mut effects);
    scores::ask(state, &mut effects);
    refresh(state);
    effects
}

/// A key that is no binding is text where there is something to type into.
fn typed(state: &mut State, key: KeyEvent) {
    match (state.mode(), &mut state.line) {
        (Mode::Prompt, _) => state.prompt.key(key),
        (Mode::Line, Some(line)) => {
            line.key(key);
            search::typed(state);
        }
        _ => {}
    }
}

fn paste(state: &mut State, text: &str) {
    match (state.mode(), &mut state.line) {
        (Mode::Prompt, _) => state.prompt.paste(text),
        (Mode::Line, Some(line)) => {
            line.insert(text);
            search::typed(state);
        }
        _ => {}
    }
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
        Mode::List => list::act(state, action, effects),
        Mode::Line => search::line(state, action),
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
        | Action::WordBefore
        | Action::WordAfter
        | Action::ChangedBefore
        | Action::ChangedAfter
        | Action::LateBefore
        | Action::LateAfter => text::act(state, action),
        Action::Search | Action::SearchAfter | Action::SearchBefore => search::act(state, action),
        Action::Overlay
        | Action::Map
        | Action::Inspector
        | Action::Jumps
        | Action::Charts
        | Action::Panel
        | Action::Ghost
        | Action::Diff => panels::act(state, action),
        Action::Pin | Action::Noise | Action::Swap | Action::Replace | Action::StepReroll | Action::Branch => {
            whatif::act(state, action, effects);
        }
        Action::WhatIf | Action::RunList | Action::Grid => list::open(state, action),
        Action::Prompt => prompt::open(state),
        Action::Copy => copy(state, effects),
        Action::Save => {
            if let Some(run) = state.run() {
                effects.push(Effect::Save(run.id));
            }
        }
        Action::Record => effects.push(Effect::Record),
        Action::Help => popup::open_help(state),
        Action::Close => {
            // One thing at a time, the latest first.
            if state.notice.take().is_some() {
            } else if !state.edits.is_empty() {
                state.edits = Edits::default();
            } else if state.ghost {
                state.ghost = false;
            } else if state.side_asked {
                state.side_asked = false;
            } else {
                state.cursor = None;
            }
        }
        Action::Suspend
        | Action::Quit
        | Action::PromptAccept
        | Action::PromptNewline
        | Action::PromptOlder
        | Action::PromptNewer
        | Action::RowUp
        | Action::RowDown
        | Action::Less
        | Action::More
        | Action::Accept
        | Action::Preset
        | Action::ToldHalf
        | Action::ToldDouble => {}
    }
}

fn copy(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(vocab) = &state.vocab else { return };
    effects.push(Effect::Copy(vocab.decode(state.passage.ids())));
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
    // Edits belong to one frame: the next one is another text.
    if state.edits_at != state.run().map(|run| (run.id, run.playhead)) {
        state.edits = Edits::default();
    }
    let area = state.layout.passage;
    match state.runs.current() {
        Some(run) => {
            let glyphs = if state.looks.glyphs.is_ascii() { Glyphs::Ascii } else { Glyphs::Unicode };
            let against = state.diff.then(|| state.runs.compared(run)).flatten();
            let shown = Shown { run, ghost: state.ghost, edits: &state.edits, against };
            state.passage.set(shown, state.vocab.as_deref(), glyphs, (area.width, area.height));
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
