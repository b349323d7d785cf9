//! The terminal: taking it over and giving it back on every way out, what it can show, its clipboard, its signals.
//!
//! Keys are read from standard input where that is a terminal; where it is a pipe (`--prompt -`), crossterm reads
//! them from `/dev/tty`.

pub mod caps;
pub mod guard;
pub mod signals;

pub use caps::Capabilities;
pub use guard::{Guard, Options};
