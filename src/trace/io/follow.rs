//! Following a trace that another program is still writing.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
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

/// A file that grows: every look yields the items of the lines that were completed since.
pub struct Follower {
    path: PathBuf,
    file: File,
    parser: Parser,
    number: u64,
    /// Bytes read so far.
    offset: u64,
    /// A line of which the end is not there yet.
    rest: Vec<u8>,
}

impl Follower {
    /// Starts at the beginning of the file; where only `PATH.part` exists, of that.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let part = part_path(path);
        let path = if !path.exists() && part.exists() { part } else { path.to_owned() };
        let failed = |problem: String| TraceError::File { path: path.clone(), problem };
        let mut file = File::open(&path).map_err(|e| failed(format!("{e}; start the program that writes it first")))?;
        if !file.metadata().is_ok_and(|m| m.is_file()) {
            return Err(failed("cannot be followed; give a file, or - for standard input".into()));
        }
        let mut magic = [0; 4];
        if file.read_exact(&mut magic).is_ok() && magic == zstd::MAGIC {
            return Err(failed("is compressed and cannot be followed; replay it when it is whole".into()));
        }
        file.seek(SeekFrom::Start(0)).map_err(|e| failed(e.to_string()))?;
        let parser = Parser::new(Some(path.clone()));
        Ok(Self { path, file, parser, number: 0, offset: 0, rest: Vec::new() })
    }

    /// The items of the lines completed since the last look; none where nothing happened.
    pub fn look(&mut self) -> Result<Vec<Item>, TraceError> {
        let failed = |problem: String| TraceError::File { path: self.path.clone(), problem };
        let len = self.file.metadata().map_err(|e| failed(e.to_string()))?.len();
        if len < self.offset {
            return Err(failed("became shorter while it was followed; follow it anew".into()));
        }
        let mut new = Vec::new();
        let read = self.file.by_ref().take(LOOK).read_to_end(&mut new).map_err(|e| failed(e.to_string()))?;
        self.offset += read as u64;
        let mut items = Vec::new();
        for part in new.split_inclusive(|b| *b == b'\n') {
            self.rest.extend_from_slice(part);
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
