//! Whole networks on the kernels against the reference path, on odd shapes.

#![expect(clippy::print_stdout, reason = "the figures behind the bounds, with --nocapture")]

use super::linear::Scheme;
use super::tiles::Kernels;
use super::{FastDit, FastGpt2, Isa};
use crate::model::gpt2::Gpt2;
use crate::model::net::Dit;
use crate::model::{
    Cancel, Checkpoint, Input, Judge, JudgeSpec, ModelError, ModelSpec, Network, Precision, Source, synthetic,
};
use candle_core::{DType, Device};

fn spec(hidden: usize, heads: usize, vocab: usize, source: Source, dt_conditioned: bool) -> ModelSpec {
    ModelSpec {
        name: "made-up".to_owned(),
        hash: String::new(),
        vocab,
        hidden,
        blocks: 2,
        heads,
        cond: 24,
        mlp_ratio: 4,
        length: 256,
        source,
        dt_conditioned,
        least_dt: 0.0,
        exponent: 1.0,
        eos: None,
    }
}

fn ids(tokens: usize, rows: usize) -> Vec<u32> {
    (0..tokens).map(|i| (i * 2_654_435_761 % rows) as u32).collect()
}

/// All logits at `(ids, t, dt)`.
fn posterior(net: &mut dyn Network, ids: &[u32]) -> Vec<f32> {
    let input = Input { ids, t: 0.375, dt: 0.125 };
    net.forward(input, &Cancel::new()).expect("a forward pass");
    let rows: Vec<u32> = (0..ids.len() as u32).collect();
    logits(net, &rows)
}

pub(super) fn logits(net: &mut dyn Network, rows: &[u32]) -> Vec<f32> {
    let mut all = Vec::new();
    let width = net.spec().rows();
    net.logits(rows, &Cancel::new(), &mut |first, block| {
        assert_eq!(first * width, all.len());
        all.extend_from_slice(block);
    })
    .expect("logits");
    all
}

/// Mean over rows of `KL(softmax(want) ‖ softmax(got))` in nats, and how often the most likely id agrees.
pub(super) fn divergence(want: &[f32], got: &[f32], width: usize) -> (f64, f64) {
    let log_softmax = |row: &[f32]| {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|&x| f64::from(x - most).exp()).sum();
        row.iter().map(|&x| f64::from(x - most) - sum.ln()).collect::<Vec<_>>()
    };
    let best = |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i);
    let (mut kl, mut agree, mut rows) = (0.0, 0.0, 0.0);
    for (want, got) in want.chunks_exact(width).zip(got.chunks_exact(width)) {
        let (p, q) = (log_softmax(want), log_softmax(got));
        kl += p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
        agree += f64::from(u8::from(best(want) == best(got)));
        rows += 1.0;
    }
    (kl / rows, agree / rows)
}

fn reference(checkpoint: &Checkpoint) -> Dit {
    Dit::load(checkpoint, &Device::Cpu, DType::F32, &|_| {}).expect("the reference")
}

fn fast(isa: Isa, checkpoint: &Checkpoint, precision: Precision, threads: usize) -> FastDit {
    FastDit::load_for(isa, checkpoint, precision, threads, &|_| {}).expect("a network on the kernels")
}

#[test]
fn every_precision_stays_close_to_the_reference_on_odd_shapes() {
    let shapes = [
        (spec(32, 2, 97, Source::Uniform, true), 33),
        (spec(48, 3, 61, Source::Mask, false), 1),
        (spec(384, 6, 97, Source::Mask, true), 7),
        (spec(512, 8, 61, Source::Uniform, true), 70),
        (spec(30, 5, 61, Source::Uniform, false), 130),
    ];
    for (spec, tokens) in shapes {
        let ids = ids(tokens, spec.rows());
        let width = spec.rows();
        for int8 in [false, true] {
            let checkpoint = synthetic::model(spec.clone(), 3, int8);
            let want = posterior(&mut reference(&checkpoint), &ids);
            for isa in Isa::available() {
                if isa == Isa::PORTABLE && spec.hidden * tokens > 3000 {
                    continue;
                }
                // Bounds on the mean KL in nats, a few times what is measured; posteriors here have 61 to 98 ids.
                for (precision, bound) in [(Precision::F32, 1e-9), (Precision::Bf16, 2e-5), (Precision::Int8, 2e-4)] {
                    let mut net = fast(isa, &checkpoint, precision, 2);
                    let got = posterior(&mut net, &ids);
                    let (kl, agree) = divergence(&want, &got, width);
                    println!(
                        "{} {}x{tokens} int8 file {int8}: KL {kl:.1e}, same best {agree:.3}",
                        net.precision(),
                        spec.hidden
                    );
                    assert!(kl < bound, "{} {}x{tokens}: KL {kl}", net.precision(), spec.hidden);
                }
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads_or_on_the_rows_asked_for() {
    let checkpoint = synthetic::model(spec(96, 4, 97, Source::Uniform, true), 5, true);
    let ids = ids(150, 97);
    for isa in Isa::available() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let want = posterior(&mut fast(isa, &checkpoint, precision, 1), &ids);
            for threads in [2, 3, 7] {
                let mut net = fast(isa, &checkpoint, precision, threads);
                assert_eq!(posterior(&mut net, &ids), want, "{isa:?} {precision:?} {threads} threads");
                let rows = [0, 3, 4, 63, 64, 65, 149];
                let some = logits(&mut net, &rows);
                for (row, got) in rows.iter().zip(some.chunks_exact(97)) {
                    assert_eq!(got, &want[*row as usize * 97..][..97]);
                }
            }
        }
    }
}

#[test]
fn layouts_of_other_cpus_are_packed_right() {
    // The portable kernels read the layouts of the 8-bit and bf16 dot products too.
    let checkpoint = synthetic::model(spec(96, 4, 97, Source::Uniform, true), 5, true);
    let ids = ids(50, 97);
    let want = posterior(&mut reference(&checkpoint), &ids);
    for (scheme, bound) in [(Scheme::Int8Byte, 2e-4), (Scheme::Bf16, 2e-5)] {
        let kernels = Kernels::new(Isa::PORTABLE);
        let mut net = FastDit::load_scheme(kernels, &checkpoint, scheme, 2, &|_| {}).expect("a network");
        let (kl, agree) = divergence(&want, &posterior(&mut net, &ids), 97);
        println!("{scheme:?}: KL {kl:.1e}, same best {agree:.3}");
        assert!(kl < bound, "{scheme:?}: KL {kl}");
    }
}

#[test]
fn a_network_forgets_the_sequence_before() {
    let checkpoint = synthetic::model(spec(64, 2, 61, Source::Uniform, true), 5, false);
    let mut net = fast(Isa::best(), &checkpoint, Precision::Auto, 2);
    let first = posterior(&mut net, &ids(20, 61));
    posterior(&mut net, &ids(200, 60));
    assert_eq!(posterior(&mut net, &ids(20, 61)), first);
}

#[test]
fn a_cancelled_pass_leaves_no_logits() {
    let checkpoint = synthetic::model(spec(32, 2, 61, Source::Uniform, true), 5, false);
    let mut net = fast(Isa::best(), &checkpoint, Precision::Auto, 2);
    let ids = ids(20, 61);
    posterior(&mut net, &ids);
    let cancel = Cancel::new();
    cancel.cancel();
    let input = Input { ids: &ids, t: 0.0, dt: 0.5 };
    assert!(matches!(net.forward(input, &cancel), Err(ModelError::Cancelled)));
    let asked = net.logits(&[0], &Cancel::new(), &mut |_, _| {});
    assert!(matches!(asked, Err(ModelError::Request(_))));
}

#[test]
fn requests_that_cannot_be_served_are_errors() {
    let checkpoint = synthetic::model(spec(32, 2, 61, Source::Uniform, true), 5, false);
    let mut net = fast(Isa::best(), &checkpoint, Precision::Auto, 1);
    for ids in [&[][..], &[61], &[0; 257]] {
        let input = Input { ids, t: 0.0, dt: 0.5 };
        assert!(matches!(net.forward(input, &Cancel::new()), Err(ModelError::Request(_))));
    }
    posterior(&mut net, &[1, 2, 3]);
    assert!(matches!(net.logits(&[3], &Cancel::new(), &mut |_, _| {}), Err(ModelError::Request(_))));
}

fn judge_spec(hidden: usize, heads: usize, vocab: usize) -> JudgeSpec {
    JudgeSpec { name: "made-up".to_owned(), vocab, hidden, blocks: 2, heads, length: 128, inner: 4 * hidden, eps: 1e-5 }
}

#[test]
fn the_judge_agrees_with_the_reference() {
    for (spec, tokens) in [(judge_spec(48, 3, 61), 2), (judge_spec(64, 2, 97), 129), (judge_spec(384, 6, 61), 50)] {
        let checkpoint = synthetic::judge(spec.clone(), 8);
        let ids = ids(tokens, spec.vocab);
        let want = Gpt2::load(&checkpoint, &Device::Cpu, DType::F32, &|_| {})
            .and_then(|mut judge| judge.nll(&ids, &Cancel::new()))
            .expect("the reference");
        for isa in Isa::available() {
            // Bounds on the mean score, and so on the logarithm of the perplexity, and on any one score.
            for (precision, mean, one) in
                [(Precision::F32, 1e-5, 2e-4), (Precision::Bf16, 0.02, 0.3), (Precision::Int8, 0.03, 0.9)]
            {
                let mut judge = FastGpt2::load_for(isa, &checkpoint, precision, 2, &|_| {}).expect("a judge");
                let got = judge.nll(&ids, &Cancel::new()).expect("scores");
                assert_eq!(got.len(), want.len());
                let off = got.iter().zip(&want).map(|(a, b)| a - b);
                let worst = off.clone().map(f32::abs).fold(0.0, f32::max);
                let bias = off.sum::<f32>().abs() / got.len() as f32;
                println!("{}: {worst:.1e} at worst, {bias:.1e} on average", judge.precision());
                assert!(worst < one && (bias < mean || tokens < 20), "{}: {worst} {bias}", judge.precision());
            }
        }
    }
}

#[test]
fn scoring_a_changed_text_equals_scoring_it_afresh() {
    let checkpoint = synthetic::judge(judge_spec(48, 3, 61), 8);
    let judge = || FastGpt2::load(&checkpoint, Precision::Auto, 2, &|_| {}).expect("a judge");
    let mut kept = judge();
    let cancel = Cancel::new();
    let mut text = ids(100, 61);
    kept.nll(&text, &cancel).expect("scores");
    for (change, tokens) in
        [(99, 100), (70, 100), (64, 100), (63, 128), (127, 129), (40, 41), (90, 95), (0, 1), (0, 100)]
    {
        text.resize(tokens, 7);
        text[change] = (text[change] + 1) % 61;
        let fresh = judge().nll(&text, &cancel).expect("scores");
        assert_eq!(kept.nll(&text, &cancel).expect("scores"), fresh, "{change} of {tokens}");
        assert_eq!(kept.nll(&text, &cancel).expect("scores"), fresh);
        text.truncate(tokens - 1);
        let fresh = judge().nll(&text, &cancel).expect("scores");
        assert_eq!(kept.nll(&text, &cancel).expect("scores"), fresh, "the start of {tokens}");
    }
}
