//! A model of a few words and a run that writes a little story, all made up here: no threads, no weights, no clock.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use fewstep::app::state::Looks;
use fewstep::app::{Action, Effect, Msg, Session, State, Target};
use fewstep::config::{Chord, Depth, Glyphs, Keymap, Theme};
use fewstep::engine::{Command, Event, Part, RunId, Start};
use fewstep::flow::{RunConfig, Sampler};
use fewstep::model::{ModelSpec, Source};
use fewstep::text::Vocab;
use fewstep::trace::{Detail, Frame, Jumps};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const STORY: &str = "Once upon a time, there was a little girl named Lily.|She liked to play in the garden with her dog, \
Max. One day, they found a big red ball behind the old tree.|\"Look, Max!\" she said. \"It is so shiny!\" Max ran to the \
ball and barked. He pushed it with his nose, and it rolled down the hill, past the flowers and into the pond.|Lily was \
sad, but then a kind duck swam over and pushed the ball back with its wings. Lily clapped her hands and thanked the \
duck.|From that day on, Lily, Max and the duck played together in the garden every day.¶";

const OTHERS: &[&str] = &[
    " sun",
    " moon",
    "ing",
    "ed",
    " under",
    " blue",
    "\u{20ac}",
    "é",
    " jumped",
    " \u{65e5}\u{672c}",
    "!",
    "?",
    " mom",
    " cake",
    "s",
    " happy",
    " tiny",
    " boat",
    " could",
    " not",
    "able",
    " river",
    "\u{1f600}",
    "'s",
    " bird",
    "ly",
    " soft",
    " sang",
];

/// Words of the story and others; the last few ids are what no terminal should be sent.
pub(crate) fn vocab() -> (Vocab, Vec<u32>) {
    let mut words: Vec<String> = Vec::new();
    let mut story = Vec::new();
    let push = |word: String, words: &mut Vec<String>| {
        let id = words.iter().position(|w| *w == word).unwrap_or_else(|| {
            words.push(word);
            words.len() - 1
        });
        id as u32
    };
    words.push("<eos>".to_owned());
    for (i, paragraph) in STORY.split('|').enumerate() {
        if i > 0 {
            story.push(push("\n".to_owned(), &mut words));
        }
        for piece in split(paragraph) {
            story.push(if piece == "¶" { 0 } else { push(piece, &mut words) });
        }
    }
    for other in OTHERS {
        push((*other).to_owned(), &mut words);
    }
    let mut vocab = Vocab::from_entries((0..).zip(words.iter().cloned()));
    let nasty =
        [&b"\x1b"[..], b"\x07", b"\xe2", b"\x82", b"\xac", "\u{202e}".as_bytes(), "\u{200b}".as_bytes(), b"\r", b"\t"];
    for (id, bytes) in (words.len() as u32..).zip(nasty) {
        vocab.insert(id, bytes);
    }
    vocab.set_eos(Some(0));
    (vocab, story)
}

/// As byte-level tokenizers do: words with the space before them, marks by themselves.
fn split(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for c in text.chars() {
        let joins = tokens
            .last()
            .and_then(|t| t.chars().next_back())
            .is_some_and(|last| c.is_alphabetic() && (last.is_alphabetic() || last == ' '));
        match tokens.last_mut() {
            Some(token) if joins => token.push(c),
            _ => tokens.push(c.to_string()),
        }
    }
    tokens
}

pub(crate) fn spec(vocab: usize) -> ModelSpec {
    ModelSpec {
        name: "stories-33M".to_owned(),
        hash: "0".repeat(16),
        vocab,
        hidden: 512,
        blocks: 8,
        heads: 8,
        cond: 128,
        mlp_ratio: 4,
        length: 1024,
        source: Source::Uniform,
        dt_conditioned: true,
        least_dt: 0.0625,
        exponent: 1.0,
        eos: Some(0),
    }
}

pub(crate) fn looks(theme: Theme) -> Looks {
    Looks { theme, glyphs: Glyphs::UNICODE, keymap: Arc::new(Keymap::default()) }
}

/// A session with its engine: commands are kept, and answered when the script says so.
pub(crate) struct World {
    pub(crate) session: Session,
    pub(crate) now: Duration,
    pub(crate) effects: Vec<Effect>,
    /// The run asked for last, and how far.
    pub(crate) job: Option<Start>,
    ids: Vec<u32>,
    story: Vec<u32>,
    vocab_len: usize,
    size: (u16, u16),
}

impl World {
    pub(crate) fn new(width: u16, height: u16, steps: usize) -> Self {
        Self::with(width, height, RunConfig::new(7, 256, steps), looks(Theme::dark(Depth::True)))
    }

    pub(crate) fn with(width: u16, height: u16, config: RunConfig, looks: Looks) -> Self {
        let (vocab, story) = vocab();
        let vocab_len = vocab.len();
        let spec = spec(vocab_len);
        let mut state =
            State::live(looks, "stories-33M".to_owned(), Some(Arc::new(vocab)), spec, Some("judge-12M".to_owned()));
        let effects = state.begin(config, "");
        let mut world = Self {
            session: Session::new(state, width, height),
            now: Duration::ZERO,
            effects: Vec::new(),
            job: None,
            ids: Vec::new(),
            story,
            vocab_len,
            size: (width, height),
        };
        world.take(effects);
        world
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            match effect {
                Effect::Engine(Command::Start(start)) => {
                    self.ids = match &start.from {
                        Some((_, ids)) => ids.clone(),
                        None => self.noise(&start.config),
                    };
                    self.job = Some(start.clone());
                }
                Effect::Engine(Command::Advance { run, upto }) => {
                    let job = self.job.as_mut().filter(|j| j.run == *run).expect("a known run");
                    job.upto = *upto;
                }
                _ => {}
            }
        }
        self.effects = effects;
    }

    fn noise(&self, config: &RunConfig) -> Vec<u32> {
        let sampler = Sampler::new(&spec(self.vocab_len), config.clone()).expect("a sound configuration");
        sampler.noise().ids.to_vec()
    }

    pub(crate) fn send(&mut self, msg: Msg) -> &[Effect] {
        let effects = self.session.handle(self.now, msg);
        self.take(effects);
        &self.effects
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.send(Msg::Engine(event));
    }

    pub(crate) fn key(&mut self, key: &str) -> &[Effect] {
        let chord = Chord::parse(key).unwrap_or_else(|| panic!("{key} is a key"));
        self.press(chord.event())
    }

    pub(crate) fn press(&mut self, key: KeyEvent) -> &[Effect] {
        let effects = self.session.input(self.now, &Input::Key(key));
        self.take(effects);
        &self.effects
    }

    pub(crate) fn keys(&mut self, keys: &str) {
        for key in keys.split(' ') {
            self.key(key);
        }
    }

    pub(crate) fn type_text(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        }
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.send(Msg::Tick(self.now));
    }

    /// Both models are loaded.
    pub(crate) fn ready(&mut self) {
        for part in [Part::Model, Part::Judge] {
            let precision = if part == Part::Model { "int8-avx2".to_owned() } else { String::new() };
            self.event(Event::Ready { part, precision, ms: 120.0 });
        }
    }

    /// The engine computes one more step of what was asked for; false if nothing is wanted.
    pub(crate) fn compute(&mut self) -> bool {
        let Some(job) = self.job.clone() else { return false };
        let step = self.newest(job.run) + 1;
        if step > job.upto || step as usize > job.config.steps() {
            return false;
        }
        let frame = self.frame(&job, step);
        self.event(Event::Frame { run: job.run, frame });
        true
    }

    pub(crate) fn newest(&self, run: RunId) -> u32 {
        self.session.state().runs.by_id(run).map_or(0, fewstep::app::Run::newest)
    }

    fn frame(&mut self, job: &Start, step: u32) -> Frame {
        let steps = job.config.steps() as u32;
        let mut changed = Vec::new();
        let frozen = |p: u32| job.config.frozen.iter().any(|(at, _)| *at == p);
        for position in (0..self.ids.len() as u32).filter(|p| !frozen(*p)) {
            let draw = mix(u64::from(position), u64::from(step), job.config.seed);
            // A token leaves with probability 1/(steps left), mostly for the story.
            if !draw.is_multiple_of(u64::from(steps - step + 1)) {
                continue;
            }
            let wild = mix(draw, 1, 0) % 100 < u64::from(60 * (steps - step) / steps);
            let target = self.story.get(position as usize).copied().unwrap_or(0);
            let id = if wild { (mix(draw, 2, 0) % self.vocab_len as u64) as u32 } else { target };
            if self.ids[position as usize] != id {
                self.ids[position as usize] = id;
                changed.push(position);
            }
        }
        let (t, before) = (job.config.grid[step as usize], job.config.grid[step as usize - 1]);
        let detail: Vec<Detail> = (0..self.ids.len())
            .map(|p| Detail {
                entropy: 4.0 * (1.0 - t as f32) + (p % 5) as f32 * 0.3,
                prob: 0.2 + 0.7 * t as f32,
                prob_before: 0.1,
                jump_prob: 1.0 / (steps - step + 1) as f32,
                rank: (p % 3) as u32,
                jumped: changed.binary_search(&(p as u32)).is_ok(),
                top: std::array::from_fn(|i| ((p + i) as u32 % self.vocab_len as u32, 0.5 / (i + 1) as f32)),
            })
            .collect();
        Frame {
            step,
            t,
            h: t - before,
            ids: self.ids.clone().into(),
            jumps: Some(Jumps {
                cumulative: 256.0 / (steps - step + 1) as f32 * 0.9,
                euler: 256.0 * 0.45,
                dfm: 256.0 / (steps - step + 1) as f32,
                actual: changed.len() as u32,
                kappa: before as f32,
                kappa_next: t as f32,
                scalar: 0.2,
                mean_entropy: 5.0 * (1.0 - t as f32) + 0.3,
            }),
            changed: changed.into(),
            detail: Some(detail.into()),
            ms: Some(41.0),
        }
    }

    pub(crate) fn score(&mut self, run: RunId, step: u32) {
        let steps = self.session.state().runs.by_id(run).map_or(8, fewstep::app::Run::steps);
        let perplexity = 12.0 + 4000.0 * (1.0 - f64::from(step) / f64::from(steps)).powi(6);
        let nll: Vec<f32> = (0..255).map(|p| (p % 9) as f32 * 0.7).collect();
        self.event(Event::Score { run, step, perplexity: Some(perplexity), nll: nll.into() });
    }

    /// Computes, scores and plays the whole run on screen.
    pub(crate) fn finish(&mut self) {
        while self.compute() {}
        let run = self.run();
        for step in 0..=self.newest(run) {
            self.score(run, step);
        }
        for _ in 0..4000 {
            if !self.session.state().play.on {
                return;
            }
            self.wait(20);
        }
        panic!("the run never came to its end");
    }

    pub(crate) fn run(&self) -> RunId {
        self.session.state().run().expect("a run").id
    }

    pub(crate) fn playhead(&self) -> u32 {
        self.session.state().run().expect("a run").playhead
    }

    pub(crate) fn act(&mut self, action: Action) -> &[Effect] {
        self.send(Msg::Action(action))
    }

    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        self.size = (width, height);
        self.send(Msg::Resize(width, height));
    }

    pub(crate) fn buffer(&mut self) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.size.0, self.size.1));
        self.session.draw(&mut buffer);
        buffer
    }

    pub(crate) fn text(&mut self) -> String {
        lines(&self.buffer()).join("\n")
    }

    /// Where a target is on the screen.
    pub(crate) fn place(&mut self, target: Target) -> (u16, u16) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.size.0, self.size.1));
        let area = self.session.draw(&mut buffer).find(target).unwrap_or_else(|| panic!("{target:?} is on screen"));
        (area.x, area.y)
    }

    pub(crate) fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        self.buffer();
        let mouse = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        let effects = self.session.input(self.now, &Input::Mouse(mouse));
        self.take(effects);
    }

    pub(crate) fn click(&mut self, target: Target) {
        let (column, row) = self.place(target);
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row);
        self.mouse(MouseEventKind::Up(MouseButton::Left), column, row);
    }
}

fn mix(a: u64, b: u64, c: u64) -> u64 {
    let mut x =
        a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ c.wrapping_add(0x1234_5678);
    x ^= x >> 31;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 29)
}

/// The screen as lines of text.
pub(crate) fn lines(buffer: &Buffer) -> Vec<String> {
    let row = |y: u16| {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = unicode_width::UnicodeWidthStr::width(symbol).max(1);
            }
            skip -= 1;
        }
        line.trim_end().to_owned()
    };
    (0..buffer.area.height).map(row).collect()
}
