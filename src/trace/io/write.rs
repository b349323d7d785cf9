//! Writing the lines of a trace.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::json::{fixed, push_line, short};
use super::parse::Header;
use super::{FORMAT, VERSION};
use crate::flow::metrics;
use crate::model::Source;
use crate::text::Vocab;
use crate::trace::frame::{Detail, Frame, Jumps};
use crate::trace::{RunMeta, Score, Timeline};

/// What the lines of frames hold beside the required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Per-position numbers.
    pub detail: bool,
    /// The frame's text, for readers without a tokenizer.
    pub text: bool,
    /// Ids as changes to the frame before, instead of in full.
    pub deltas: bool,
}

impl WriteOptions {
    /// As `--json` prints: every line can be read for itself.
    pub const STREAM: Self = Self { detail: false, text: true, deltas: false };
    /// As files are saved: small.
    pub const FILE: Self = Self { detail: false, text: false, deltas: true };

    /// These options with per-position numbers or without.
    #[must_use]
    pub fn with_detail(self, detail: bool) -> Self {
        Self { detail, ..self }
    }
}

/// Writes a trace line by line; every line is written whole and flushed, so that a reader may follow.
pub struct TraceWriter<W: Write> {
    out: W,
    options: WriteOptions,
    vocab: Arc<Vocab>,
    tokens: usize,
    /// Ids whose text is written.
    told: HashSet<u32>,
    /// Last ids of each run, to write changes to.
    last: HashMap<u32, Arc<[u32]>>,
    line: Vec<u8>,
}

impl<W: Write> TraceWriter<W> {
    /// Writes the header. The vocabulary follows in parts, with the frames that need it.
    pub fn new(out: W, header: &Header, vocab: Arc<Vocab>, options: WriteOptions) -> io::Result<Self> {
        let mut writer = Self {
            out,
            options,
            vocab,
            tokens: header.tokens,
            told: HashSet::new(),
            last: HashMap::new(),
            line: Vec::new(),
        };
        let model = &*header.model;
        writer.put(&HeaderLine {
            kind: "header",
            format: FORMAT,
            version: VERSION,
            tool: &header.tool,
            model: ModelPart {
                name: &model.name,
                hash: &model.hash,
                vocab_size: model.vocab_size,
                source: model.source,
                eos: model.eos,
                mask: model.mask,
            },
            judge: header.judge.as_deref(),
            precision: &header.precision,
            prompt: &header.prompt,
            tokens: header.tokens,
            vocab: BTreeMap::new(),
        })?;
        Ok(writer)
    }

    /// Begins a run.
    pub fn run(&mut self, meta: &RunMeta) -> io::Result<()> {
        let c = &meta.config;
        self.last.remove(&meta.run);
        let off = |flag: bool| flag.then_some(true);
        let unlike = |x: f64, default: f64| (x != default).then_some(x);
        self.put(&RunLine {
            kind: "run",
            run: meta.run,
            seed: meta.seed(),
            solver: meta.sampler.as_deref().unwrap_or_else(|| c.solver.flag()),
            steps: c.steps(),
            grid: &c.grid,
            temperature: c.temperature,
            top_p: c.top_p,
            frozen: c.frozen.iter().map(|(pos, _)| *pos).collect(),
            parent: meta.parent.map(|p| ParentPart { run: p.run, step: p.step }),
            tokens: (c.tokens != self.tokens).then_some(c.tokens),
            exponent: unlike(c.exponent, 1.0),
            told_dt: c.told_dt.as_deref(),
            eta: unlike(c.eta, 0.0),
            controlled_unmasking: off(c.controlled_unmasking),
            unmask_change: off(c.unmask_change),
            only_masked: off(c.only_masked),
            salts: &c.salts,
        })
    }

    /// Writes a frame, and before it the text of ids that are new in it.
    pub fn frame(&mut self, run: u32, frame: &Frame, score: Option<&Score>) -> io::Result<()> {
        self.frame_line(run, frame, score)?;
        match score.filter(|s| s.nll.is_some() && self.options.detail) {
            Some(score) => self.score(run, frame.step, score),
            None => Ok(()),
        }
    }

    fn frame_line(&mut self, run: u32, frame: &Frame, score: Option<&Score>) -> io::Result<()> {
        let detail = frame.detail.as_deref().filter(|_| self.options.detail);
        self.vocab_line(&frame.ids, detail.unwrap_or_default())?;
        let before = self.last.insert(run, frame.ids.clone()).filter(|b| b.len() == frame.ids.len());
        let changes = |b: Arc<[u32]>| -> Vec<(u32, u32)> {
            let pairs = (0..).zip(b.iter().zip(frame.ids.iter()));
            pairs.filter(|(_, (a, b))| a != b).map(|(pos, (_, id))| (pos, *id)).collect()
        };
        let changed = before.map(changes);
        let positions = changed.iter().flatten().map(|(pos, _)| *pos).collect();
        let delta = changed.filter(|_| self.options.deltas);
        let text = self.options.text.then(|| self.vocab.decode(&frame.ids));
        self.put(&FrameLine {
            kind: "frame",
            run,
            step: frame.step,
            t: frame.t,
            h: frame.h,
            ids: delta.is_none().then_some(&*frame.ids),
            changed: delta.is_none().then_some(positions),
            delta,
            perplexity: score.and_then(|s| s.perplexity).map(fixed),
            entropy: fixed(metrics::entropy_bits(&frame.ids)),
            ms: frame.ms.map(fixed),
            text,
            jumps: frame.jumps.as_ref().filter(|_| self.options.detail).map(JumpsPart::from),
            detail: detail.map(DetailPart::from),
        })
    }

    /// Writes a perplexity that was not known when its frame was written.
    pub fn score(&mut self, run: u32, step: u32, score: &Score) -> io::Result<()> {
        self.score_line(run, step, Some(score), None)
    }

    fn score_line(&mut self, run: u32, step: u32, score: Option<&Score>, ghost: Option<f64>) -> io::Result<()> {
        let nll = score.and_then(|s| s.nll.as_deref()).filter(|_| self.options.detail);
        self.put(&ScoreLine {
            kind: "score",
            run,
            step,
            perplexity: score.and_then(|s| s.perplexity).map(fixed),
            ghost_perplexity: ghost.map(fixed),
            nll: nll.map(|n| n.iter().map(|x| short(*x)).collect()),
        })
    }

    /// Writes a run with all its frames so far.
    pub fn timeline(&mut self, timeline: &Timeline) -> io::Result<()> {
        self.run(timeline.meta())?;
        let run = timeline.meta().run;
        for step in 0..=timeline.newest() {
            let score = timeline.score(step);
            // An infinite or undefined perplexity is no number of JSON.
            let ghost = timeline.ghost_perplexity(step).filter(|ghost| ghost.is_finite());
            self.frame_line(run, &timeline.frame(step), score)?;
            if ghost.is_some() || (self.options.detail && score.is_some_and(|s| s.nll.is_some())) {
                self.score_line(run, step, score, ghost)?;
            }
        }
        Ok(())
    }

    /// Gives the output back.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// The output.
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    fn vocab_line(&mut self, ids: &[u32], detail: &[Detail]) -> io::Result<()> {
        let candidates = detail.iter().flat_map(|d| d.top).filter(|(_, p)| *p > 0.0).map(|(id, _)| id);
        let mut vocab = BTreeMap::new();
        let mut vocab_bytes = BTreeMap::new();
        for id in ids.iter().copied().chain(candidates) {
            if !self.told.insert(id) {
                continue;
            }
            let Some(bytes) = self.vocab.bytes(id) else { continue };
            let text = String::from_utf8_lossy(bytes);
            if text.as_bytes() != bytes {
                vocab_bytes.insert(id, hex(bytes));
            }
            vocab.insert(id, text.into_owned());
        }
        if vocab.is_empty() {
            return Ok(());
        }
        self.put(&VocabLine { kind: "vocab", vocab, vocab_bytes })
    }

    fn put(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        push_line(&mut self.line, line)?;
        self.out.write_all(&self.line)?;
        self.out.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        write!(hex, "{byte:02x}").ok();
        hex
    })
}

#[derive(Serialize)]
struct HeaderLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    format: &'static str,
    version: u32,
    tool: &'a str,
    model: ModelPart<'a>,
    judge: Option<&'a str>,
    precision: &'a str,
    prompt: &'a str,
    tokens: usize,
    vocab: BTreeMap<u32, String>,
}

#[derive(Serialize)]
struct ModelPart<'a> {
    name: &'a str,
    hash: &'a str,
    vocab_size: usize,
    source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    eos: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mask: Option<u32>,
}

#[derive(Serialize)]
struct VocabLine {
    #[serde(rename = "type")]
    kind: &'static str,
    vocab: BTreeMap<u32, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    vocab_bytes: BTreeMap<u32, String>,
}

#[derive(Serialize)]
struct RunLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    run: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    solver: &'a str,
    steps: usize,
    grid: &'a [f64],
    temperature: f64,
    top_p: f64,
    frozen: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<ParentPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exponent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    told_dt: Option<&'a [f64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eta: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controlled_unmasking: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unmask_change: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only_masked: Option<bool>,
    #[serde(skip_serializing_if = "<[u64]>::is_empty")]
    salts: &'a [u64],
}

#[derive(Serialize)]
struct ParentPart {
    run: u32,
    step: u32,
}

#[derive(Serialize)]
struct FrameLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    run: u32,
    step: u32,
    t: f64,
    h: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<&'a [u32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Vec<(u32, u32)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Vec<u32>>,
    perplexity: Option<f64>,
    entropy: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jumps: Option<JumpsPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<DetailPart>,
}

#[derive(Serialize)]
struct ScoreLine {
    #[serde(rename = "type")]
    kind: &'static str,
    run: u32,
    step: u32,
    perplexity: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ghost_perplexity: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nll: Option<Vec<f64>>,
}

#[derive(Serialize)]
struct JumpsPart {
    cumulative: f64,
    euler: f64,
    dfm: f64,
    actual: u32,
    kappa: f64,
    kappa_next: f64,
    scalar: f64,
    mean_entropy: f64,
}

impl From<&Jumps> for JumpsPart {
    fn from(j: &Jumps) -> Self {
        Self {
            cumulative: short(j.cumulative),
            euler: short(j.euler),
            dfm: short(j.dfm),
            actual: j.actual,
            kappa: short(j.kappa),
            kappa_next: short(j.kappa_next),
            scalar: short(j.scalar),
            mean_entropy: short(j.mean_entropy),
        }
    }
}

#[derive(Serialize)]
struct DetailPart {
    entropy: Vec<f64>,
    prob: Vec<f64>,
    prob_before: Vec<f64>,
    jump_prob: Vec<f64>,
    rank: Vec<u32>,
    jumped: Vec<u32>,
    top: Vec<Vec<(u32, f64)>>,
}

impl From<&[Detail]> for DetailPart {
    fn from(detail: &[Detail]) -> Self {
        let list = |of: fn(&Detail) -> f32| detail.iter().map(|d| short(of(d))).collect();
        let top = |d: &Detail| d.top.iter().filter(|(_, p)| *p > 0.0).map(|(id, p)| (*id, short(*p))).collect();
        Self {
            entropy: list(|d| d.entropy),
            prob: list(|d| d.prob),
            prob_before: list(|d| d.prob_before),
            jump_prob: list(|d| d.jump_prob),
            rank: detail.iter().map(|d| d.rank).collect(),
            jumped: (0..).zip(detail).filter(|(_, d)| d.jumped).map(|(pos, _)| pos).collect(),
            top: detail.iter().map(top).collect(),
        }
    }
}
