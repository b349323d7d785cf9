//! The runs made since the start: their frames, where each is looked at, and what of them is kept.

use std::sync::Arc;

use crate::engine::RunId;
use crate::flow::RunConfig;
use crate::trace::Timeline;

/// Bytes of frames kept before the oldest runs are let go.
pub const MEMORY: usize = 96 << 20;

/// One run.
#[derive(Debug)]
pub struct Run {
    /// Its number in this session.
    pub id: RunId,
    /// What makes it.
    pub config: RunConfig,
    /// Its frames.
    pub timeline: Timeline,
    /// The step on screen.
    pub playhead: u32,
    /// Steps asked for beyond the newest frame; the playhead follows them.
    pub ahead: u32,
    /// The last step the engine was told to compute.
    pub told: u32,
    /// The prompt it began with.
    pub prompt: Arc<str>,
    /// Why it ended early.
    pub failed: Option<String>,
}

impl Run {
    /// The newest step there is.
    pub fn newest(&self) -> u32 {
        self.timeline.newest()
    }

    /// The budget.
    pub fn steps(&self) -> u32 {
        self.timeline.steps()
    }

    /// Whether every step is there.
    pub fn is_complete(&self) -> bool {
        self.timeline.is_complete()
    }

    /// The prompt's length in tokens: frozen positions from the start on.
    pub fn prompt_len(&self) -> usize {
        let frozen = self.config.frozen.iter().zip(0..);
        frozen.take_while(|((position, _), i)| position == i).count()
    }
}

/// All runs, oldest first, and which is on screen.
#[derive(Debug, Default)]
pub struct Runs {
    list: Vec<Run>,
    current: usize,
    next: RunId,
}

impl Runs {
    /// The run on screen.
    pub fn current(&self) -> Option<&Run> {
        self.list.get(self.current)
    }

    /// The run on screen.
    pub fn current_mut(&mut self) -> Option<&mut Run> {
        self.list.get_mut(self.current)
    }

    /// Its place, from 0.
    pub fn index(&self) -> usize {
        self.current
    }

    /// Every run, oldest first.
    pub fn all(&self) -> &[Run] {
        &self.list
    }

    /// The run of an id, if it is still here.
    pub fn by_id(&self, id: RunId) -> Option<&Run> {
        self.list.iter().find(|run| run.id == id)
    }

    /// The run of an id, if it is still here.
    pub fn by_id_mut(&mut self, id: RunId) -> Option<&mut Run> {
        self.list.iter_mut().find(|run| run.id == id)
    }

    /// A number no run has had.
    pub fn next_id(&self) -> RunId {
        self.next
    }

    /// Adds a run and puts it on screen.
    pub fn push(&mut self, run: Run) {
        self.next = self.next.max(run.id + 1);
        self.list.push(run);
        self.current = self.list.len() - 1;
    }

    /// Puts the run at `index` on screen.
    pub fn select(&mut self, index: usize) {
        if index < self.list.len() {
            self.current = index;
        }
    }

    /// Takes a run out; the one before it comes on screen in its place.
    pub fn remove(&mut self, id: RunId) -> Option<Run> {
        let index = self.list.iter().position(|run| run.id == id)?;
        let run = self.list.remove(index);
        if index <= self.current {
            self.current = self.current.saturating_sub(1);
        }
        Some(run)
    }

    /// Lets the oldest runs go until what is kept fits; the run on screen stays. How many went.
    pub fn trim(&mut self, bytes: usize) -> usize {
        let mut total: usize = self.list.iter().map(|run| run.timeline.memory()).sum();
        let mut gone = 0;
        while total > bytes && self.list.len() > 1 {
            let index = usize::from(self.current == 0);
            total = total.saturating_sub(self.list.remove(index).timeline.memory());
            self.current -= usize::from(index < self.current);
            gone += 1;
        }
        gone
    }
}
