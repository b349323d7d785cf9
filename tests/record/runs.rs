//! Runs to export: made up, deterministic, some with hostile texts.

use std::sync::Arc;

use fewstep::flow::RunConfig;
use fewstep::text::Vocab;
use fewstep::trace::{Detail, Frame, ModelMeta, RunMeta, Score, Timeline};

/// Texts that try to leave their place in some format or other.
pub(crate) const HOSTILE: [&str; 20] = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><b>",
    "' onmouseover='x",
    "<!--",
    "-->",
    "]]>",
    "&amp;&lt;",
    "\u{1b}]0;owned\u{7}",
    "\u{202e}evil",
    "\\input{/etc/passwd}",
    "\\end{document}",
    "%$#_{}^~&",
    "}{\\bf",
    "\u{2028}",
    "\0",
    "{{7*7}}",
    "?`!`--``''",
    "<svg/onload=x>",
    "\u{9b}31m",
];

const WORDS: [&str; 16] = [
    " once", " upon", " a", " time", " there", " was", " little", " girl", " named", " Lily", ".", ",", "\n", " She",
    " garden", "漢",
];

/// A vocabulary of plain words, hostile texts and the bytes of a character that only whole make sense.
pub(crate) fn vocab() -> Vocab {
    let entries = WORDS.iter().chain(&HOSTILE).zip(0..).map(|(text, id)| (id, (*text).to_owned()));
    let mut vocab = Vocab::from_entries(entries);
    for (byte, id) in "é".bytes().zip(100..) {
        vocab.insert(id, &[byte]);
    }
    vocab
}

/// A plain run: `tokens` positions, `steps` steps, words only.
pub(crate) fn plain(tokens: usize, steps: usize) -> Timeline {
    run(1, tokens, steps, WORDS.len() as u32)
}

/// A run over the whole vocabulary.
pub(crate) fn hostile(tokens: usize, steps: usize) -> Timeline {
    run(2, tokens, steps, (WORDS.len() + HOSTILE.len()) as u32)
}

fn run(number: u32, tokens: usize, steps: usize, ids: u32) -> Timeline {
    let mut state = 11_u64;
    let mut next = |n: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32 % n
    };
    // Ids beyond the texts: the two bytes of a character, and one that has no text.
    let id = |raw: u32| if raw < ids { raw } else { [100, 101, 999][(raw - ids) as usize] };
    let mut config = RunConfig::new(7, tokens, steps);
    let mut now: Vec<u32> = (0..tokens).map(|_| id(next(ids + 3))).collect();
    now[0] = 0;
    config.frozen = vec![(0, 0)];
    let model = ModelMeta { name: "tiny <model>".to_owned(), ..ModelMeta::default() };
    let meta = RunMeta::new(number, config, Arc::new(model));
    let frame = |step: u32, ids: &[u32], detail| Frame {
        step,
        t: f64::from(step) / steps as f64,
        h: if step == 0 { 0.0 } else { 1.0 / steps as f64 },
        ids: ids.into(),
        changed: [].into(),
        detail,
        jumps: None,
        ms: Some(12.5),
    };
    let mut timeline = Timeline::new(meta, frame(0, &now, None)).expect("a run");
    for step in 1..=steps as u32 {
        for shown in now.iter_mut().skip(1) {
            if next(4) == 0 || (step == steps as u32 && next(2) == 0) {
                *shown = id(next(ids + 3));
            }
        }
        let detail: Vec<Detail> =
            (0..tokens).map(|i| Detail { prob: 0.25 + i as f32 / 1e4, ..Detail::default() }).collect();
        timeline.push(frame(step, &now, Some(detail.into()))).expect("a frame");
        if step % 2 == 0 {
            timeline.set_score(step, Score { perplexity: Some(400.0 / f64::from(step)), ..Score::default() });
        }
    }
    timeline
}
