//! The thread that samples.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::mailbox::{Mailbox, Next, ScoreQueue};
use super::{Ask, Event, NetworkLoader, Part, RunId, Start};
use crate::flow::{FlowError, Sampler, Want};
use crate::model::{Cancel, ModelError, ModelSpec, Network};

pub(super) fn spawn(
    spec: ModelSpec,
    load: NetworkLoader,
    mailbox: Arc<Mailbox>,
    scores: Arc<ScoreQueue>,
    events: UnboundedSender<Event>,
) -> JoinHandle<()> {
    thread::Builder::new()
        .name("sampler".into())
        .spawn(move || {
            let loading = start_loading(load, Arc::clone(&mailbox), events.clone());
            Worker { spec, network: None, loading: Some(loading), current: None, mailbox, scores, events }.run();
        })
        .expect("the system can start a thread")
}

type Loaded = Receiver<Box<dyn Network>>;

// Loading has a thread of its own, so that the noise of a run that starts meanwhile shows at once.
fn start_loading(load: NetworkLoader, mailbox: Arc<Mailbox>, events: UnboundedSender<Event>) -> Loaded {
    let (sender, receiver) = channel();
    thread::Builder::new()
        .name("loader".into())
        .spawn(move || {
            let started = Instant::now();
            let report = |fraction| {
                let _ = events.send(Event::Loading { part: Part::Model, fraction });
            };
            match guarded(|| load(&report)) {
                Ok(network) => {
                    let ms = started.elapsed().as_secs_f64() * 1e3;
                    let precision = network.precision();
                    if sender.send(network).is_ok() {
                        let _ = events.send(Event::Ready { part: Part::Model, precision, ms });
                        mailbox.wake();
                    }
                }
                Err(error) => {
                    let message = error.to_string();
                    let _ = events.send(Event::Failed { run: None, part: Part::Model, message });
                }
            }
        })
        .expect("the system can start a thread");
    receiver
}

struct Current {
    run: RunId,
    sampler: Sampler,
    prompt_len: usize,
    failed: bool,
}

struct Worker {
    spec: ModelSpec,
    network: Option<Box<dyn Network>>,
    loading: Option<Loaded>,
    current: Option<Current>,
    mailbox: Arc<Mailbox>,
    scores: Arc<ScoreQueue>,
    events: UnboundedSender<Event>,
}

impl Worker {
    fn run(mut self) {
        loop {
            self.take_network();
            let at = self.ready_at();
            if at.is_none_or(|(run, step)| !self.mailbox.wants_step(run, step)) {
                self.scores.set_busy(false);
            }
            match self.mailbox.next(at) {
                Next::Stop => return,
                Next::Look => {}
                Next::Start(start) => self.start(*start),
                Next::Step(cancel) => {
                    self.scores.set_busy(true);
                    self.step(&cancel);
                }
            }
        }
    }

    fn take_network(&mut self) {
        if let Some(loading) = &self.loading {
            match loading.try_recv() {
                Ok(network) => {
                    self.network = Some(network);
                    self.loading = None;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => self.loading = None,
            }
        }
    }

    /// The run and step a further step would start from, if one can be taken.
    fn ready_at(&self) -> Option<(RunId, u32)> {
        let current = self.current.as_ref()?;
        let possible = self.network.is_some() && !current.failed && !current.sampler.is_done();
        possible.then(|| (current.run, current.sampler.step_index()))
    }

    fn start(&mut self, start: Start) {
        let Start { run, config, from, prompt_len, .. } = start;
        let sampler = match from {
            None => Sampler::new(&self.spec, config),
            Some((step, ids)) => Sampler::resume(&self.spec, config, step, ids),
        };
        match sampler {
            Ok(sampler) => {
                let frame = sampler.noise();
                self.current = Some(Current { run, sampler, prompt_len, failed: false });
                self.emit(run, prompt_len, frame);
            }
            Err(error) => {
                self.current = None;
                self.fail(run, &error);
            }
        }
    }

    fn step(&mut self, cancel: &Cancel) {
        let (Some(current), Some(network)) = (&mut self.current, &mut self.network) else { return };
        let (run, prompt_len) = (current.run, current.prompt_len);
        let result = guarded(|| current.sampler.step(network.as_mut(), Want::Detail, cancel));
        match result {
            Ok(frame) => self.emit(run, prompt_len, frame),
            Err(FlowError::Model(ModelError::Cancelled)) => {}
            Err(error) => {
                current.failed = true;
                self.fail(run, &error);
            }
        }
    }

    fn emit(&self, run: RunId, prompt_len: usize, frame: crate::trace::Frame) {
        self.scores.push(Ask { run, step: frame.step, ids: Arc::clone(&frame.ids), prompt_len, ghost: false });
        let _ = self.events.send(Event::Frame { run, frame });
    }

    fn fail(&self, run: RunId, error: &FlowError) {
        let _ = self.events.send(Event::Failed { run: Some(run), part: Part::Model, message: error.to_string() });
    }
}

/// Runs model code so that a panic in it becomes an error like any other: the screen must outlive it.
pub(super) fn guarded<T, E: From<ModelError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown cause");
        Err(ModelError::Request(format!("internal error in the model: {what}")).into())
    })
}
