//! Recordings and exports: everything people share, made from drawn buffers and timelines, without an outside tool.
//!
//! | file | what it makes |
//! |---|---|
//! | [`cast`] | asciicast v2 and v3, from the bytes of [`ansi`] |
//! | [`gif`], [`png`] | pictures of the screen, from the pixels of [`raster`] (glyphs) and [`shapes`] (lines, blocks, dots) |
//! | [`svg`] | a screen as vectors |
//! | [`output`] | files that appear whole or not at all |
//!
//! A [`Recorder`] is fed the buffer that the terminal gets, with the time it was drawn at; it never looks at a clock.

pub mod ansi;
pub mod cast;
pub mod error;
pub mod escape;
pub mod gif;
pub mod look;
pub mod output;
pub mod palette;
pub mod png;
pub mod raster;
pub mod screen;
pub mod shapes;
pub mod svg;

use std::time::Duration;

use ratatui::buffer::Buffer;

pub use error::RecordError;
pub use look::{Look, Rgb};

/// Something that records drawn screens.
pub trait Recorder {
    /// The screen as drawn at `at` (time since the recording began; never goes back, or counts as now).
    fn frame(&mut self, at: Duration, screen: &Buffer) -> Result<(), RecordError>;

    /// Marks a moment, such as a finished step; formats without markers ignore it.
    fn marker(&mut self, at: Duration, label: &str) -> Result<(), RecordError> {
        let _ = (at, label);
        Ok(())
    }

    /// Ends the recording at `at` and flushes everything that was held back.
    fn finish(&mut self, at: Duration) -> Result<(), RecordError>;
}
