//! What the screen writes to files: traces (`w`) and recordings of itself (`g`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;

use crate::app::State;
use crate::app::state::Load;
use crate::engine::RunId;
use crate::record::recording::{self, Background};
use crate::record::{Look, RecordError, Recorder};
use crate::trace::io::{Header, WriteOptions, save};

/// Saves a run with all it branched off and all that branched off it, so that a replay can compare them. The file, where
/// the program was started, gets a name of our own; that and the number of runs come back.
pub(super) fn trace(state: &State, run: RunId) -> Result<(PathBuf, usize), String> {
    let family = state.runs.family(run);
    let (Some(run), Some(vocab)) = (state.runs.by_id(run), &state.vocab) else {
        return Err("that run is gone".to_owned());
    };
    let precision = match &state.network {
        Load::Ready(precision) => precision.clone(),
        _ => String::new(),
    };
    let header = Header {
        tool: concat!("fewstep ", env!("CARGO_PKG_VERSION")).to_owned(),
        model: Arc::clone(&run.timeline.meta().model),
        judge: state.judge_name.clone(),
        precision,
        prompt: run.prompt.to_string(),
        tokens: run.timeline.tokens(),
    };
    let seed = run.timeline.meta().seed().map(|seed| format!("seed{seed}-")).unwrap_or_default();
    let stem = format!("fewstep-{seed}{}steps", run.steps());
    let path = free(&stem, "fstrace");
    // With its numbers, so that a replay has all that the screen has.
    let options = WriteOptions::FILE.with_detail(true);
    let runs = family.iter().map(|run| &run.timeline);
    save(&path, false, &header, Arc::clone(vocab), runs, options).map_err(|error| error.to_string())?;
    Ok((path, family.len()))
}

/// The first of `stem.ext`, `stem-2.ext`, … that does not exist.
fn free(stem: &str, extension: &str) -> PathBuf {
    let first = PathBuf::from(format!("{stem}.{extension}"));
    let others = (2..).map(|n| PathBuf::from(format!("{stem}-{n}.{extension}")));
    std::iter::once(first).chain(others).find(|path| !path.exists()).unwrap_or_default()
}

/// A recording of the screen that goes on.
pub(super) struct Recording {
    recorder: Background,
    path: PathBuf,
    start: Duration,
    step: Option<(RunId, u32)>,
}

impl Recording {
    /// Begins one at time `now`: into a file the user named, or one with a name of our own.
    pub(super) fn start(state: &State, now: Duration, named: Option<&Path>, force: bool) -> Result<Self, RecordError> {
        let path = named.map_or_else(|| free("fewstep", "cast"), Path::to_owned);
        let title = Some(format!("fewstep: {}", state.model));
        let options = recording::Options { title, force, ..recording::Options::new(Look::of(&state.looks.theme)) };
        Ok(Self { recorder: Background::start(&path, options)?, path, start: now, step: None })
    }

    /// A drawn screen, with a marker where it shows another step.
    pub(super) fn frame(&mut self, state: &State, now: Duration, screen: &Buffer) -> Result<(), RecordError> {
        let at = now.saturating_sub(self.start);
        self.recorder.frame(at, screen)?;
        let step = state.run().map(|run| (run.id, run.playhead));
        if step != self.step
            && let Some(run) = state.run()
        {
            self.step = step;
            self.recorder.marker(at, &format!("step {}/{}", run.playhead, run.steps()))?;
        }
        Ok(())
    }

    /// Ends it; the file's name comes back.
    pub(super) fn finish(mut self, now: Duration) -> Result<PathBuf, RecordError> {
        self.recorder.finish(now.saturating_sub(self.start))?;
        Ok(self.path)
    }

    /// Where it is being written.
    pub(super) fn target(&self) -> &Path {
        &self.path
    }
}
