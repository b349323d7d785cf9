//! Small vocabularies and random runs.

use std::sync::Arc;

use fewstep::flow::RunConfig;
use fewstep::text::Vocab;
use fewstep::trace::{Detail, Frame, Jumps, ModelMeta, RunMeta};

/// A vocabulary whose ids are the given tokens in order; the last is the end of text.
pub(crate) fn vocab(tokens: &[&[u8]]) -> Vocab {
    let mut vocab = Vocab::empty();
    for (id, bytes) in (0..).zip(tokens) {
        vocab.insert(id, bytes);
    }
    vocab
}

/// Ids 0..=255 are the bytes, 256 the end of text, 257 the mask.
pub(crate) fn byte_vocab() -> Vocab {
    let mut vocab = Vocab::empty();
    for byte in 0..=255 {
        vocab.insert(byte, &[byte as u8]);
    }
    vocab.insert(256, b"<|endoftext|>");
    vocab.set_eos(Some(256));
    vocab.set_mask(Some(257));
    vocab
}

/// A run of `frames.len() - 1` steps.
pub(crate) fn meta(steps: usize, tokens: usize) -> RunMeta {
    let model =
        ModelMeta { name: "toy".into(), hash: "00ff".into(), vocab_size: 256, eos: Some(0), ..Default::default() };
    RunMeta::new(0, RunConfig::new(7, tokens, steps), Arc::new(model))
}

/// A frame of these ids, with numbers beside them where `detail`.
pub(crate) fn frame(step: u32, steps: u32, ids: &[u32], detail: bool) -> Frame {
    let at = |pos: usize| Detail {
        entropy: 0.5 + pos as f32,
        prob: 0.25,
        prob_before: 0.125,
        jump_prob: 0.5,
        rank: pos as u32,
        jumped: pos % 2 == 1,
        top: [(ids[pos], 0.25), (1, 0.125), (2, 0.0625), (3, 0.03125), (0, 0.0)],
    };
    let jumps = Jumps {
        cumulative: 1.5,
        euler: 2.5,
        dfm: 1.25,
        actual: 2,
        kappa: 0.5,
        kappa_next: 0.75,
        scalar: 0.6875,
        mean_entropy: 3.5,
    };
    let time = |step: u32| f64::from(step) / f64::from(steps);
    Frame {
        step,
        t: time(step),
        h: if step == 0 { 0.0 } else { time(step) - time(step - 1) },
        ids: ids.into(),
        changed: Arc::default(),
        detail: (detail && step > 0).then(|| (0..ids.len()).map(at).collect()),
        jumps: (detail && step > 0).then_some(jumps),
        ms: Some(f64::from(step) * 1.5),
    }
}

/// Small deterministic generator for tests that want much data.
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(n)) as u32
    }
}
