//! Where commands wait: one slot each, the latest wins, nobody blocks.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::engine::{Ask, RunId, Start};
use crate::model::Cancel;

/// What the sampler thread should do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Begin this run.
    Start(Box<Start>),
    /// Something outside the mailbox changed: look again.
    Look,
    /// Compute one more step of the current run, giving up when the flag is raised.
    Step(Cancel),
    /// End the thread.
    Stop,
}

#[derive(Default)]
struct Slots {
    start: Option<Start>,
    run: Option<RunId>,
    upto: u32,
    step: Option<Cancel>,
    look: bool,
    stop: bool,
}

/// Commands for the sampler thread.
#[derive(Default)]
pub(super) struct Mailbox {
    slots: Mutex<Slots>,
    news: Condvar,
}

impl Mailbox {
    pub(super) fn start(&self, start: Start) {
        let mut slots = lock(&self.slots);
        slots.interrupt();
        slots.run = Some(start.run);
        slots.upto = start.upto;
        slots.start = Some(start);
        self.news.notify_one();
    }

    pub(super) fn advance(&self, run: RunId, upto: u32) {
        let mut slots = lock(&self.slots);
        if slots.run == Some(run) {
            slots.upto = upto;
            self.news.notify_one();
        }
    }

    pub(super) fn cancel(&self) {
        let mut slots = lock(&self.slots);
        slots.interrupt();
        slots.start = None;
        slots.run = None;
    }

    pub(super) fn shut_down(&self) {
        let mut slots = lock(&self.slots);
        slots.interrupt();
        slots.stop = true;
        self.news.notify_one();
    }

    /// Makes the thread look at what changed outside the mailbox.
    pub(super) fn wake(&self) {
        lock(&self.slots).look = true;
        self.news.notify_one();
    }

    /// Whether a step of `run` beyond `step` is wanted.
    pub(super) fn wants_step(&self, run: RunId, step: u32) -> bool {
        lock(&self.slots).wants_step(run, step)
    }

    /// Waits for something to do. `at` is the run and the step the sampler stands at, `None` before the first run or
    /// while no step can be taken.
    pub(super) fn next(&self, at: Option<(RunId, u32)>) -> Next {
        let mut slots = lock(&self.slots);
        slots.step = None;
        loop {
            if slots.stop {
                return Next::Stop;
            }
            if let Some(start) = slots.start.take() {
                return Next::Start(Box::new(start));
            }
            if std::mem::take(&mut slots.look) {
                return Next::Look;
            }
            if let Some((run, step)) = at
                && slots.wants_step(run, step)
            {
                let cancel = Cancel::new();
                slots.step = Some(cancel.clone());
                return Next::Step(cancel);
            }
            slots = self.news.wait(slots).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Slots {
    fn wants_step(&self, run: RunId, step: u32) -> bool {
        self.run == Some(run) && step < self.upto
    }

    fn interrupt(&mut self) {
        if let Some(step) = self.step.take() {
            step.cancel();
        }
    }
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Ask>,
    scoring: Option<Cancel>,
    busy: bool,
    stop: bool,
}

/// Frames waiting for the judge, which works only while the sampler does not.
pub(super) struct ScoreQueue {
    queue: Mutex<Queue>,
    news: Condvar,
    wanted: bool,
}

impl ScoreQueue {
    pub(super) fn new(wanted: bool) -> Self {
        Self { queue: Mutex::default(), news: Condvar::new(), wanted }
    }

    pub(super) fn push(&self, frame: Ask) {
        if self.wanted {
            lock(&self.queue).waiting.push_back(frame);
            self.news.notify_one();
        }
    }

    /// Forgets the frames of every run but `run`.
    pub(super) fn keep_only(&self, run: RunId) {
        lock(&self.queue).waiting.retain(|frame| frame.run == run);
    }

    /// Tells whether the sampler is computing; a score under way then gives way and is taken up again later.
    pub(super) fn set_busy(&self, busy: bool) {
        let mut queue = lock(&self.queue);
        queue.busy = busy;
        if busy {
            if let Some(scoring) = queue.scoring.take() {
                scoring.cancel();
            }
        } else {
            self.news.notify_one();
        }
    }

    pub(super) fn shut_down(&self) {
        let mut queue = lock(&self.queue);
        queue.stop = true;
        if let Some(scoring) = queue.scoring.take() {
            scoring.cancel();
        }
        self.news.notify_one();
    }

    /// Waits for a frame to score, newest first: that is the one on screen. `None` ends the thread.
    pub(super) fn next(&self) -> Option<(Ask, Cancel)> {
        let mut queue = lock(&self.queue);
        queue.scoring = None;
        loop {
            if queue.stop {
                return None;
            }
            if !queue.busy
                && let Some(frame) = queue.waiting.pop_back()
            {
                let cancel = Cancel::new();
                queue.scoring = Some(cancel.clone());
                return Some((frame, cancel));
            }
            queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts back a frame whose scoring was interrupted.
    pub(super) fn put_back(&self, frame: Ask) {
        lock(&self.queue).waiting.push_back(frame);
    }
}

// A panic while a slot was held leaves plain data behind, which the next command overwrites.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
