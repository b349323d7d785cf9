//! The worker threads that run model and judge.
//!
//! The screen never waits for them: commands go into a mailbox in which the latest wins, events come out of a channel.
//! One thread samples, one scores; each loads its own model, so noise is on screen before any weight is read.

mod command;
mod event;
mod mailbox;
mod sampler;
mod scorer;

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

pub use command::{Ask, Command, Start};
pub use event::{Event, Part};

use crate::model::{Judge, ModelError, ModelSpec, Network};
use mailbox::{Mailbox, ScoreQueue};

/// Names a run; later runs have larger numbers, and events of runs no longer wanted can be told by it.
pub type RunId = u32;

/// Reports the fraction (0 to 1) of a load that is done.
pub type Progress<'a> = &'a dyn Fn(f32);

/// Loads a network on the sampler's thread.
pub type NetworkLoader = Box<dyn FnOnce(Progress<'_>) -> Result<Box<dyn Network>, ModelError> + Send>;

/// Loads a judge on the scorer's thread.
pub type JudgeLoader = Box<dyn FnOnce(Progress<'_>) -> Result<Box<dyn Judge>, ModelError> + Send>;

/// What an engine is made of.
pub struct Parts {
    /// Sizes of the network, read from its header before its weights.
    pub spec: ModelSpec,
    /// Loads the network.
    pub network: NetworkLoader,
    /// Loads the judge, if one is wanted.
    pub judge: Option<JudgeLoader>,
}

/// The running worker threads; dropping it stops them.
pub struct Engine {
    mailbox: Arc<Mailbox>,
    scores: Arc<ScoreQueue>,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Starts the threads, and gives the channel on which their events arrive.
    pub fn spawn(parts: Parts) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, receiver) = mpsc::unbounded_channel();
        let mailbox = Arc::new(Mailbox::default());
        let scores = Arc::new(ScoreQueue::new(parts.judge.is_some()));
        let mut threads =
            vec![sampler::spawn(parts.spec, parts.network, Arc::clone(&mailbox), Arc::clone(&scores), events.clone())];
        if let Some(load) = parts.judge {
            threads.push(scorer::spawn(load, Arc::clone(&scores), events));
        }
        (Self { mailbox, scores, threads }, receiver)
    }

    /// Hands over a command; never blocks.
    pub fn send(&self, command: Command) {
        match command {
            Command::Start(start) => {
                self.scores.keep_only(start.run);
                self.mailbox.start(start);
            }
            Command::Advance { run, upto } => self.mailbox.advance(run, upto),
            Command::Score(ask) => self.scores.push(ask),
            Command::Cancel => self.mailbox.cancel(),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.mailbox.shut_down();
        self.scores.shut_down();
        for thread in self.threads.drain(..) {
            // A worker that panicked has already reported itself; there is nothing left to join.
            let _ = thread.join();
        }
    }
}
