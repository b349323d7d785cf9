//! What the screen writes to files: traces (`w`) and recordings of itself (`g`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;

use crate::app::State;
use crate::app::state::Load;
use crate::engine::RunId;
use crate::record::recording::{self, Background};
use crate::record::stage::caption;
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
    /// The marker of that step, while the judge may still have something to add to it.
    marker: Option<String>,
}

impl Recording {
    /// Begins one at time `now`: into a file the user named, or one with a name of our own.
    pub(super) fn start(state: &State, now: Duration, named: Option<&Path>, force: bool) -> Result<Self, RecordError> {
        let path = named.map_or_else(|| free("fewstep", "cast"), Path::to_owned);
        let title = Some(format!("fewstep: {}", state.model));
        let options = recording::Options { title, force, ..recording::Options::new(Look::of(&state.looks.theme)) };
        Ok(Self { recorder: Background::start(&path, options)?, path, start: now, step: None, marker: None })
    }

    /// A drawn screen, with a marker where it shows another step, as soon as that has its perplexity.
    pub(super) fn frame(&mut self, state: &State, now: Duration, screen: &Buffer) -> Result<(), RecordError> {
        let at = now.saturating_sub(self.start);
        let step = state.run().map(|run| (run.id, run.playhead));
        if step != self.step {
            self.mark(at)?;
            self.step = step;
            self.marker = state.run().map(caption);
        }
        self.recorder.frame(at, screen)?;
        if self.marker.is_some()
            && let Some(run) = state.run()
        {
            let scored = run.timeline.score(run.playhead).is_some();
            if scored || matches!(state.judge, Load::Absent | Load::Failed(_)) {
                self.marker = Some(caption(run));
                self.mark(at)?;
            }
        }
        Ok(())
    }

    /// Writes the marker that waits.
    fn mark(&mut self, at: Duration) -> Result<(), RecordError> {
        self.marker.take().map_or(Ok(()), |label| self.recorder.marker(at, &label))
    }

    /// Ends it; the file's name comes back.
    pub(super) fn finish(mut self, now: Duration) -> Result<PathBuf, RecordError> {
        let at = now.saturating_sub(self.start);
        self.mark(at)?;
        self.recorder.finish(at)?;
        Ok(self.path)
    }

    /// Where it is being written.
    pub(super) fn target(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;
    use crate::app::state::Looks;
    use crate::app::{Msg, update};
    use crate::config::{Depth, Glyphs, Keymap, Theme};
    use crate::engine::Event;
    use crate::trace::Trace;

    #[test]
    fn every_step_has_one_marker_and_its_perplexity_if_that_comes_in_time() {
        let trace = "{\"type\":\"header\",\"format\":\"fewstep-trace\",\"version\":1}\n\
                     {\"type\":\"run\",\"steps\":2}\n{\"type\":\"frame\",\"ids\":[0]}\n\
                     {\"type\":\"frame\",\"ids\":[1],\"perplexity\":8}\n{\"type\":\"frame\",\"ids\":[2]}\n";
        let trace = Trace::read(trace.as_bytes()).unwrap();
        let looks =
            Looks { theme: Theme::dark(Depth::True), glyphs: Glyphs::UNICODE, keymap: Arc::new(Keymap::default()) };
        let mut state = State::replay(looks, String::new(), Arc::clone(&trace.vocab));
        state.judge = Load::Ready(String::new());
        update(&mut state, Msg::Run(Box::new(trace.runs[0].clone())));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.cast");
        let screen = Buffer::empty(Rect::new(0, 0, 8, 2));
        let mut recording = Recording::start(&state, Duration::ZERO, Some(&path), false).unwrap();
        let mut ms = 0;
        let mut shoot = |state: &State| {
            ms += 100;
            recording.frame(state, Duration::from_millis(ms), &screen).unwrap();
        };
        for playhead in 0..=2 {
            state.runs.current_mut().unwrap().playhead = playhead;
            shoot(&state);
            shoot(&state);
        }
        let score = Event::Score { run: 0, step: 2, perplexity: Some(3.5), nll: Arc::default() };
        update(&mut state, Msg::Engine(score));
        shoot(&state);
        recording.finish(Duration::from_secs(1)).unwrap();
        let cast = std::fs::read_to_string(path).unwrap();
        let markers: Vec<&str> = cast.lines().filter(|line| line.contains("step ")).collect();
        let told = ["step 0/2\"", "step 1/2  perplexity 8.0", "step 2/2  perplexity 3.5"];
        assert_eq!(markers.len(), told.len(), "{markers:?}");
        assert!(markers.iter().zip(told).all(|(marker, told)| marker.contains(told)), "{markers:?}");
    }
}
