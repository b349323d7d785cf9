//! The runs made since the start: their frames, where each is looked at, and what of them is kept.

use std::sync::Arc;

use crate::engine::RunId;
use crate::flow::RunConfig;
use crate::trace::{Parent, Timeline};

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
    /// The run of this session it branched off. The timeline's own `parent` has the numbers of its file.
    pub parent: Option<Parent>,
    /// The step on screen.
    pub playhead: u32,
    /// Steps asked for beyond the newest frame; the playhead follows them.
    pub ahead: u32,
    /// The last step the engine was told to compute.
    pub told: u32,
    /// The prompt it began with.
    pub prompt: Arc<str>,
    /// The step the engine began at: what is before it came from another run.
    pub first: u32,
    /// Why it ended early.
    pub failed: Option<String>,
}

impl Run {
    /// A run of this session with the frames there are; the playhead is at the first.
    pub fn new(id: RunId, timeline: Timeline, prompt: &str) -> Self {
        let config = timeline.meta().config.clone();
        let parent = timeline.meta().parent;
        let prompt = Arc::from(prompt);
        Self { id, config, timeline, parent, playhead: 0, ahead: 0, told: 0, prompt, first: 0, failed: None }
    }

    /// What the run would end with if it stopped at the playhead: the most likely tokens of the posterior there. It is
    /// known once the next step was taken from it; at the end it is the text itself.
    pub fn ghost(&self) -> Option<Arc<[u32]>> {
        if self.is_complete() && self.playhead == self.newest() {
            return Some(self.timeline.ids(self.playhead));
        }
        (self.playhead < self.newest()).then(|| self.timeline.most_likely(self.playhead + 1)).flatten()
    }

    /// The step of this run nearest before a time.
    pub fn step_at(&self, t: f64) -> u32 {
        (0..=self.newest()).rev().find(|&s| self.timeline.t(s) <= t + 1e-9).unwrap_or(0)
    }

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

    /// The prompt's length in tokens.
    pub fn prompt_len(&self) -> usize {
        self.config.prompt_len()
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

    /// Adds a run of a trace under a number of this session, and puts it on screen. Its parent has the number that the
    /// trace gave it; where no run with that number came before, it has none.
    pub fn adopt(&mut self, timeline: Timeline) {
        let translate = |parent: Parent| {
            let run = self.list.iter().find(|run| run.timeline.meta().run == parent.run)?;
            Some(Parent { run: run.id, ..parent })
        };
        let parent = timeline.meta().parent.and_then(translate);
        self.push(Run { parent, ..Run::new(self.next, timeline, "") });
    }

    /// Puts the run at `index` on screen.
    pub fn select(&mut self, index: usize) {
        if index < self.list.len() {
            self.current = index;
        }
    }

    /// What a run is compared with: the run it branched off, else the one before it.
    pub fn compared(&self, run: &Run) -> Option<&Run> {
        let index = self.list.iter().position(|other| other.id == run.id)?;
        let other = self.parent_of(index).or(index.checked_sub(1))?;
        self.list.get(other)
    }

    /// The place of the run that a run branched off. Only an earlier run can be one: whatever a trace says, every run
    /// hangs below a root.
    fn parent_of(&self, index: usize) -> Option<usize> {
        let parent = self.list[index].parent?;
        self.list[..index].iter().position(|run| run.id == parent.run)
    }

    /// Every run as a tree: its index and how deep it lies, branches below the run they left.
    pub fn tree(&self) -> Vec<(usize, usize)> {
        let mut out = Vec::with_capacity(self.list.len());
        let mut open: Vec<(usize, usize)> =
            (0..self.list.len()).rev().filter(|&i| self.parent_of(i).is_none()).map(|i| (i, 0)).collect();
        while let Some((index, depth)) = open.pop() {
            out.push((index, depth));
            let children = (index + 1..self.list.len()).rev().filter(|&i| self.parent_of(i) == Some(index));
            open.extend(children.map(|i| (i, depth + 1)));
        }
        out
    }

    /// All runs of a run's tree, oldest first: those it comes from, and all that branched off any of them.
    pub fn family(&self, id: RunId) -> Vec<&Run> {
        // A parent comes before its children, so that its root is known when they are reached.
        let mut roots: Vec<usize> = Vec::with_capacity(self.list.len());
        for index in 0..self.list.len() {
            roots.push(self.parent_of(index).map_or(index, |parent| roots[parent]));
        }
        let root = self.list.iter().position(|run| run.id == id).map(|index| roots[index]);
        self.list.iter().zip(roots).filter(|(_, own)| Some(*own) == root).map(|(run, _)| run).collect()
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
