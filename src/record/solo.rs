//! An engine without threads and without a clock: steps are computed where they stand, and take as long as they are
//! told to. With it a live run is the same every time.

use std::collections::VecDeque;
use std::time::Duration;

use super::RecordError;
use crate::engine::{Ask, Command, Event, Part, RunId, Start};
use crate::flow::{Sampler, Want, metrics};
use crate::model::{Cancel, Judge, ModelSpec, Network};

/// Computes the frames that a session asks for, one every `step_time` of a made-up clock.
pub struct SoloEngine {
    spec: ModelSpec,
    network: Box<dyn Network>,
    judge: Option<Box<dyn Judge>>,
    step_time: Duration,
    current: Option<Current>,
    waiting: VecDeque<Event>,
}

struct Current {
    run: RunId,
    sampler: Sampler,
    upto: u32,
    prompt_len: usize,
    /// When the next step will be done.
    due: Duration,
}

impl std::fmt::Debug for SoloEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SoloEngine").field("model", &self.spec.name).finish_non_exhaustive()
    }
}

impl SoloEngine {
    /// An engine whose steps take `step_time`.
    pub fn new(network: Box<dyn Network>, judge: Option<Box<dyn Judge>>, step_time: Duration) -> Self {
        let spec = network.spec().clone();
        Self { spec, network, judge, step_time, current: None, waiting: VecDeque::new() }
    }

    /// Model and arithmetic: what, besides the tape, decides the frames.
    pub fn name(&self) -> String {
        format!("{} {}", self.spec.name, self.network.precision())
    }

    /// The news that everything is loaded.
    pub fn ready(&self) -> Vec<Event> {
        let mut events = vec![Event::Ready { part: Part::Model, precision: self.network.precision(), ms: 0.0 }];
        if self.judge.is_some() {
            events.push(Event::Ready { part: Part::Judge, precision: String::new(), ms: 0.0 });
        }
        events
    }

    /// When the next frame will be there.
    pub fn due(&self) -> Option<Duration> {
        let current = self.current.as_ref()?;
        (!current.sampler.is_done() && current.sampler.step_index() < current.upto).then_some(current.due)
    }

    /// Takes in a command at time `now`.
    pub fn command(&mut self, now: Duration, command: Command) -> Result<Vec<Event>, RecordError> {
        match command {
            Command::Start(start) => self.start(now, start)?,
            Command::Advance { run, upto } => {
                let idle = self.due().is_none();
                if let Some(current) = self.current.as_mut().filter(|current| current.run == run) {
                    current.upto = upto;
                    if idle {
                        current.due = now + self.step_time;
                    }
                }
            }
            Command::Score(ask) => self.score(&ask)?,
            Command::Cancel => self.current = None,
        }
        Ok(self.waiting.drain(..).collect())
    }

    /// Computes what is done by `now`.
    pub fn advance(&mut self, now: Duration) -> Result<Vec<Event>, RecordError> {
        while self.due().is_some_and(|due| due <= now) {
            self.step()?;
        }
        Ok(self.waiting.drain(..).collect())
    }

    fn start(&mut self, now: Duration, start: Start) -> Result<(), RecordError> {
        let Start { run, config, from, upto, prompt_len } = start;
        let sampler = match from {
            None => Sampler::new(&self.spec, config),
            Some((step, ids)) => Sampler::resume(&self.spec, config, step, ids),
        };
        let sampler = sampler.map_err(failed)?;
        let frame = sampler.noise();
        self.current = Some(Current { run, sampler, upto, prompt_len, due: now + self.step_time });
        self.score(&Ask { run, step: frame.step, ids: frame.ids.clone(), prompt_len, ghost: false })?;
        self.waiting.push_front(Event::Frame { run, frame });
        Ok(())
    }

    fn step(&mut self) -> Result<(), RecordError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let mut frame = current.sampler.step(self.network.as_mut(), Want::Detail, &Cancel::new()).map_err(failed)?;
        frame.ms = Some(self.step_time.as_secs_f64() * 1e3);
        current.due += self.step_time;
        let (run, step, ids, prompt_len) = (current.run, frame.step, frame.ids.clone(), current.prompt_len);
        self.waiting.push_back(Event::Frame { run, frame });
        self.score(&Ask { run, step, ids, prompt_len, ghost: false })
    }

    fn score(&mut self, ask: &Ask) -> Result<(), RecordError> {
        let Some(judge) = &mut self.judge else { return Ok(()) };
        let nll = judge.nll(&ask.ids, &Cancel::new()).map_err(failed)?;
        let perplexity = metrics::perplexity(&nll, ask.prompt_len, false);
        let (run, step) = (ask.run, ask.step);
        self.waiting.push_back(if ask.ghost {
            Event::GhostScore { run, step, perplexity }
        } else {
            Event::Score { run, step, perplexity, nll: nll.into() }
        });
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> RecordError {
    RecordError::Request(error.to_string())
}
