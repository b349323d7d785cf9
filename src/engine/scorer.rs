//! The thread that scores frames, in the gaps that sampling leaves.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::mailbox::ScoreQueue;
use super::sampler::guarded;
use super::{Event, JudgeLoader, Part};
use crate::flow::metrics;
use crate::model::{Judge, ModelError};

pub(super) fn spawn(load: JudgeLoader, scores: Arc<ScoreQueue>, events: UnboundedSender<Event>) -> JoinHandle<()> {
    thread::Builder::new()
        .name("judge".into())
        .spawn(move || {
            let started = Instant::now();
            let report = |fraction| {
                let _ = events.send(Event::Loading { part: Part::Judge, fraction });
            };
            match guarded(|| load(&report)) {
                Ok(judge) => {
                    let ms = started.elapsed().as_secs_f64() * 1e3;
                    let _ = events.send(Event::Ready { part: Part::Judge, precision: String::new(), ms });
                    run(judge, &scores, &events);
                }
                Err(error) => {
                    let message = error.to_string();
                    let _ = events.send(Event::Failed { run: None, part: Part::Judge, message });
                }
            }
        })
        .expect("the system can start a thread")
}

fn run(mut judge: Box<dyn Judge>, scores: &ScoreQueue, events: &UnboundedSender<Event>) {
    while let Some((frame, cancel)) = scores.next() {
        match guarded(|| judge.nll(&frame.ids, &cancel)) {
            Ok(nll) => {
                let perplexity = metrics::perplexity(&nll, frame.prompt_len, false);
                let (run, step) = (frame.run, frame.step);
                let _ = events.send(if frame.ghost {
                    Event::GhostScore { run, step, perplexity }
                } else {
                    Event::Score { run, step, perplexity, nll: nll.into() }
                });
            }
            Err(ModelError::Cancelled) => scores.put_back(frame),
            Err(error) => {
                let (run, message) = (Some(frame.run), error.to_string());
                let _ = events.send(Event::Failed { run, part: Part::Judge, message });
            }
        }
    }
}
