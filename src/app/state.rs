//! Everything the screen shows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::edits::Edits;
use super::grid::GridEditor;
use super::layout::{Layout, Wanted};
use super::line::Line;
use super::msg::Level;
use super::overlay::Overlay;
use super::passage::Passage;
use super::prompt::Prompt;
use super::run::{Run, Runs};
use crate::config::{Glyphs, Keymap, Mode, Theme};
use crate::engine::{Part, RunId};
use crate::flow::RunConfig;
use crate::model::ModelSpec;
use crate::text::Vocab;
use crate::trace::ChangeMap;

/// Playing speeds, slowest first; 1 is in the middle of the keys.
pub const SPEEDS: [f64; 6] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0];

/// How long a notice stays.
pub const NOTICE: Duration = Duration::from_secs(4);

/// Playing.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// Whether the playhead moves by itself.
    pub on: bool,
    /// Whether it starts over at the end.
    pub looping: bool,
    /// Index into [`SPEEDS`].
    pub speed: usize,
    /// When it moves next.
    pub due: Duration,
}

/// What the panel below the gauges shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Nothing.
    Off,
    /// The token under the cursor.
    #[default]
    Token,
    /// The jumps of the step.
    Jumps,
    /// Charts over steps.
    Charts,
}

/// How far a part of the engine is.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// There is none.
    Absent,
    /// This fraction of it is loaded.
    Loading(f32),
    /// It works, in this arithmetic.
    Ready(String),
    /// It does not.
    Failed(String),
}

/// A window over the screen.
#[derive(Clone, Debug, PartialEq)]
pub enum Popup {
    /// The keys.
    Help,
    /// Something that must be read.
    Message {
        /// In one word or two.
        title: String,
        /// In full.
        text: String,
    },
    /// The list of runs.
    Runs,
    /// What to change before going on as a branch.
    WhatIf,
    /// The editor of the steps' times.
    Grid(GridEditor),
}

/// A line that goes away by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// How loud it is.
    pub level: Level,
    /// What it says.
    pub text: String,
    /// When it goes away.
    pub until: Duration,
}

/// What live runs need.
#[derive(Clone, Debug)]
pub struct Live {
    /// Sizes of the network.
    pub spec: ModelSpec,
    /// The run the engine works on.
    pub engine_run: Option<RunId>,
}

/// How the screen looks and listens.
#[derive(Clone, Debug)]
pub struct Looks {
    /// Colours.
    pub theme: Theme,
    /// Drawing characters.
    pub glyphs: Glyphs,
    /// Keys.
    pub keymap: Arc<Keymap>,
}

/// Everything the screen shows. Made by [`State::live`] or [`State::replay`], changed by [`super::update()`] alone.
#[derive(Debug)]
pub struct State {
    /// Time since the start.
    pub now: Duration,
    /// How the screen looks and listens.
    pub looks: Looks,
    /// Name of the model.
    pub model: String,
    /// Text of the ids, once there is a vocabulary.
    pub vocab: Option<Arc<Vocab>>,
    /// What live runs need; `None`: runs only come from a trace.
    pub live: Option<Live>,
    /// The network.
    pub network: Load,
    /// The judge.
    pub judge: Load,
    /// Its name.
    pub judge_name: Option<String>,
    /// Where the first run will come from, until it does.
    pub waiting: Option<String>,
    /// The runs.
    pub runs: Runs,
    /// Playing.
    pub play: Play,
    /// What the colours mean.
    pub overlay: Overlay,
    /// Whether the map is wanted.
    pub map: bool,
    /// The panel below the gauges.
    pub side: Side,
    /// The first chart in sight, where there is no room for all of them.
    pub chart: usize,
    /// Whether that panel was asked for: where there is no room beside the text, it takes the map's or the text's.
    pub side_asked: bool,
    /// Whether the text is what the run would end with now.
    pub ghost: bool,
    /// Whether differences to another run are marked.
    pub diff: bool,
    /// Edits that are not yet a branch.
    pub edits: Edits,
    /// The run and the step they are made to.
    pub edits_at: Option<(RunId, u32)>,
    /// What the judge was asked about: run, step, and whether it is a ghost's.
    pub score_asked: BTreeSet<(RunId, u32, bool)>,
    /// A line being typed.
    pub line: Option<Line>,
    /// What was searched for last.
    pub query: String,
    /// The token cursor.
    pub cursor: Option<u32>,
    /// The wrapped text.
    pub passage: Passage,
    /// The cells of the convergence map, with run and size they were made for.
    pub changes: Option<((RunId, u16, u16), ChangeMap)>,
    /// The window over the screen.
    pub popup: Option<Popup>,
    /// How far the window is scrolled.
    pub popup_scroll: usize,
    /// The chosen row of a list.
    pub row: usize,
    /// The prompt editor.
    pub prompt: Prompt,
    /// A line that goes away by itself.
    pub notice: Option<Notice>,
    /// Whether the screen is being recorded.
    pub recording: bool,
    /// Columns and rows.
    pub size: (u16, u16),
    /// Where each panel is.
    pub layout: Layout,
    /// What the left mouse button went down on.
    pub held: Option<super::Target>,
    /// Whether it has moved since.
    pub dragging: bool,
}

impl State {
    fn new(looks: Looks, model: String, vocab: Option<Arc<Vocab>>) -> Self {
        Self {
            now: Duration::ZERO,
            looks,
            model,
            vocab,
            live: None,
            network: Load::Absent,
            judge: Load::Absent,
            judge_name: None,
            waiting: None,
            runs: Runs::default(),
            play: Play { on: true, looping: false, speed: 2, due: Duration::ZERO },
            overlay: Overlay::default(),
            map: true,
            side: Side::default(),
            chart: 0,
            side_asked: false,
            ghost: false,
            diff: false,
            edits: Edits::default(),
            edits_at: None,
            score_asked: BTreeSet::new(),
            line: None,
            query: String::new(),
            cursor: None,
            passage: Passage::default(),
            changes: None,
            popup: None,
            popup_scroll: 0,
            row: 0,
            prompt: Prompt::default(),
            notice: None,
            recording: false,
            size: (0, 0),
            layout: Layout::default(),
            held: None,
            dragging: false,
        }
    }

    /// A screen for live runs of a network of these sizes; the first is begun by [`State::begin`].
    pub fn live(
        looks: Looks,
        model: String,
        vocab: Option<Arc<Vocab>>,
        spec: ModelSpec,
        judge: Option<String>,
    ) -> Self {
        Self {
            live: Some(Live { spec, engine_run: None }),
            network: Load::Loading(0.0),
            judge: if judge.is_some() { Load::Loading(0.0) } else { Load::Absent },
            judge_name: judge,
            ..Self::new(looks, model, vocab)
        }
    }

    /// A screen for runs that come from a trace, each by a [`super::Msg::Run`].
    pub fn replay(looks: Looks, model: String, vocab: Arc<Vocab>) -> Self {
        Self::new(looks, model, Some(vocab))
    }

    /// Begins the first run: what the engine must be told.
    pub fn begin(&mut self, config: RunConfig, prompt: &str) -> Vec<super::Effect> {
        let mut effects = Vec::new();
        super::update::begin(self, config, prompt, &mut effects);
        effects
    }

    /// The run on screen.
    pub fn run(&self) -> Option<&Run> {
        self.runs.current()
    }

    /// What the keys speak to.
    pub fn mode(&self) -> Mode {
        match self.popup {
            Some(Popup::Help | Popup::Message { .. }) => return Mode::Popup,
            Some(Popup::Runs | Popup::WhatIf | Popup::Grid(_)) => return Mode::List,
            None => {}
        }
        if self.line.is_some() {
            Mode::Line
        } else if self.prompt.is_open() {
            Mode::Prompt
        } else {
            Mode::Main
        }
    }

    /// The playing speed.
    pub fn speed(&self) -> f64 {
        SPEEDS[self.play.speed.min(SPEEDS.len() - 1)]
    }

    /// How long a step of the run on screen stays: at least 400 ms, but a whole run at most 8 s, at the speed set.
    pub fn dwell(&self) -> Duration {
        let steps = self.run().map_or(1, Run::steps).max(1);
        let ms = 400.0_f64.min(8000.0 / f64::from(steps));
        Duration::from_secs_f64(ms / 1000.0 / self.speed())
    }

    /// When the state wants a [`super::Msg::Tick`], if ever: with none pending the program sleeps.
    pub fn wake_at(&self) -> Option<Duration> {
        // More than 60 frames a second are for nobody.
        let frame = Duration::from_millis(16);
        let step = self
            .run()
            .filter(|run| self.play.on && (run.playhead < run.newest() || (self.play.looping && run.is_complete())))
            .map(|_| self.play.due.max(self.now + frame));
        let notice = self.notice.as_ref().map(|n| n.until);
        [step, notice].into_iter().flatten().min()
    }

    pub(super) fn wanted(&self) -> Wanted {
        let lower = self.side != Side::Off;
        Wanted { map: self.map, lower, asked: self.side_asked && lower }
    }

    /// How far a part is.
    pub fn load_mut(&mut self, part: Part) -> &mut Load {
        match part {
            Part::Model => &mut self.network,
            Part::Judge => &mut self.judge,
        }
    }
}
