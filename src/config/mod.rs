//! What users may change: colours and keys. Both are data in `assets/`, patched by a user's file.

pub mod color;
pub mod glyphs;
pub mod keys;
pub mod theme;

pub use glyphs::Glyphs;
pub use keys::{Chord, Keymap, Mode};
pub use theme::{Depth, Theme};

/// A configuration file that cannot be used as it is.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{file}: {problem}; {fix}")]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub problem: String,
    /// What the user can do.
    pub fix: String,
}

impl ConfigError {
    /// An error in `file`.
    pub fn new(file: &str, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { file: file.to_owned(), problem: problem.into(), fix: fix.into() }
    }
}
