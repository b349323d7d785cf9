//! What can go wrong while recording or exporting.

use std::io;
use std::path::{Path, PathBuf};

/// An error of a recording or an export: one line, with the file and the way out.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Writing failed somewhere that does not know its file; [`RecordError::at`] adds it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A file that cannot be written or read.
    #[error("{}: {problem}; {fix}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What the user can do.
        fix: String,
    },
    /// A screen or picture that the format cannot hold.
    #[error("{0}")]
    Size(String),
    /// A request that makes no sense, such as a step that the trace does not have.
    #[error("{0}")]
    Request(String),
    /// A mistake in a tape.
    #[error("{}:{line}:{column}: {problem}", tape.display())]
    Tape {
        /// The tape's name.
        tape: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// The user stopped it.
    #[error("cancelled; nothing was written")]
    Cancelled,
}

impl RecordError {
    /// Names the file an input/output error belongs to; other errors pass through.
    #[must_use]
    pub fn at(self, path: &Path) -> Self {
        let Self::Io(error) = self else { return self };
        let (problem, fix) = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ("the disk is full".to_owned(), "free some space or write elsewhere")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ("no permission to write here".to_owned(), "choose another folder")
            }
            io::ErrorKind::NotFound => ("the folder does not exist".to_owned(), "create it first"),
            io::ErrorKind::AlreadyExists => {
                ("exists already".to_owned(), "choose another name, or --force to replace it")
            }
            io::ErrorKind::IsADirectory => ("is a folder".to_owned(), "give a file name"),
            _ => (error.to_string(), "choose another place"),
        };
        Self::File { path: path.to_owned(), problem, fix: fix.to_owned() }
    }
}
