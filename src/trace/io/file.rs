//! Trace files that appear whole.
//!
//! While a run goes on, its lines are written to `NAME.part`, each at once, where `follow` and `replay` can read them;
//! [`TraceFile::finish`] gives the file its name. What was at that name stays until then, and a crash leaves a
//! `NAME.part` that opens up to its last whole frame. A name that ends in `.zst` is compressed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::parse::Header;
use super::write::{TraceWriter, WriteOptions};
use super::zstd::ZstdWriter;
use crate::text::Vocab;
use crate::trace::{Timeline, TraceError};

/// A trace file being written.
pub struct TraceFile {
    path: PathBuf,
    /// Where the lines go until the end; `None` where that is `path` itself, a pipe or a device.
    part: Option<PathBuf>,
    force: bool,
    writer: TraceWriter<Sink>,
}

enum Sink {
    Plain(File),
    Zstd(ZstdWriter<File>),
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(data),
            Self::Zstd(zstd) => zstd.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Zstd(zstd) => zstd.flush(),
        }
    }
}

/// `NAME.part`.
pub fn part_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    name.into()
}

fn problem(path: &Path, problem: impl Into<String>) -> TraceError {
    TraceError::File { path: path.to_owned(), problem: problem.into() }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> TraceError + '_ {
    move |error| problem(path, format!("{error}; the trace is not written"))
}

impl TraceFile {
    /// Begins a trace at `path`. An existing file is kept, and an error, unless `force`.
    pub fn create(
        path: &Path,
        force: bool,
        header: &Header,
        vocab: Arc<Vocab>,
        options: WriteOptions,
    ) -> Result<Self, TraceError> {
        let existing = fs::metadata(path).ok();
        if existing.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(problem(path, "is a folder; give the name of a file"));
        }
        // A pipe or a device is written to as it is.
        let part = existing.as_ref().is_none_or(fs::Metadata::is_file).then(|| part_path(path));
        if part.is_some() && existing.is_some() && !force {
            return Err(problem(path, "exists; choose another name, or --force"));
        }
        let mut open = OpenOptions::new();
        open.write(true);
        let file = match &part {
            None => open.open(path).map_err(failed(path))?,
            Some(part) => {
                if force {
                    open.create(true).truncate(true);
                } else {
                    open.create_new(true);
                }
                open.open(part).map_err(|e| match e.kind() {
                    io::ErrorKind::AlreadyExists => problem(
                        part,
                        "exists: another run writes it, or one was cut off; replay it, remove it, or --force",
                    ),
                    _ => failed(path)(e),
                })?
            }
        };
        let zstd = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zst"));
        let sink = if zstd { Sink::Zstd(ZstdWriter::new(file)) } else { Sink::Plain(file) };
        let writer = TraceWriter::new(sink, header, vocab, options).map_err(failed(path))?;
        Ok(Self { path: path.to_owned(), part, force, writer })
    }

    /// Writes the lines.
    pub fn writer(&mut self) -> &mut TraceWriter<impl Write + use<>> {
        &mut self.writer
    }

    /// Ends the trace and gives the file its name.
    pub fn finish(self) -> Result<(), TraceError> {
        let Self { path, part, force, writer } = self;
        let file = match writer.into_inner() {
            Sink::Plain(file) => file,
            Sink::Zstd(zstd) => zstd.finish().map_err(failed(&path))?,
        };
        let Some(part) = part else { return Ok(()) };
        // A name must not appear before its bytes are on disk.
        file.sync_all().map_err(failed(&path))?;
        if !force && path.exists() {
            return Err(problem(&path, format!("appeared meanwhile; the trace is in {}", part.display())));
        }
        fs::rename(&part, &path).map_err(failed(&path))
    }

    /// Gives up and removes what was written.
    pub fn abandon(self) {
        if let Some(part) = &self.part {
            // Nothing better can be done about a file that cannot be removed.
            fs::remove_file(part).ok();
        }
    }
}

/// Saves runs that are in memory; nothing is left behind where that fails.
pub fn save<'a>(
    path: &Path,
    force: bool,
    header: &Header,
    vocab: Arc<Vocab>,
    runs: impl IntoIterator<Item = &'a Timeline>,
    options: WriteOptions,
) -> Result<(), TraceError> {
    let mut file = TraceFile::create(path, force, header, vocab, options)?;
    for run in runs {
        if let Err(error) = file.writer.timeline(run) {
            file.abandon();
            return Err(failed(path)(error));
        }
    }
    file.finish()
}
