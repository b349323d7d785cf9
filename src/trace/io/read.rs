//! Reading traces, from files and streams.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::part_path;
use super::parse::{Header, Item, Parser};
use super::problem::is_cut_off;
use super::zstd::{self, ZstdReader};
use super::{MAX_LINE, diffusers};
use crate::text::{Vocab, safe};
use crate::trace::{RunMeta, Score, Timeline, TraceError};

/// Yields the items of a trace one by one, in memory bounded by its longest line.
pub struct TraceReader<R> {
    input: R,
    parser: Parser,
    path: Option<PathBuf>,
    number: u64,
    line: Vec<u8>,
    ready: std::vec::IntoIter<Item>,
    notice: Option<String>,
    done: bool,
}

impl TraceReader<Box<dyn BufRead>> {
    /// Opens a trace file, plain or zstd; where only `PATH.part` exists, that.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let part = part_path(path);
        let path = if !path.exists() && part.exists() { &part } else { path };
        let input = open_plain(path)?;
        Ok(Self::new(input, Some(path.to_owned())))
    }
}

/// The bytes of a file, decompressed where they are zstd.
fn open_plain(path: &Path) -> Result<Box<dyn BufRead>, TraceError> {
    let failed = |e: io::Error| TraceError::File { path: path.to_owned(), problem: e.to_string() };
    if path.is_dir() {
        return Err(TraceError::File { path: path.to_owned(), problem: "is a folder; give a trace file".into() });
    }
    let input = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
    unpacked(input).map_err(failed)
}

/// Zstd or not, by its first bytes.
fn unpacked<'a>(mut input: impl BufRead + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    if input.fill_buf()?.starts_with(&zstd::MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, ZstdReader::new(input))));
    }
    Ok(Box::new(input))
}

impl<R: BufRead> TraceReader<R> {
    /// Reads from any source; errors name `path`.
    pub fn new(input: R, path: Option<PathBuf>) -> Self {
        Self {
            input,
            parser: Parser::new(path.clone()),
            path,
            number: 0,
            line: Vec::new(),
            ready: Vec::new().into_iter(),
            notice: None,
            done: false,
        }
    }

    /// The next item; `None` at the end.
    pub fn next_item(&mut self) -> Result<Option<Item>, TraceError> {
        loop {
            if let Some(item) = self.ready.next() {
                return Ok(Some(item));
            }
            if self.done {
                return Ok(None);
            }
            self.number += 1;
            let whole = match read_line(&mut self.input, &mut self.line) {
                Ok(whole) => whole,
                // A compressed file that was cut off, or damaged: what came before still counts.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    self.cut_off();
                    false
                }
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                    self.ends_in("damaged");
                    false
                }
                Err(e) => return Err(self.error(e.to_string())),
            };
            if self.line.len() > MAX_LINE {
                return Err(self.error(format!("longer than {} MiB; this is no trace", MAX_LINE >> 20)));
            }
            self.done = !whole;
            if self.notice.is_some() || (!whole && self.line.is_empty()) {
                break;
            }
            match self.parser.line(self.number, &self.line) {
                Ok(items) => self.ready = items.into_iter(),
                Err(_) if !whole && self.number > 1 && is_cut_off(&self.line) => self.cut_off(),
                Err(error) => return Err(error),
            }
        }
        if self.parser.header().is_none() {
            return Err(self.error(match &self.notice {
                Some(_) => "cut off or damaged before its header was whole",
                None => "empty; a trace begins with its header",
            }));
        }
        Ok(None)
    }

    fn cut_off(&mut self) {
        self.ends_in("cut off");
    }

    fn ends_in(&mut self, how: &str) {
        self.notice = Some(format!("{how} in line {}; shown up to the last whole frame", self.number));
    }

    fn error(&self, problem: impl Into<String>) -> TraceError {
        TraceError::Line { path: self.path.clone(), line: self.number.max(1), field: None, problem: problem.into() }
    }

    /// What is odd about the trace, once its end was reached: that it was cut off.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }
}

/// Reads a line without its end, and no more than [`MAX_LINE`]` + 1` bytes of it; whether it had an end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    input.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', line)?;
    let whole = line.last() == Some(&b'\n');
    if whole {
        line.pop();
    }
    Ok(whole)
}

/// A trace in memory, whole or growing.
#[derive(Debug)]
pub struct Trace {
    /// What it says about all runs.
    pub header: Header,
    /// Its vocabulary, as far as it is told.
    pub vocab: Arc<Vocab>,
    /// Its runs, in the order in which they began.
    pub runs: Vec<Timeline>,
    /// What is odd about it, in one line: that it was cut off.
    pub notice: Option<String>,
    /// Runs that have no frame yet.
    begun: HashMap<u32, RunMeta>,
    /// First steps of runs that begin late.
    late: HashMap<u32, u32>,
}

impl Trace {
    /// A trace of which nothing is known yet; [`Trace::apply`] fills it.
    pub fn empty() -> Self {
        Self {
            header: Header::default(),
            vocab: Arc::new(Vocab::empty()),
            runs: Vec::new(),
            notice: None,
            begun: HashMap::new(),
            late: HashMap::new(),
        }
    }

    /// Opens a trace file: plain or zstd, cut off or not, ours or diffusers' animation JSON.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let part = part_path(path);
        let path = if !path.exists() && part.exists() { &part } else { path };
        let mut input = open_plain(path)?;
        let failed = |e: io::Error| TraceError::File { path: path.to_owned(), problem: e.to_string() };
        let begin: &[u8] = match input.fill_buf() {
            // Compressed, and broken in its first frame: the reader says so.
            Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => &[],
            begin => begin.map_err(failed)?,
        };
        if diffusers::looks_like(begin) {
            return diffusers::import(input, Some(path));
        }
        Self::read_all(TraceReader::new(input, Some(path.to_owned())))
    }

    /// Reads a trace from any source, plain or zstd.
    pub fn read(input: impl BufRead) -> Result<Self, TraceError> {
        let input = unpacked(input).map_err(|error| TraceError::Frame(error.to_string()))?;
        Self::read_all(TraceReader::new(input, None))
    }

    fn read_all(mut reader: TraceReader<impl BufRead>) -> Result<Self, TraceError> {
        let mut trace = Self::empty();
        while let Some(item) = reader.next_item()? {
            trace.apply(item)?;
        }
        if trace.runs.is_empty() {
            return Err(reader.error("the trace ends before its first frame"));
        }
        trace.notice = reader.notice.map(|notice| match &reader.path {
            Some(path) => format!("{}: {notice}", safe(&path.to_string_lossy())),
            None => notice,
        });
        Ok(trace)
    }

    /// Adds what a line said. The index in [`Trace::runs`] of the run it concerned, if that has frames.
    pub fn apply(&mut self, item: Item) -> Result<Option<usize>, TraceError> {
        match item {
            Item::Header(header) => {
                let vocab = Arc::make_mut(&mut self.vocab);
                vocab.set_len(header.model.vocab_size);
                vocab.set_eos(header.model.eos);
                vocab.set_mask(header.model.mask);
                self.header = *header;
                Ok(None)
            }
            Item::Vocab(entries) => {
                let vocab = Arc::make_mut(&mut self.vocab);
                for (id, bytes) in &entries {
                    vocab.insert(*id, bytes);
                }
                if vocab.eos().is_none() {
                    vocab.find_eos(entries.iter().map(|(id, bytes)| (*id, bytes.as_slice())));
                }
                Ok(None)
            }
            Item::Run(meta) => {
                self.begun.insert(meta.run, *meta);
                Ok(None)
            }
            Item::Frame(mut item) => {
                let index = if let Some(mut meta) = self.begun.remove(&item.run) {
                    if item.frame.step > 0 {
                        self.late.insert(item.run, item.frame.step);
                        begin_late(&mut meta, item.frame.step as usize);
                    }
                    item.frame.step = 0;
                    self.runs.push(Timeline::new(meta, item.frame)?);
                    self.runs.len() - 1
                } else {
                    let index = self.index(item.run)?;
                    let late = self.late.get(&item.run).copied().unwrap_or(0);
                    item.frame.step = item.frame.step.saturating_sub(late);
                    self.runs[index].push(item.frame)?;
                    index
                };
                let step = self.runs[index].newest();
                if self.runs[index].meta().parent.map_or(0, |p| p.step) == step {
                    self.runs[index].adopt_frozen();
                }
                if item.perplexity.is_some() {
                    self.runs[index].set_score(step, Score { perplexity: item.perplexity, nll: None });
                }
                Ok(Some(index))
            }
            Item::Score { run, step, score, ghost } => {
                let index = self.index(run)?;
                let late = self.late.get(&run).copied().unwrap_or(0);
                if let Some(step) = step.checked_sub(late) {
                    if let Some(score) = score {
                        self.runs[index].set_score(step, score);
                    }
                    if let Some(ghost) = ghost {
                        self.runs[index].set_ghost_perplexity(step, ghost);
                    }
                }
                Ok(Some(index))
            }
        }
    }

    fn index(&self, run: u32) -> Result<usize, TraceError> {
        // Lines nearly always concern the newest run.
        let found = self.runs.iter().rposition(|t| t.meta().run == run);
        found.ok_or_else(|| TraceError::Frame(format!("run {run} has not begun")))
    }
}

/// Makes a run one whose step 0 is what `first` was: the steps before it are not known.
fn begin_late(meta: &mut RunMeta, first: usize) {
    let config = &mut meta.config;
    config.grid.drain(..first.min(config.grid.len().saturating_sub(1)));
    config.salts.drain(..first.min(config.salts.len()));
    if let Some(told) = &mut config.told_dt {
        told.drain(..first.min(told.len()));
    }
}
