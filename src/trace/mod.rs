//! Frames, timelines and trace files.

pub mod frame;

pub use frame::{Detail, Frame, Jumps, TOP};
