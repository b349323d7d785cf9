//! A screen that runs on a made-up clock: what tapes type at and exports play back.

use std::time::Duration;

use crossterm::event::{Event, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::solo::SoloEngine;
use super::{RecordError, Recorder};
use crate::app::{Effect, Msg, Run, Session, State};

/// A screen without a terminal, on a clock that only its owner moves.
pub trait Stage {
    /// A key is pressed.
    fn key(&mut self, key: KeyEvent) -> Result<(), RecordError>;

    /// The screen gets another size.
    fn resize(&mut self, width: u16, height: u16) -> Result<(), RecordError>;

    /// Time moves on to `now`.
    fn advance(&mut self, now: Duration) -> Result<(), RecordError>;

    /// When something will happen by itself, if ever.
    fn wake_at(&self) -> Option<Duration>;

    /// The screen as it is now.
    fn draw(&mut self) -> &Buffer;

    /// The step on screen and the budget.
    fn step(&self) -> (u32, u32);

    /// The moment in a few words, for markers.
    fn caption(&self) -> String;

    /// Whether the program was asked to end.
    fn has_quit(&self) -> bool {
        false
    }
}

/// The real screen as a stage: over a trace, or with an engine that computes in place.
#[derive(Debug)]
pub struct Screen {
    session: Session,
    engine: Option<SoloEngine>,
    buffer: Buffer,
    now: Duration,
    quit: bool,
}

impl Screen {
    /// A stage of `width`×`height` for a state; `effects` are what beginning its first run asked for.
    pub fn new(
        state: State,
        engine: Option<SoloEngine>,
        (width, height): (u16, u16),
        effects: Vec<Effect>,
    ) -> Result<Self, RecordError> {
        let mut screen = Self {
            session: Session::new(state, width, height),
            engine,
            buffer: Buffer::empty(Rect::new(0, 0, width, height)),
            now: Duration::ZERO,
            quit: false,
        };
        if let Some(engine) = &screen.engine {
            for event in engine.ready() {
                screen.tell(Msg::Engine(event))?;
            }
        }
        screen.obey(effects)?;
        Ok(screen)
    }

    /// What it shows.
    pub fn state(&self) -> &State {
        self.session.state()
    }

    fn tell(&mut self, msg: Msg) -> Result<(), RecordError> {
        let effects = self.session.handle(self.now, msg);
        self.obey(effects)
    }

    fn obey(&mut self, effects: Vec<Effect>) -> Result<(), RecordError> {
        for effect in effects {
            match effect {
                Effect::Engine(command) => {
                    if let Some(engine) = &mut self.engine {
                        for event in engine.command(self.now, command)? {
                            self.tell(Msg::Engine(event))?;
                        }
                    }
                }
                Effect::Quit => self.quit = true,
                // A stage has no clipboard, no files and no shell.
                Effect::Copy(_) | Effect::Save(_) | Effect::Record | Effect::Suspend => {}
            }
        }
        Ok(())
    }
}

impl Stage for Screen {
    fn key(&mut self, key: KeyEvent) -> Result<(), RecordError> {
        let effects = self.session.input(self.now, &Event::Key(key));
        self.obey(effects)
    }

    fn resize(&mut self, width: u16, height: u16) -> Result<(), RecordError> {
        self.buffer = Buffer::empty(Rect::new(0, 0, width, height));
        self.tell(Msg::Resize(width, height))
    }

    fn advance(&mut self, now: Duration) -> Result<(), RecordError> {
        // Whatever is due before `now` happens at its own time, in order: how far the clock jumps never shows.
        loop {
            let due = [self.session.wake_at(), self.engine.as_ref().and_then(SoloEngine::due)];
            let Some(next) = due.into_iter().flatten().min().filter(|&next| next < now) else { break };
            if next <= self.now && self.engine.as_ref().and_then(SoloEngine::due).is_none_or(|due| due > self.now) {
                break;
            }
            self.now = next.max(self.now);
            self.turn()?;
        }
        self.now = now.max(self.now);
        self.turn()
    }

    fn wake_at(&self) -> Option<Duration> {
        [self.session.wake_at(), self.engine.as_ref().and_then(SoloEngine::due)].into_iter().flatten().min()
    }

    fn draw(&mut self) -> &Buffer {
        self.buffer.reset();
        self.session.draw(&mut self.buffer);
        &self.buffer
    }

    fn step(&self) -> (u32, u32) {
        self.session.state().run().map_or((0, 0), |run| (run.playhead, run.steps()))
    }

    fn caption(&self) -> String {
        self.session.state().run().map(caption).unwrap_or_default()
    }

    fn has_quit(&self) -> bool {
        self.quit
    }
}

impl Screen {
    /// Lets the engine and the session do what is due now.
    fn turn(&mut self) -> Result<(), RecordError> {
        if let Some(engine) = &mut self.engine {
            for event in engine.advance(self.now)? {
                self.tell(Msg::Engine(event))?;
            }
        }
        self.tell(Msg::Tick(self.now))
    }
}

/// The step on screen of a run in a few words, with its perplexity where that is known by then.
pub fn caption(run: &Run) -> String {
    let label = format!("step {}/{}", run.playhead, run.steps());
    match run.timeline.perplexity(run.playhead) {
        Some(perplexity) => format!("{label}  perplexity {}", super::figure::number(perplexity)),
        None => label,
    }
}

/// Feeds recorders from a stage: a frame where the screen changed, a marker where the step did.
pub struct Camera<'a> {
    recorders: Vec<&'a mut dyn Recorder>,
    last: Option<Buffer>,
    step: Option<(u32, u32)>,
}

impl std::fmt::Debug for Camera<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Camera").field("recorders", &self.recorders.len()).finish_non_exhaustive()
    }
}

impl<'a> Camera<'a> {
    /// A camera for these recorders.
    pub fn new(recorders: Vec<&'a mut dyn Recorder>) -> Self {
        Self { recorders, last: None, step: None }
    }

    /// Records the screen as it is at `now`.
    pub fn shoot(&mut self, now: Duration, stage: &mut dyn Stage) -> Result<(), RecordError> {
        let screen = stage.draw();
        if self.last.as_ref() != Some(screen) {
            for recorder in &mut self.recorders {
                recorder.frame(now, screen)?;
            }
            self.last = Some(screen.clone());
        }
        let step = stage.step();
        if self.step != Some(step) {
            self.step = Some(step);
            let caption = stage.caption();
            for recorder in &mut self.recorders {
                recorder.marker(now, &caption)?;
            }
        }
        Ok(())
    }

    /// The screen last recorded.
    pub fn last(&self) -> Option<&Buffer> {
        self.last.as_ref()
    }

    /// Ends all recordings at `now`.
    pub fn finish(&mut self, now: Duration) -> Result<(), RecordError> {
        self.recorders.iter_mut().try_for_each(|recorder| recorder.finish(now))
    }
}

/// Plays a run from its noise to its end into the recorders, at the speed of the screen.
pub fn play(
    stage: &mut dyn Stage,
    camera: &mut Camera<'_>,
    progress: &mut dyn super::Progress,
) -> Result<(), RecordError> {
    let mut now = Duration::ZERO;
    loop {
        stage.advance(now)?;
        camera.shoot(now, stage)?;
        let (step, steps) = stage.step();
        progress.at(u64::from(step), u64::from(steps))?;
        match stage.wake_at() {
            Some(next) if step < steps => now = next.max(now + Duration::from_millis(1)),
            // At the end, or a run cut short: nothing more will come.
            _ => break,
        }
    }
    camera.finish(now)
}
