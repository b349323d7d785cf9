//! Output files that appear whole or not at all.
//!
//! Everything is written to a file beside the target and renamed at the end, so that a full disk, an error or Ctrl-C
//! never leaves half a file under the name that was asked for. An export that fails removes what it wrote; a recording
//! keeps it, because half a recording is still worth having: `demo.cast` cut short by a crash stays as
//! `demo.XXXXXX.part.cast`, and plays.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use super::RecordError;

/// What becomes of the unfinished file when the writer goes away early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// It is removed (exports).
    Remove,
    /// It stays beside the target (recordings).
    Keep,
}

/// A file being written; it gets its name in [`Output::commit`].
#[derive(Debug)]
pub struct Output {
    file: NamedTempFile,
    target: PathBuf,
    force: bool,
}

impl Output {
    /// Starts writing `target`. Without `force`, a name that exists is refused before any work is done.
    pub fn create(target: &Path, force: bool, unfinished: Unfinished) -> Result<Self, RecordError> {
        let named = |error: io::Error| RecordError::from(error).at(target);
        let Some(name) = target.file_name() else {
            return Err(named(io::ErrorKind::IsADirectory.into()));
        };
        match target.symlink_metadata() {
            Ok(meta) if meta.is_dir() => return Err(named(io::ErrorKind::IsADirectory.into())),
            Ok(_) if !force => return Err(named(io::ErrorKind::AlreadyExists.into())),
            _ => {}
        }
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let stem = Path::new(name).file_stem().unwrap_or(name);
        let mut prefix = stem.to_owned();
        prefix.push(".");
        let mut suffix = std::ffi::OsString::from(".part");
        if let Some(extension) = target.extension() {
            suffix.push(".");
            suffix.push(extension);
        }
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(&suffix).disable_cleanup(unfinished == Unfinished::Keep);
        // The temporary file becomes the real one: it needs the permissions that any new file gets here.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(named)?;
        Ok(Self { file, target: target.to_owned(), force })
    }

    /// The name the file will have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The name it has until then.
    pub fn partial(&self) -> &Path {
        self.file.path()
    }

    /// A second handle on the file, for writers that take theirs by value.
    pub fn handle(&self) -> Result<File, RecordError> {
        self.file.as_file().try_clone().map_err(|error| RecordError::from(error).at(&self.target))
    }

    /// Gives the file its name. Another program may have taken it meanwhile: without force, that one wins.
    pub fn commit(self) -> Result<(), RecordError> {
        let Self { mut file, target, force } = self;
        let done = file.flush().and_then(|()| {
            if force {
                file.persist(&target).map(drop).map_err(|error| error.error)
            } else {
                file.persist_noclobber(&target).map(drop).map_err(|error| error.error)
            }
        });
        done.map_err(|error| RecordError::from(error).at(&target))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
