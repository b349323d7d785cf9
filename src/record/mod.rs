//! Recordings and exports: everything people share, made from drawn buffers and timelines, without an outside tool.
//!
//! | file | what it makes |
//! |---|---|
//! | [`cast`] | asciicast v2 and v3, from the bytes of [`ansi`] |
//! | [`gif`], [`png`] | pictures of the screen, from the pixels of [`raster`] (glyphs) and [`shapes`] (lines, blocks, dots) |
//! | [`svg`] | a screen as vectors |
//! | [`figure`] | the paper's figure as a drawn screen, for all of the above |
//! | [`tex`], [`html`] | a run as coloured boxes for papers, and as a page to scrub through |
//! | [`output`], [`recording`] | files that appear whole or not at all, and recordings into them |
//! | [`stage`], [`solo`] | the screen on a made-up clock, with an engine that computes in place |
//! | [`tape`] | scripts of keys and waits |
//! | [`transcript`], [`digest`] | what a recording showed, as text and as a number |
//!
//! A [`Recorder`] is fed the buffer that the terminal gets, with the time it was drawn at; it never looks at a clock.

pub mod ansi;
pub mod cast;
pub mod digest;
pub mod error;
pub mod escape;
pub mod figure;
pub mod gif;
pub mod html;
pub mod look;
pub mod output;
pub mod palette;
pub mod png;
pub mod raster;
pub mod recording;
pub mod screen;
pub mod shapes;
pub mod solo;
pub mod stage;
pub mod svg;
pub mod tape;
pub mod tex;
pub mod transcript;

use std::time::Duration;

use ratatui::buffer::Buffer;

pub use error::RecordError;
pub use look::{Look, Rgb};
pub use recording::Recording;

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

/// Hears how far a long export is, and may stop it.
pub trait Progress {
    /// `done` of `total` frames are through; an error (as a rule [`RecordError::Cancelled`]) stops the export.
    fn at(&mut self, done: u64, total: u64) -> Result<(), RecordError>;
}

/// Nobody listens.
impl Progress for () {
    fn at(&mut self, _: u64, _: u64) -> Result<(), RecordError> {
        Ok(())
    }
}
