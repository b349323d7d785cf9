//! Long work without a screen: progress on standard error, Ctrl-C as a request to stop, questions.

use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::model::Cancel;
use crate::record::{Progress, RecordError};

/// Work in progress.
#[derive(Debug)]
pub struct Work {
    bar: ProgressBar,
    cancel: Cancel,
}

impl Work {
    /// Begins; a bar appears if standard error is a terminal and the work takes a moment.
    pub fn begin(what: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(crate::text::safe(what).into_owned());
        Self { bar, cancel: interrupted() }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Work {
    fn at(&mut self, done: u64, total: u64) -> Result<(), RecordError> {
        if self.cancel.is_cancelled() {
            return Err(RecordError::Cancelled);
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
        if self.bar.elapsed() > Duration::from_millis(500) {
            self.bar.tick();
        }
        Ok(())
    }
}

/// A flag that Ctrl-C raises from now on, instead of ending the program.
pub fn interrupted() -> Cancel {
    let cancel = Cancel::new();
    let raise = cancel.clone();
    // Where this fails, Ctrl-C ends the program as it always does.
    let _ = std::thread::Builder::new().name("interrupt".into()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            raise.cancel();
        }
    });
    cancel
}

/// Asks on the terminal; no is the answer where there is none.
pub fn ask(question: &str) -> bool {
    let mut err = io::stderr();
    if !err.is_terminal() || write!(err, "{question} [y/N] ").and_then(|()| err.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
