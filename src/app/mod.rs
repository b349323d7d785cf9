//! The screen's state and how it changes: [`update()`] is pure. It does no IO and reads no clock; time comes in as
//! [`Msg::Tick`], and whatever the outside must do goes out as an [`Effect`].
//!
//! ```text
//! Msg ── update::update ──┬─ time    playhead, play, speed
//!                         ├─ runs    new runs, budgets, solvers, frames and scores that arrive
//!                         ├─ text    token cursor, scrolling
//!                         ├─ search  a line to search the text
//!                         ├─ panels  overlays, the panel below the gauges, ghost and diff
//!                         ├─ whatif  edits of a frame, and the branch that goes on from them
//!                         ├─ list    the list of runs, the what-if list, the editor of times
//!                         ├─ scores  frames the judge is asked about
//!                         ├─ prompt  the prompt editor
//!                         ├─ popup   help and messages
//!                         └─ mouse   clicks and drags, told what they hit
//! ```
//!
//! [`Session`] puts a state, a size and the views together for whoever drives them: the terminal, a replay, a tape.

pub mod action;
pub mod edits;
pub mod grid;
pub mod layout;
pub mod line;
pub mod msg;
pub mod overlay;
pub mod passage;
pub mod prompt;
pub mod run;
pub mod session;
pub mod state;
pub mod update;

pub use action::Action;
pub use layout::Layout;
pub use msg::{Effect, Level, MouseKind, Msg, Target};
pub use overlay::Overlay;
pub use run::{Run, Runs};
pub use session::Session;
pub use state::{Side, State};
pub use update::update;
