//! The screen on a terminal: one loop over signals, input, news and, only where something is due, the clock.

use std::future::poll_fn;
use std::io::{self, BufWriter, Stdout, stdout};
use std::task::Poll;
use std::time::{Duration, Instant};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{Event as Input, EventStream};
use crossterm::style::force_color_output;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use crossterm::{execute, queue};
use futures_util::StreamExt;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep_until;

use super::keep::{self, Recording};
use super::looks::looks;
use super::setup::Setup;
use crate::app::{Effect, Level, Msg, Session, State};
use crate::cli::{RunArgs, ScreenArgs};
use crate::config::Depth;
use crate::engine::{Engine, Event};
use crate::error::Error;
use crate::term::signals::{self, Signal, Signals};
use crate::term::{Guard, Options};

/// Between two draws that nobody pressed a key for.
const FRAME: Duration = Duration::from_millis(16);

/// Most messages taken in before the screen is drawn again.
const BATCH: usize = 256;

/// Where news comes from.
pub enum Feed {
    /// An engine makes the runs.
    Engine(Engine, UnboundedReceiver<Event>),
    /// Someone else does.
    Messages(UnboundedReceiver<Msg>),
    /// There is none: everything is there already.
    Nothing,
}

/// Live runs on the screen.
pub fn run(args: &RunArgs, screen: &ScreenArgs) -> Result<(), Error> {
    let setup = Setup::prepare(args)?;
    let looks = looks(screen)?;
    let models = &setup.models;
    let spec = models.network.spec.clone();
    let name = spec.name.clone();
    let judge = models.judge.as_ref().map(|judge| judge.spec.name.clone());
    let mut state = State::live(looks, name, Some(models.vocab.clone()), spec, judge);
    let effects = state.begin(setup.config.clone(), &setup.prompt);
    let (engine, events) = Engine::spawn(models.parts());
    show(state, effects, Feed::Engine(engine, events), screen)
}

/// Shows a state until the user leaves.
pub fn show(mut state: State, effects: Vec<Effect>, feed: Feed, args: &ScreenArgs) -> Result<(), Error> {
    // Before the terminal is taken: a name that cannot be written is said on a terminal as it was.
    let recording = args.record.as_deref().map(|path| Recording::start(&state, Duration::ZERO, Some(path), args.force));
    let recording = recording.transpose().map_err(Error::input)?;
    state.recording = recording.is_some();
    let options = Options { mouse: !args.no_mouse };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::run)?;
    let signal = runtime.block_on(async {
        let mut screen = Screen::new(state, feed, options, recording)?;
        screen.perform(effects)?;
        let signal = screen.run().await;
        if screen.recording.is_some() {
            screen.record();
        }
        signal
    })?;
    // Not before the terminal is given back: `Screen` is gone here.
    match signal {
        Some(signal) => signals::end_by(signal).map_err(Error::run),
        None => Ok(()),
    }
}

/// Why the loop woke up.
enum Wake {
    Signal(Signal),
    Input(Option<io::Result<Input>>),
    News(Option<Msg>),
    Time,
}

struct Screen {
    // First, so that it is dropped first: the terminal is given back before the engine's threads are waited for.
    guard: Guard,
    session: Session,
    feed: Feed,
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    input: EventStream,
    signals: Signals,
    start: Instant,
    drawn: Instant,
    /// A key was pressed: draw without waiting for the next frame.
    urgent: bool,
    /// The user has had enough.
    leave: bool,
    recording: Option<Recording>,
}

impl Screen {
    fn new(state: State, feed: Feed, options: Options, recording: Option<Recording>) -> Result<Self, Error> {
        // `NO_COLOR` was heard when the theme was made; crossterm must not hear it again over `--color`.
        force_color_output(state.looks.theme.depth() != Depth::None);
        let signals = Signals::listen().map_err(Error::run)?;
        let guard = Guard::take(options).map_err(|error| terminal(&error))?;
        // One write a frame: whatever a frame needs fits.
        let out = BufWriter::with_capacity(1 << 18, stdout());
        let terminal = Terminal::new(CrosstermBackend::new(out)).map_err(|error| terminal(&error))?;
        let size = terminal.size().unwrap_or_default();
        let now = Instant::now();
        Ok(Self {
            guard,
            session: Session::new(state, size.width, size.height),
            feed,
            terminal,
            input: EventStream::new(),
            signals,
            start: now,
            drawn: now,
            urgent: true,
            leave: false,
            recording,
        })
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The loop. It sleeps unless a signal, a key, news or the session's own time wakes it.
    async fn run(&mut self) -> Result<Option<i32>, Error> {
        loop {
            if self.session.is_dirty() && (self.urgent || self.drawn.elapsed() >= FRAME) {
                self.draw()?;
            }
            match self.wake().await {
                Wake::Signal(Signal::End(signal)) => return Ok(Some(signal)),
                Wake::Signal(Signal::Continue) => self.retake()?,
                // The terminal is gone, and with it the user.
                Wake::Input(None | Some(Err(_))) => return Ok(None),
                Wake::Input(Some(Ok(input))) => self.take_input(&input)?,
                Wake::News(Some(msg)) => self.take(msg)?,
                Wake::News(None) => self.feed = Feed::Nothing,
                Wake::Time => self.take(Msg::Tick(self.now()))?,
            }
            self.drain().await?;
            if self.leave {
                return Ok(None);
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let due = self.session.wake_at().map(|at| self.start + at);
        let draw = self.session.is_dirty().then(|| self.drawn + FRAME);
        let alarm = [due, draw].into_iter().flatten().min();
        // Polled only if armed.
        let clock = async {
            match alarm {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let feed = &mut self.feed;
        let news = async {
            match feed {
                Feed::Engine(_, events) => events.recv().await.map(Msg::Engine),
                Feed::Messages(messages) => messages.recv().await,
                Feed::Nothing => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            signal = self.signals.next() => Wake::Signal(signal),
            input = self.input.next() => Wake::Input(input),
            msg = news => Wake::News(msg),
            () = clock => Wake::Time,
        }
    }

    /// Takes in what else has come, so that it is drawn together.
    async fn drain(&mut self) -> Result<(), Error> {
        for _ in 0..BATCH {
            // With this task's own waker: the stream keeps the first one it is given until an event comes.
            let input = &mut self.input;
            let next = poll_fn(|context| match input.poll_next_unpin(context) {
                Poll::Ready(next) => Poll::Ready(next),
                Poll::Pending => Poll::Ready(None),
            });
            if let Some(Ok(input)) = next.await {
                self.take_input(&input)?;
                continue;
            }
            let msg = match &mut self.feed {
                Feed::Engine(_, events) => events.try_recv().ok().map(Msg::Engine),
                Feed::Messages(messages) => messages.try_recv().ok(),
                Feed::Nothing => None,
            };
            match msg {
                Some(msg) => self.take(msg)?,
                None => break,
            }
        }
        Ok(())
    }

    fn take_input(&mut self, input: &Input) -> Result<(), Error> {
        self.urgent = true;
        let effects = self.session.input(self.now(), input);
        self.perform(effects)
    }

    fn take(&mut self, msg: Msg) -> Result<(), Error> {
        let effects = self.session.handle(self.now(), msg);
        self.perform(effects)
    }

    fn notice(&mut self, level: Level, text: String) {
        // A notice has no effects of its own.
        let _ = self.session.handle(self.now(), Msg::Notice(level, text));
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Result<(), Error> {
        for effect in effects {
            match effect {
                Effect::Engine(command) => {
                    if let Feed::Engine(engine, _) = &self.feed {
                        engine.send(command);
                    }
                }
                Effect::Copy(text) => self.copy(&text)?,
                Effect::Save(run) => match keep::trace(self.session.state(), run) {
                    Ok((path, runs)) => {
                        let runs = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
                        self.notice(Level::Info, format!("saved {runs} to {}", path.display()));
                    }
                    Err(error) => self.notice(Level::Error, error),
                },
                Effect::Record => self.record(),
                Effect::Suspend => self.suspend()?,
                Effect::Quit => self.leave = true,
            }
        }
        Ok(())
    }

    /// Asks the terminal to put a text on the clipboard (OSC 52); it may not, and does not say.
    fn copy(&mut self, text: &str) -> Result<(), Error> {
        let copy = CopyToClipboard::to_clipboard_from(text);
        execute!(self.terminal.backend_mut(), copy).map_err(|error| terminal(&error))?;
        let count = text.chars().count();
        self.notice(Level::Info, format!("copied {count} characters, if your terminal allows it (OSC 52)"));
        Ok(())
    }

    /// Starts a recording, or ends the one that goes on.
    fn record(&mut self) {
        let now = self.now();
        let said = match self.recording.take() {
            Some(recording) => recording.finish(now).map(|path| format!("recorded {}", path.display())),
            None => Recording::start(self.session.state(), now, None, false).map(|recording| {
                let said = format!("recording {}; g stops", recording.target().display());
                self.recording = Some(recording);
                said
            }),
        };
        self.session.state_mut().recording = self.recording.is_some();
        match said {
            Ok(text) => self.notice(Level::Info, text),
            Err(error) => self.notice(Level::Error, error.to_string()),
        }
    }

    fn suspend(&mut self) -> Result<(), Error> {
        self.guard.leave();
        if let Err(error) = signals::suspend() {
            self.notice(Level::Error, format!("cannot suspend: {error}"));
        }
        self.retake()
    }

    /// Takes the terminal over after something else had it, and draws everything anew.
    fn retake(&mut self) -> Result<(), Error> {
        self.guard.enter().map_err(|error| terminal(&error))?;
        self.urgent = true;
        // The window may have changed meanwhile; this also marks the session for drawing.
        let size = self.terminal.size().unwrap_or_default();
        // `Terminal::clear` would ask the terminal where its cursor is, and the answer would arrive among the keys.
        self.terminal.resize(size.into()).map_err(|error| terminal(&error))?;
        self.take(Msg::Resize(size.width, size.height))
    }

    fn draw(&mut self) -> Result<(), Error> {
        let session = &mut self.session;
        let now = self.start.elapsed();
        let mut effects = Vec::new();
        let mut recorded = Ok(());
        let recording = &mut self.recording;
        let mut draw = || {
            queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
            self.terminal.draw(|frame| {
                let area = frame.area();
                if (area.width, area.height) != session.state().size {
                    effects = session.handle(now, Msg::Resize(area.width, area.height));
                }
                session.draw(frame.buffer_mut());
                if let Some(recording) = recording {
                    recorded = recording.frame(session.state(), now, frame.buffer_mut());
                }
            })?;
            execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
        };
        draw().map_err(|error| terminal(&error))?;
        self.drawn = Instant::now();
        self.urgent = false;
        if let Err(error) = recorded {
            self.recording = None;
            self.session.state_mut().recording = false;
            self.notice(Level::Error, error.to_string());
        }
        self.perform(effects)
    }
}

fn terminal(error: &io::Error) -> Error {
    Error::output("the terminal", error)
}
