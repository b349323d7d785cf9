//! The animation JSON of diffusers' discrete-diffusion example: one object with `frames: [{step, ids}]` and the
//! `vocab` they need.
//!
//! It has no noise frame and no seed, and marks positions that are not reached yet with id -1. Importing makes its first
//! frame our step 0 and shows such positions as masks. Exporting leaves out a frozen prompt, as its `ids` are those of
//! the generated positions alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::json::push_line;
use super::parse::{Header, Item};
use super::read::Trace;
use super::{MAX_STEPS, MAX_TOKENS};
use crate::flow::RunConfig;
use crate::model::Source;
use crate::text::{MAX_ID, Vocab, plain, safe};
use crate::trace::frame::Frame;
use crate::trace::io::FrameItem;
use crate::trace::{ModelMeta, RunMeta, Timeline, TraceError};

/// The id of positions not reached yet.
const PENDING: i64 = -1;

#[derive(Serialize, Deserialize)]
struct Animation {
    #[serde(default)]
    method: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    subtitle: String,
    #[serde(default)]
    model_id: String,
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    gen_length: u64,
    #[serde(default)]
    block_length: Option<u64>,
    #[serde(default)]
    mask_token_id: Option<u32>,
    frames: Vec<AnimationFrame>,
    #[serde(default)]
    vocab: BTreeMap<u32, String>,
}

#[derive(Serialize, Deserialize)]
struct AnimationFrame {
    #[serde(default)]
    step: i64,
    ids: Vec<i64>,
}

/// Whether a file that begins so is such an animation rather than a trace.
pub(super) fn looks_like(begin: &[u8]) -> bool {
    let begin = String::from_utf8_lossy(&begin[..begin.len().min(4096)]);
    let begin = begin.trim_start_matches('\u{feff}').trim_start();
    let names = ["\"method\"", "\"mask_token_id\"", "\"gen_length\"", "\"frames\""];
    begin.starts_with('{') && !begin.contains("\"type\"") && names.iter().any(|name| begin.contains(name))
}

/// Reads an animation as a trace of one run.
pub fn import(input: impl BufRead, path: Option<&Path>) -> Result<Trace, TraceError> {
    let bad = |problem: String| match path {
        Some(path) => TraceError::File { path: path.to_owned(), problem },
        None => TraceError::Frame(problem),
    };
    let animation: Animation = serde_json::from_reader(input)
        .map_err(|e| bad(format!("not an animation of diffusers: {}", safe(&e.to_string()))))?;
    let frames = &animation.frames;
    let Some(first) = frames.first() else {
        return Err(bad("frames: there are none".into()));
    };
    if frames.len() > MAX_STEPS || first.ids.len() > MAX_TOKENS {
        return Err(bad(format!("too large; at most {MAX_STEPS} frames of {MAX_TOKENS} ids are read")));
    }
    let largest = frames.iter().flat_map(|f| &f.ids).copied().chain(animation.vocab.keys().map(|id| i64::from(*id)));
    let largest = largest.max().unwrap_or(0).max(0);
    let pending = frames.iter().any(|f| f.ids.contains(&PENDING));
    // Positions not reached yet get the mask's id, or an id of their own.
    let mask = animation.mask_token_id.or(pending.then_some((largest + 1).min(i64::from(u32::MAX)) as u32));
    let vocab_size = (largest as usize + 1).min(MAX_ID as usize);
    let model = Arc::new(ModelMeta {
        name: animation.model_id,
        vocab_size,
        source: if animation.mask_token_id.is_some() { Source::Mask } else { Source::Uniform },
        mask,
        ..ModelMeta::default()
    });
    let header = Header {
        tool: "diffusers".into(),
        model: model.clone(),
        prompt: animation.prompt,
        tokens: first.ids.len(),
        ..Header::default()
    };
    let steps = frames.len() - 1;
    let mut meta = RunMeta::new(0, RunConfig::new(0, first.ids.len(), steps), model);
    meta.seeded = false;
    meta.sampler = Some(if animation.label.is_empty() { animation.method } else { animation.label });
    let mut trace = Trace::empty();
    trace.apply(Item::Header(Box::new(header)))?;
    let texts = animation.vocab.into_iter().filter(|(id, _)| Some(*id) != mask && *id <= MAX_ID);
    trace.apply(Item::Vocab(texts.map(|(id, text)| (id, text.into_bytes())).collect()))?;
    trace.apply(Item::Run(Box::new(meta)))?;
    for (step, frame) in frames.iter().enumerate() {
        let mut ids = Vec::with_capacity(frame.ids.len());
        for (pos, &id) in frame.ids.iter().enumerate() {
            ids.push(match (id, mask) {
                (PENDING, Some(mask)) => mask,
                (0..=0xFF_FFFF, _) => id as u32,
                _ => return Err(bad(format!("frames[{step}].ids[{pos}]: id {id} is out of range"))),
            });
        }
        let frame = Frame {
            step: step as u32,
            t: if steps == 0 { 1.0 } else { step as f64 / steps as f64 },
            h: if step == 0 { 0.0 } else { 1.0 / steps as f64 },
            ids: ids.into(),
            ..Frame::default()
        };
        trace
            .apply(Item::Frame(FrameItem { run: 0, frame, perplexity: None }))
            .map_err(|e| bad(format!("frames[{step}]: {e}")))?;
    }
    Ok(trace)
}

/// Writes a run as an animation.
pub fn export(out: &mut impl Write, timeline: &Timeline, vocab: &Vocab) -> io::Result<()> {
    let meta = timeline.meta();
    let prompt = (0..).zip(&meta.config.frozen).take_while(|(pos, (frozen, _))| pos == frozen).count();
    let frames: Vec<AnimationFrame> = (0..=timeline.newest())
        .map(|step| AnimationFrame {
            step: i64::from(step),
            ids: timeline.ids(step)[prompt..].iter().map(|id| i64::from(*id)).collect(),
        })
        .collect();
    let used: BTreeSet<u32> = frames.iter().flat_map(|f| &f.ids).map(|id| *id as u32).collect();
    let text = |id: u32| if meta.model.mask == Some(id) { String::new() } else { vocab.decode(&[id]) };
    let length = (timeline.tokens() - prompt) as u64;
    let animation = Animation {
        method: "fewstep".into(),
        label: format!("{} \u{b7} {} steps", meta.solver_label(), timeline.steps()),
        subtitle: meta.seed().map(|seed| format!("seed {seed}")).unwrap_or_default(),
        model_id: meta.model.name.clone(),
        prompt: plain(vocab, &timeline.ids(0)[..prompt]),
        gen_length: length,
        block_length: Some(length),
        mask_token_id: meta.model.mask,
        vocab: used.into_iter().map(|id| (id, text(id))).collect(),
        frames,
    };
    let mut line = Vec::new();
    push_line(&mut line, &animation)?;
    out.write_all(&line)
}
