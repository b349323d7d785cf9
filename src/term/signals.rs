//! Signals that end, stop or continue the program.

#[cfg(not(unix))]
use std::io;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End, as this signal would have.
    End(i32),
    /// Go on after having been stopped: the terminal's modes may be gone.
    Continue,
}

#[cfg(unix)]
mod unix {
    use std::io;

    use tokio::signal::unix::{SignalKind, signal};

    use super::Signal;

    /// The signals the screen listens to.
    #[derive(Debug)]
    pub struct Signals {
        interrupt: tokio::signal::unix::Signal,
        terminate: tokio::signal::unix::Signal,
        hangup: tokio::signal::unix::Signal,
        quit: tokio::signal::unix::Signal,
        resume: tokio::signal::unix::Signal,
    }

    impl Signals {
        /// Starts listening; needs a tokio runtime.
        pub fn listen() -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
                quit: signal(SignalKind::quit())?,
                resume: signal(SignalKind::from_raw(libc::SIGCONT))?,
            })
        }

        /// The next signal.
        pub async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.interrupt.recv() => Signal::End(libc::SIGINT),
                _ = self.terminate.recv() => Signal::End(libc::SIGTERM),
                _ = self.hangup.recv() => Signal::End(libc::SIGHUP),
                _ = self.quit.recv() => Signal::End(libc::SIGQUIT),
                _ = self.resume.recv() => Signal::Continue,
            }
        }
    }

    /// Stops this process and the others of its job, as Ctrl-Z would have; returns when they are continued.
    pub fn suspend() -> io::Result<()> {
        // SAFETY: `kill` takes no pointers; 0 is the process group of the caller.
        let failed = unsafe { libc::kill(0, libc::SIGTSTP) } != 0;
        if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Ends this process as the signal would have, so that whoever waits for it sees why.
    pub fn end_by(signal: i32) -> io::Result<()> {
        // SAFETY: the default action of a signal needs no handler, and the signal is raised for this thread only.
        let failed = unsafe { libc::signal(signal, libc::SIG_DFL) == libc::SIG_ERR || libc::raise(signal) != 0 };
        if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(unix)]
pub use unix::{Signals, end_by, suspend};

/// The signals the screen listens to.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Starts listening; needs a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// The next signal.
    pub async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::End(2),
            Err(_) => std::future::pending().await,
        }
    }
}

/// There is no suspending here.
#[cfg(not(unix))]
pub fn suspend() -> io::Result<()> {
    Err(io::Error::other("this system has no job control"))
}

/// Ends this process.
#[cfg(not(unix))]
pub fn end_by(signal: i32) -> io::Result<()> {
    std::process::exit(128 + signal)
}
