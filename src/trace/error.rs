//! What can go wrong with traces.

use std::path::{Path, PathBuf};

use crate::text::safe;

/// What can go wrong with a timeline or a trace file.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// A frame that does not continue its run.
    #[error("{0}")]
    Frame(String),
    /// A line of a trace that cannot be used.
    #[error("{}line {line}{}: {problem}", prefix(path.as_deref()), field.as_ref().map(|f| format!(", {f}")).unwrap_or_default())]
    Line {
        /// The file, where known.
        path: Option<PathBuf>,
        /// Its line, from 1.
        line: u64,
        /// The field of the line.
        field: Option<String>,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A file that is not a trace, or cannot be opened or written.
    #[error("{}: {problem}", safe(&path.to_string_lossy()))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do about it.
        problem: String,
    },
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

fn prefix(path: Option<&Path>) -> String {
    path.map(|p| format!("{}, ", safe(&p.to_string_lossy()))).unwrap_or_default()
}
