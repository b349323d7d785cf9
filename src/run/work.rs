//! Long work without a screen: progress where somebody watches, Ctrl-C as a request to stop, questions.

use std::io::{self, BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::{interrupt, progress};
use crate::model::Cancel;
use crate::record::{Progress, RecordError};

/// Short work shows no bar at all.
const PATIENCE: Duration = Duration::from_millis(300);

/// Work in progress.
#[derive(Debug)]
pub(super) struct Work {
    bar: ProgressBar,
    cancel: Cancel,
    begun: Instant,
}

impl Work {
    /// Begins; from now on Ctrl-C stops the work instead of the program.
    pub(super) fn begin(what: &'static str) -> Self {
        Self { bar: progress::bar(what, 1), cancel: interrupt::on_ctrl_c(), begun: Instant::now() }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Work {
    fn at(&mut self, done: u64, total: u64) -> Result<(), RecordError> {
        if self.cancel.is_cancelled() {
            return Err(RecordError::Cancelled);
        }
        if self.begun.elapsed() > PATIENCE {
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
        Ok(())
    }
}

/// Asks on the terminal; no is the answer where there is none.
pub(super) fn ask(question: &str) -> bool {
    let mut err = io::stderr();
    let can = err.is_terminal() && io::stdin().is_terminal();
    if !can || write!(err, "{question} [y/N] ").and_then(|()| err.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
