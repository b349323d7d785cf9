//! Taking the terminal over, and giving it back however the program ends.

use std::io::{self, Write, stdout};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};

/// Whether the terminal is ours: the panic hook and `Drop` may both want to give it back.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// How to take it over.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Report the mouse; the terminal's own selection then needs its modifier key.
    pub mouse: bool,
}

/// The terminal, taken over; dropping it gives it back.
#[derive(Debug)]
pub struct Guard {
    options: Options,
}

impl Guard {
    /// Takes the terminal over.
    pub fn take(options: Options) -> io::Result<Self> {
        restore_on_panic();
        let guard = Self { options };
        guard.enter()?;
        Ok(guard)
    }

    /// Takes the terminal over again, after [`Guard::leave`] or after someone else changed its modes.
    pub fn enter(&self) -> io::Result<()> {
        // From here on there is something to undo, whichever of the next lines fails.
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        let mut out = stdout().lock();
        queue!(out, EnterAlternateScreen, Hide, EnableBracketedPaste)?;
        if self.options.mouse {
            queue!(out, EnableMouseCapture)?;
        }
        out.flush()
    }

    /// Gives the terminal back for a while.
    pub fn leave(&self) {
        restore();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back if it is ours. Errors have nowhere to go: the terminal may be gone.
fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = stdout();
        // Also ends an update that a panic cut short, or nothing after it would show.
        let _ = execute!(
            out,
            EndSynchronizedUpdate,
            DisableMouseCapture,
            DisableBracketedPaste,
            Show,
            LeaveAlternateScreen
        );
        let _ = disable_raw_mode();
    }
}

/// A panic of this thread gives the terminal back before it speaks. Panics of workers are caught and reported by the
/// engine while the screen lives on, so they stay silent here.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let screen = thread::current().id();
        let speak = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !TAKEN.load(Ordering::SeqCst) {
                speak(info);
            } else if thread::current().id() == screen {
                restore();
                speak(info);
            }
        }));
    });
}
