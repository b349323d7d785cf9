//! The top-level error: one line for the user, and an exit code.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use crate::model::ModelError;

/// Why the program ends early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something given to the program cannot be used: arguments, files, settings. Exit code 2.
    #[error("{0}")]
    Input(String),
    /// Something failed while running. Exit code 1.
    #[error("{0}")]
    Run(String),
    /// Ctrl-C without a screen. Exit code 130.
    #[error("interrupted")]
    Interrupted,
    /// Whoever read our output has gone, which is how pipes end. Exit code 0.
    #[error("output closed")]
    Closed,
}

impl Error {
    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Closed => ExitCode::SUCCESS,
            Self::Run(_) => ExitCode::from(1),
            Self::Input(_) => ExitCode::from(2),
            Self::Interrupted => ExitCode::from(130),
        }
    }

    /// An error in what was given to the program.
    pub fn input(error: impl Display) -> Self {
        Self::Input(error.to_string())
    }

    /// An error while running.
    pub fn run(error: impl Display) -> Self {
        Self::Run(error.to_string())
    }

    /// An error of a model while running, where cancelling is what Ctrl-C does.
    pub fn model(error: &ModelError) -> Self {
        match error {
            ModelError::Cancelled => Self::Interrupted,
            other => Self::run(other),
        }
    }

    /// An error while writing output to `what`.
    pub fn output(what: impl Display, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Run(format!("{what}: {error}; check that it is writable and that the disk has room"))
        }
    }
}
