//! One line of a trace into an [`Item`], with every number checked before it is used.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::exact;
use super::fields::{
    DetailFields, FrameFields, HeaderFields, JumpsFields, ModelFields, RunFields, ScoreFields, VocabFields,
};
use super::problem::{Bad, bad, fields, syntax};
use super::{FORMAT, MAX_STEPS, MAX_TOKENS, VERSION};
use crate::flow::{RunConfig, SolverKind, config::uniform_grid};
use crate::model::Source;
use crate::text::{MAX_ID, safe};
use crate::trace::frame::{Detail, Frame, Jumps, TOP};
use crate::trace::{ModelMeta, Parent, RunMeta, Score, TraceError};

/// What a trace says about all its runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// The program that wrote it.
    pub tool: String,
    /// The model.
    pub model: Arc<ModelMeta>,
    /// Name of the judge.
    pub judge: Option<String>,
    /// The arithmetic in use.
    pub precision: String,
    /// The prompt, as it was typed.
    pub prompt: String,
    /// Length of the sequences; 0 where it is not told.
    pub tokens: usize,
}

/// A frame of a run, as read.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameItem {
    /// Its run.
    pub run: u32,
    /// The frame.
    pub frame: Frame,
    /// Its perplexity, where it was known when the frame was written.
    pub perplexity: Option<f64>,
}

/// What a line said.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// The first line.
    Header(Box<Header>),
    /// The bytes of some ids.
    Vocab(Vec<(u32, Vec<u8>)>),
    /// A run begins.
    Run(Box<RunMeta>),
    /// A step was taken.
    Frame(FrameItem),
    /// A step was scored.
    Score {
        /// The run.
        run: u32,
        /// The step.
        step: u32,
        /// What the judge said; nothing where it only spoke of the text the run would end with if it stopped there.
        score: Option<Score>,
        /// The perplexity of that text.
        ghost: Option<f64>,
    },
}

/// What has to be known of a run to read its next frame.
struct RunState {
    tokens: usize,
    grid: Vec<f64>,
    begun: bool,
    next: u32,
    ids: Arc<[u32]>,
}

impl RunState {
    fn steps(&self) -> u32 {
        self.grid.len() as u32 - 1
    }

    /// Time after a step, and the step: what the grid says, unless the frame says something else.
    fn time(&self, step: u32, t: Option<f64>, h: Option<f64>) -> Result<(f64, f64), Bad> {
        let step = step as usize;
        let planned = self.grid[step];
        let taken = if step == 0 { 0.0 } else { planned - self.grid[step - 1] };
        let told = |field: &str, told: Option<f64>, planned: f64| match told {
            Some(x) if !x.is_finite() => bad(field, "has to be finite"),
            // A text of 16 digits may be off by one in the last.
            Some(x) if (x - planned).abs() > 1e-9 => Ok(x),
            _ => Ok(planned),
        };
        Ok((told("t", t, planned)?, told("h", h, taken)?))
    }
}

/// Reads a trace line by line.
#[derive(Default)]
pub struct Parser {
    path: Option<PathBuf>,
    header: Option<Header>,
    runs: HashMap<u32, RunState>,
}

impl Parser {
    /// A parser whose errors name `path`.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path, ..Self::default() }
    }

    /// The header, once it was read.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Reads line `number` (from 1): nothing for an empty line or one of an unknown type, and up to two items for a
    /// header that brings its vocabulary.
    pub fn line(&mut self, number: u64, line: &[u8]) -> Result<Vec<Item>, TraceError> {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").filter(|_| number == 1).unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(Vec::new());
        }
        self.items(line).map_err(|bad| TraceError::Line {
            path: self.path.clone(),
            line: number,
            field: (!bad.field.is_empty()).then(|| safe(&bad.field).into_owned()),
            problem: safe(&bad.problem).into_owned(),
        })
    }

    fn items(&mut self, line: &[u8]) -> Result<Vec<Item>, Bad> {
        let kind = serde_json::from_slice(line).map_err(|e| syntax(line, &e));
        if self.header.is_none() && !matches!(&kind, Ok(Type { kind: Some(kind) }) if kind == "header") {
            return bad("", "this is no fewstep trace: its first line has to be the header");
        }
        let Type { kind } = kind?;
        let kind = kind.as_deref().unwrap_or_default();
        match kind {
            "header" => self.header_line(fields(line)?),
            "vocab" => {
                let VocabFields { vocab, vocab_bytes } = fields(line)?;
                let entries = self.entries(vocab, vocab_bytes)?;
                Ok(vec![Item::Vocab(entries)])
            }
            "run" => {
                let mut run: RunFields = fields(line)?;
                exact::settings(&mut run, line);
                Ok(vec![Item::Run(Box::new(self.run_line(run)?))])
            }
            "frame" => Ok(vec![Item::Frame(self.frame_line(fields(line)?)?)]),
            "score" => Ok(vec![self.score_line(fields(line)?)?]),
            _ => Ok(Vec::new()),
        }
    }

    fn header_line(&mut self, header: HeaderFields) -> Result<Vec<Item>, Bad> {
        if self.header.is_some() {
            return bad("type", "a second header; keep one trace in a file");
        }
        if header.format.as_deref() != Some(FORMAT) {
            return bad("format", format!("this is no fewstep trace: it has to say \"{FORMAT}\""));
        }
        match header.version {
            Some(VERSION) => {}
            Some(other) => return bad("version", format!("version {other} is not known; a newer fewstep may read it")),
            None => return bad("version", format!("missing; this is version {VERSION}")),
        }
        let model = model(header.model.unwrap_or_default())?;
        let parsed = Header {
            tool: header.tool.unwrap_or_default(),
            model: Arc::new(model),
            judge: header.judge,
            precision: header.precision.unwrap_or_default(),
            prompt: header.prompt.unwrap_or_default(),
            tokens: tokens(header.tokens)?,
        };
        self.header = Some(parsed.clone());
        let entries = self.entries(header.vocab, header.vocab_bytes)?;
        let mut items = vec![Item::Header(Box::new(parsed))];
        if !entries.is_empty() {
            items.push(Item::Vocab(entries));
        }
        Ok(items)
    }

    /// Bytes of ids; exact bytes win over text.
    fn entries(
        &self,
        vocab: Option<BTreeMap<u32, String>>,
        exact: Option<BTreeMap<u32, String>>,
    ) -> Result<Vec<(u32, Vec<u8>)>, Bad> {
        let mut entries = BTreeMap::new();
        for (id, text) in vocab.unwrap_or_default() {
            self.check_id(id, || format!("vocab.{id}"))?;
            entries.insert(id, text.into_bytes());
        }
        for (id, hex) in exact.unwrap_or_default() {
            let field = || format!("vocab_bytes.{id}");
            self.check_id(id, field)?;
            let Some(bytes) = unhex(&hex) else {
                return bad(field(), "give the bytes as pairs of hex digits");
            };
            entries.insert(id, bytes);
        }
        Ok(entries.into_iter().collect())
    }

    /// Ids have to be below the vocabulary's size (or be the mask), or below [`MAX_ID`] where no size is told.
    fn check_id(&self, id: u32, field: impl Fn() -> String) -> Result<(), Bad> {
        let model = self.header.as_ref().map(|h| &h.model);
        let size = model.map_or(0, |m| m.vocab_size);
        let is_mask = model.is_some_and(|m| m.mask == Some(id));
        if is_mask || (size == 0 && id <= MAX_ID) || (id as usize) < size {
            return Ok(());
        }
        let limit = if size == 0 { MAX_ID as usize + 1 } else { size };
        bad(field(), format!("id {id} is not below the vocabulary's size, {limit}"))
    }

    fn run_line(&mut self, run: RunFields) -> Result<RunMeta, Bad> {
        let number = run.run.unwrap_or(0);
        if self.runs.contains_key(&number) {
            return bad("run", format!("run {number} began before; number runs apart"));
        }
        let header = self.header.as_ref();
        let steps = match (run.steps, &run.grid) {
            (Some(steps), _) => steps as usize,
            (None, Some(grid)) => grid.len().saturating_sub(1),
            (None, None) => return bad("steps", "missing; give the number of steps of the run"),
        };
        if steps > MAX_STEPS {
            return bad("steps", format!("{steps} steps are too many; at most {MAX_STEPS} are read"));
        }
        let tokens = match tokens(run.tokens)? {
            0 => header.map_or(0, |h| h.tokens),
            tokens => tokens,
        };
        let mut config = RunConfig::new(run.seed.unwrap_or(0), tokens, 0);
        config.grid = match run.grid {
            Some(grid) if grid.len() != steps + 1 => {
                return bad("grid", format!("{} times for {steps} steps; give {}", grid.len(), steps + 1));
            }
            Some(grid) if grid.iter().any(|t| !t.is_finite()) => return bad("grid", "times have to be finite"),
            Some(grid) => grid,
            None => uniform_grid(steps),
        };
        let frozen = run.frozen.unwrap_or_default();
        if let Some(pos) = frozen.iter().find(|pos| **pos as usize >= if tokens == 0 { MAX_TOKENS } else { tokens }) {
            return bad("frozen", format!("position {pos} is outside the sequence"));
        }
        // Which ids they hold, frame 0 tells.
        config.frozen = frozen.into_iter().map(|pos| (pos, 0)).collect();
        config.frozen.sort_unstable();
        config.temperature = run.temperature.unwrap_or(1.0);
        config.top_p = run.top_p.unwrap_or(1.0);
        config.exponent = run.exponent.unwrap_or(1.0);
        config.told_dt = run.told_dt;
        config.eta = run.eta.unwrap_or(0.0);
        config.controlled_unmasking = run.controlled_unmasking.unwrap_or(false);
        config.unmask_change = run.unmask_change.unwrap_or(false);
        config.only_masked = run.only_masked.unwrap_or(false);
        config.salts = run.salts.unwrap_or_default();
        let named = run.solver.as_deref();
        let solver = named.and_then(|name| SolverKind::ALL.into_iter().find(|kind| kind.flag() == name));
        config.solver = solver.unwrap_or_default();
        let parent = match run.parent {
            None => None,
            Some(parent) => match (parent.run, parent.step) {
                (Some(run), Some(step)) => Some(Parent { run, step }),
                _ => return bad("parent", "give the parent's run and step"),
            },
        };
        self.runs
            .insert(number, RunState { tokens, grid: config.grid.clone(), begun: false, next: 0, ids: Arc::default() });
        Ok(RunMeta {
            run: number,
            config,
            seeded: run.seed.is_some(),
            parent,
            model: header.map(|h| h.model.clone()).unwrap_or_default(),
            sampler: if solver.is_none() { run.solver } else { None },
        })
    }

    fn frame_line(&mut self, line: FrameFields) -> Result<FrameItem, Bad> {
        let number = line.run.unwrap_or(0);
        let Some(run) = self.runs.get(&number) else {
            return bad("run", format!("run {number} has not begun; its line has to come first"));
        };
        let step = line.step.unwrap_or(run.next);
        // A run may begin late, as `sample --final` writes it, but has no gaps.
        if step != run.next && run.begun {
            return bad("step", format!("step {step} where step {} of run {number} has to come", run.next));
        }
        if step > run.steps() {
            return bad("step", format!("step {step} of a run of {} steps", run.steps()));
        }
        let ids: Arc<[u32]> = match (line.ids, line.delta) {
            (Some(ids), _) => {
                if run.tokens != 0 && ids.len() != run.tokens {
                    return bad("ids", format!("{} ids in a sequence of {}", ids.len(), run.tokens));
                }
                if ids.len() > MAX_TOKENS {
                    return bad("ids", format!("{} ids are too many; at most {MAX_TOKENS} are read", ids.len()));
                }
                for (pos, id) in ids.iter().enumerate() {
                    self.check_id(*id, || format!("ids[{pos}]"))?;
                }
                ids.into()
            }
            (None, Some(_)) if !run.begun => {
                return bad("delta", "the first frame of a run has to give its ids in full");
            }
            (None, Some(delta)) => {
                let mut ids = run.ids.to_vec();
                for (i, (pos, id)) in delta.into_iter().enumerate() {
                    self.check_id(id, || format!("delta[{i}]"))?;
                    let Some(slot) = ids.get_mut(pos as usize) else {
                        return bad(format!("delta[{i}]"), format!("position {pos} is outside the sequence"));
                    };
                    *slot = id;
                }
                ids.into()
            }
            (None, None) => return bad("ids", "missing; give ids, or a delta to the step before"),
        };
        let (t, h) = run.time(step, line.t, line.h)?;
        if line.ms.is_some_and(|ms| !ms.is_finite()) {
            return bad("ms", "has to be finite");
        }
        let detail = match line.detail {
            Some(detail) => Some(self.detail(detail, &ids)?),
            None => None,
        };
        let differ = |pos: &u32| run.begun && run.ids[*pos as usize] != ids[*pos as usize];
        let changed = (0..ids.len() as u32).filter(differ).collect();
        let perplexity = perplexity(line.perplexity)?;
        let jumps = line.jumps.map(Jumps::from);
        let frame = Frame { step, t, h, ids: ids.clone(), changed, detail, jumps, ms: line.ms };
        if let Some(run) = self.runs.get_mut(&number) {
            (run.begun, run.next) = (true, step + 1);
            run.tokens = ids.len();
            // The ids of a finished run are not needed any more.
            run.ids = if step == run.steps() { Arc::default() } else { ids };
        }
        Ok(FrameItem { run: number, frame, perplexity })
    }

    fn detail(&self, detail: DetailFields, ids: &[u32]) -> Result<Arc<[Detail]>, Bad> {
        fn check<T>(field: &str, list: Option<Vec<T>>, len: usize) -> Result<Vec<T>, Bad> {
            let list = list.unwrap_or_default();
            if list.is_empty() || list.len() == len {
                return Ok(list);
            }
            bad(format!("detail.{field}"), format!("{} values for {len} tokens", list.len()))
        }
        let numbers = |field: &str, list: Option<Vec<f32>>| {
            let list = check(field, list, ids.len())?;
            match list.iter().position(|x| !x.is_finite()) {
                Some(pos) => bad(format!("detail.{field}[{pos}]"), "has to be finite"),
                None => Ok(list),
            }
        };
        let entropy = numbers("entropy", detail.entropy)?;
        let prob = numbers("prob", detail.prob)?;
        let prob_before = numbers("prob_before", detail.prob_before)?;
        let jump_prob = numbers("jump_prob", detail.jump_prob)?;
        let rank = check("rank", detail.rank, ids.len())?;
        let top = check("top", detail.top, ids.len())?;
        let mut out = vec![Detail::default(); ids.len()];
        for (pos, slot) in out.iter_mut().enumerate() {
            let at = |list: &[f32]| list.get(pos).copied().unwrap_or(0.0);
            slot.entropy = at(&entropy);
            slot.prob = at(&prob);
            slot.prob_before = at(&prob_before);
            slot.jump_prob = at(&jump_prob);
            slot.rank = rank.get(pos).copied().unwrap_or(0);
            for (place, &(id, p)) in top.get(pos).into_iter().flatten().take(TOP).enumerate() {
                let field = || format!("detail.top[{pos}][{place}]");
                self.check_id(id, field)?;
                if !p.is_finite() {
                    return bad(field(), "has to be finite");
                }
                slot.top[place] = (id, p);
            }
        }
        for pos in detail.jumped.unwrap_or_default() {
            match out.get_mut(pos as usize) {
                Some(slot) => slot.jumped = true,
                None => return bad("detail.jumped", format!("position {pos} is outside the sequence")),
            }
        }
        Ok(out.into())
    }

    fn score_line(&self, line: ScoreFields) -> Result<Item, Bad> {
        let run = line.run.unwrap_or(0);
        let Some(known) = self.runs.get(&run) else {
            return bad("run", format!("run {run} has not begun"));
        };
        let Some(step) = line.step else {
            return bad("step", "missing; say which step is scored");
        };
        if step >= known.next {
            return bad("step", format!("step {step} of run {run} was not taken yet"));
        }
        let perplexity = perplexity(line.perplexity)?;
        if let Some(nll) = &line.nll {
            if nll.len() + 1 != known.tokens.max(1) {
                return bad("nll", format!("{} values; give one for each token but the first", nll.len()));
            }
            if let Some(pos) = nll.iter().position(|x| !x.is_finite()) {
                return bad(format!("nll[{pos}]"), "has to be finite");
            }
        }
        let ghost = match line.ghost_perplexity {
            Some(x) if !x.is_finite() || x < 0.0 => {
                return bad("ghost_perplexity", "has to be finite and not negative");
            }
            ghost => ghost,
        };
        let spoken = perplexity.is_some() || line.nll.is_some() || ghost.is_none();
        let score = spoken.then(|| Score { perplexity, nll: line.nll.map(Arc::from) });
        Ok(Item::Score { run, step, score, ghost })
    }
}

impl From<JumpsFields> for Jumps {
    fn from(f: JumpsFields) -> Self {
        let finite = |x: Option<f32>| x.filter(|x| x.is_finite()).unwrap_or(0.0);
        Self {
            cumulative: finite(f.cumulative),
            euler: finite(f.euler),
            dfm: finite(f.dfm),
            actual: f.actual.unwrap_or(0),
            kappa: finite(f.kappa),
            kappa_next: finite(f.kappa_next),
            scalar: finite(f.scalar),
            mean_entropy: finite(f.mean_entropy),
        }
    }
}

fn model(model: ModelFields) -> Result<ModelMeta, Bad> {
    let vocab_size = model.vocab_size.unwrap_or(0);
    if vocab_size > u64::from(MAX_ID) {
        return bad("model.vocab_size", format!("{vocab_size} is too large; at most {MAX_ID} is read"));
    }
    let vocab_size = vocab_size as usize;
    let source = match model.source.as_deref() {
        None | Some("uniform") => Source::Uniform,
        Some("mask") => Source::Mask,
        Some(other) => return bad("model.source", format!("\"{other}\" is neither \"uniform\" nor \"mask\"")),
    };
    let own_mask = (source == Source::Mask && vocab_size > 0).then_some(vocab_size as u32);
    let mask = model.mask.or(own_mask);
    for (field, id) in [("model.eos", model.eos), ("model.mask", mask)] {
        if let Some(id) = id.filter(|id| *id > MAX_ID) {
            return bad(field, format!("id {id} is out of range"));
        }
    }
    Ok(ModelMeta {
        name: model.name.unwrap_or_default(),
        hash: model.hash.unwrap_or_default(),
        vocab_size,
        source,
        eos: model.eos,
        mask,
    })
}

fn tokens(tokens: Option<u64>) -> Result<usize, Bad> {
    match tokens {
        Some(n) if n > MAX_TOKENS as u64 => bad("tokens", format!("{n} are too many; at most {MAX_TOKENS} are read")),
        tokens => Ok(tokens.unwrap_or(0) as usize),
    }
}

fn perplexity(perplexity: Option<f64>) -> Result<Option<f64>, Bad> {
    match perplexity {
        Some(p) if !p.is_finite() || p < 0.0 => bad("perplexity", "has to be a finite number, or null"),
        perplexity => Ok(perplexity),
    }
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits.filter(|d| d.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Any line: only its type, everything else skipped (but checked to be JSON).
#[derive(Deserialize)]
struct Type {
    #[serde(rename = "type")]
    kind: Option<String>,
}
