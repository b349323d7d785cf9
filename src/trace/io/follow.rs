//! Following a trace that another program is still writing.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::MAX_LINE;
use super::file::part_path;
use super::parse::{Item, Parser};
use super::read::TraceReader;
use super::zstd;
use crate::trace::TraceError;

/// How often a followed file is looked at.
pub const POLL: Duration = Duration::from_millis(60);
/// Most bytes read in one look, so that a look at a long file stays short.
const LOOK: u64 = 4 << 20;

/// A file that grows, or will: every look yields the items of the lines that were completed since.
pub struct Follower {
    path: PathBuf,
    /// None until there is one.
    file: Option<File>,
    parser: Parser,
    number: u64,
    /// Bytes read so far.
    offset: u64,
    /// A line of which the end is not there yet.
    rest: Vec<u8>,
}

impl Follower {
    /// Starts at the beginning of the file; where only `PATH.part` exists, of that. A file that does not exist yet is
    /// waited for.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(problem(path, "its folder does not exist"));
        }
        let parser = Parser::new(Some(path.to_owned()));
        let mut follower = Self { path: path.to_owned(), file: None, parser, number: 0, offset: 0, rest: Vec::new() };
        follower.find()?;
        Ok(follower)
    }

    /// Opens the file, if it exists by now.
    fn find(&mut self) -> Result<(), TraceError> {
        for path in [self.path.clone(), part_path(&self.path)] {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(problem(&path, e.to_string())),
            };
            if !file.metadata().is_ok_and(|m| m.is_file()) {
                return Err(problem(&path, "cannot be followed; give a file, or - for standard input"));
            }
            let mut begin = Vec::new();
            (&file)
                .take(zstd::MAGIC.len() as u64)
                .read_to_end(&mut begin)
                .map_err(|e| problem(&path, e.to_string()))?;
            self.parser = Parser::new(Some(path.clone()));
            (self.path, self.file) = (path, Some(file));
            self.offset = begin.len() as u64;
            self.rest = begin;
            return self.check();
        }
        Ok(())
    }

    /// A compressed file is told by its first bytes, once they are there.
    fn check(&self) -> Result<(), TraceError> {
        if self.number == 0 && self.rest.starts_with(&zstd::MAGIC) {
            return Err(problem(&self.path, "is compressed and cannot be followed; replay it instead"));
        }
        Ok(())
    }

    /// The items of the lines completed since the last look; none where nothing happened.
    pub fn look(&mut self) -> Result<Vec<Item>, TraceError> {
        if self.file.is_none() {
            self.find()?;
        }
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        let failed = |e: io::Error| problem(&self.path, e.to_string());
        if file.metadata().map_err(failed)?.len() < self.offset {
            return Err(problem(&self.path, "became shorter while it was followed; follow it anew"));
        }
        let mut new = std::mem::take(&mut self.rest);
        let read = file.take(LOOK).read_to_end(&mut new).map_err(failed)?;
        self.offset += read as u64;
        let mut items = Vec::new();
        for part in new.split_inclusive(|b| *b == b'\n') {
            self.rest.extend_from_slice(part);
            self.check()?;
            if self.rest.len() > MAX_LINE {
                return Err(TraceError::Line {
                    path: Some(self.path.clone()),
                    line: self.number + 1,
                    field: None,
                    problem: format!("longer than {} MiB; this is no trace", MAX_LINE >> 20),
                });
            }
            if part.ends_with(b"\n") {
                self.number += 1;
                items.extend(self.parser.line(self.number, &self.rest)?);
                self.rest.clear();
            }
        }
        Ok(items)
    }

    /// Looks every [`POLL`] on a thread of its own and hands each item to `sink`, until that answers `false` or an error
    /// was handed over.
    pub fn spawn(mut self, mut sink: impl FnMut(Result<Item, TraceError>) -> bool + Send + 'static) -> JoinHandle<()> {
        thread::spawn(move || {
            loop {
                match self.look() {
                    Ok(items) => {
                        let idle = items.is_empty();
                        if !items.into_iter().all(|item| sink(Ok(item))) {
                            return;
                        }
                        if idle {
                            thread::sleep(POLL);
                        }
                    }
                    Err(error) => {
                        sink(Err(error));
                        return;
                    }
                }
            }
        })
    }
}

fn problem(path: &Path, problem: impl Into<String>) -> TraceError {
    TraceError::File { path: path.to_owned(), problem: problem.into() }
}

/// Reads a stream, such as standard input, on a thread of its own and hands each item to `sink` as soon as its line is
/// whole, until the stream ends, `sink` answers `false` or an error was handed over.
pub fn follow_stream(
    input: impl Read + Send + 'static,
    mut sink: impl FnMut(Result<Item, TraceError>) -> bool + Send + 'static,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut reader = TraceReader::new(BufReader::new(input), None);
        loop {
            match reader.next_item() {
                Ok(None) => return,
                Ok(Some(item)) => {
                    if !sink(Ok(item)) {
                        return;
                    }
                }
                Err(error) => {
                    sink(Err(error));
                    return;
                }
            }
        }
    })
}
