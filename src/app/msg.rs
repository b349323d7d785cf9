//! What comes in and what goes out.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::KeyEvent;

use super::Action;
use crate::engine::{Command, Event, RunId};
use crate::text::Vocab;
use crate::trace::Timeline;

/// Something that happened.
#[derive(Debug)]
pub enum Msg {
    /// Time has come this far since the start.
    Tick(Duration),
    /// A key was pressed.
    Key(KeyEvent),
    /// An action was asked for by other means than a key.
    Action(Action),
    /// Something was pasted.
    Paste(String),
    /// The mouse did something.
    Mouse {
        /// What it did.
        kind: MouseKind,
        /// What is drawn there.
        target: Option<Target>,
    },
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// News from the engine.
    Engine(Event),
    /// What a trace that is still being written now says of its model and its tokens.
    About {
        /// Name of the model.
        model: String,
        /// Text of the ids, as far as it is told.
        vocab: Arc<Vocab>,
    },
    /// A run that was made elsewhere: replayed, or followed.
    Run(Box<Timeline>),
    /// Something that must be read: a window that stays until it is closed.
    Message {
        /// In one word or two.
        title: String,
        /// In full.
        text: String,
    },
    /// What an effect came to, or anything else worth a line.
    Notice(Level, String),
}

/// What the mouse did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouseKind {
    /// The left button went down.
    Down,
    /// The mouse moved with the left button down.
    Drag,
    /// The left button went up.
    Up,
    /// The wheel turned up.
    WheelUp,
    /// The wheel turned down.
    WheelDown,
}

/// What is drawn at a place of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A token of the passage.
    Token(u32),
    /// The passage, beside its text.
    Passage,
    /// A step, in the timeline or in a chart.
    Step(u32),
    /// A place of the convergence map.
    Cell {
        /// The first position it stands for.
        position: u32,
        /// The first step it stands for.
        step: u32,
    },
    /// A row of a list.
    Row(usize),
    /// A time in the editor of times, in thousandths.
    Time(u16),
    /// A hint of the bottom line.
    Key(Action),
    /// A window, its text included.
    Popup,
}

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It went well.
    Info,
    /// It did not.
    Error,
}

/// Something the outside must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell the engine.
    Engine(Command),
    /// Put this text on the clipboard.
    Copy(String),
    /// Write a trace of a run and its relatives to a file.
    Save(RunId),
    /// Start recording the screen, or stop.
    Record,
    /// Suspend to the shell.
    Suspend,
    /// Leave.
    Quit,
}
