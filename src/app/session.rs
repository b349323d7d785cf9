//! A state, and the views that draw it: what the terminal, a replay and a tape drive alike.

use std::time::Duration;

use crossterm::event::{Event, KeyEventKind, MouseButton, MouseEventKind};
use ratatui::buffer::Buffer;

use super::msg::{Effect, MouseKind, Msg};
use super::state::State;
use super::update::update;
use crate::ui::{self, HitMap};

/// A screen without a terminal: messages in, effects and cells out. Time is whatever the caller says it is.
#[derive(Debug)]
pub struct Session {
    state: State,
    hits: HitMap,
    dirty: bool,
}

impl Session {
    /// A session on a screen of `width` × `height`.
    pub fn new(state: State, width: u16, height: u16) -> Self {
        let mut session = Self { state, hits: HitMap::default(), dirty: true };
        session.handle(Duration::ZERO, Msg::Resize(width, height));
        session
    }

    /// What it shows.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state, to begin runs or set options with.
    pub fn state_mut(&mut self) -> &mut State {
        self.dirty = true;
        &mut self.state
    }

    /// Takes in a message at time `now`.
    pub fn handle(&mut self, now: Duration, msg: Msg) -> Vec<Effect> {
        self.dirty = true;
        let mut effects = update(&mut self.state, Msg::Tick(now));
        if !matches!(msg, Msg::Tick(_)) {
            effects.extend(update(&mut self.state, msg));
        }
        effects
    }

    /// Takes in what the terminal reports; the mouse is told what it hit on the screen last drawn.
    pub fn input(&mut self, now: Duration, event: &Event) -> Vec<Effect> {
        let msg = match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => Msg::Key(*key),
            Event::Paste(text) => Msg::Paste(text.clone()),
            Event::Resize(width, height) => Msg::Resize(*width, *height),
            Event::Mouse(mouse) => {
                let kind = match mouse.kind {
                    MouseEventKind::Down(MouseButton::Left) => MouseKind::Down,
                    MouseEventKind::Drag(MouseButton::Left) => MouseKind::Drag,
                    MouseEventKind::Up(MouseButton::Left) => MouseKind::Up,
                    MouseEventKind::ScrollUp => MouseKind::WheelUp,
                    MouseEventKind::ScrollDown => MouseKind::WheelDown,
                    _ => return Vec::new(),
                };
                Msg::Mouse { kind, target: self.hits.at(mouse.column, mouse.row) }
            }
            _ => return Vec::new(),
        };
        self.handle(now, msg)
    }

    /// When it wants to be called next, if nothing else happens.
    pub fn wake_at(&self) -> Option<Duration> {
        self.state.wake_at()
    }

    /// Whether anything has happened since it was drawn.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Draws the screen; `buffer` may be of any size.
    pub fn draw(&mut self, buffer: &mut Buffer) -> &HitMap {
        self.dirty = false;
        self.hits = ui::draw(&self.state, buffer);
        &self.hits
    }
}
