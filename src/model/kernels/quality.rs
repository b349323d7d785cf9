//! What the precisions cost in quality, on the bundled model and states of its own runs.

#![expect(clippy::print_stdout, reason = "the figures behind the bounds, with --nocapture")]

use super::tests::{divergence, logits};
use super::{FastDit, FastGpt2, Isa};
use crate::flow::{RunConfig, Sampler, Want, metrics};
use crate::model::net::Dit;
use crate::model::{
    Cancel, Checkpoint, Input, Judge, ModelPlace, Network, OpenOptions, Precision, open_judge, open_model,
};
use candle_core::{DType, Device};

fn model() -> Checkpoint {
    open_model(&ModelPlace::Bundled, &OpenOptions::default()).expect("the bundled model")
}

fn at(net: &mut dyn Network, (ids, t, dt): &(Vec<u32>, f32, f32)) -> Vec<f32> {
    net.forward(Input { ids, t: *t, dt: *dt }, &Cancel::new()).expect("a forward pass");
    logits(net, &(0..ids.len() as u32).collect::<Vec<_>>())
}

/// The ids after each step of a run, noise first.
fn run(net: &mut dyn Network, seed: u64, tokens: usize) -> Vec<Vec<u32>> {
    let mut sampler = Sampler::new(net.spec(), RunConfig::new(seed, tokens, 8)).expect("a run");
    let mut frames = vec![sampler.ids().to_vec()];
    while !sampler.is_done() {
        sampler.step(net, Want::Ids, &Cancel::new()).expect("a step");
        frames.push(sampler.ids().to_vec());
    }
    frames
}

#[test]
fn posteriors_of_the_bundled_model_are_kept() {
    let checkpoint = model();
    let vocab = checkpoint.spec.rows();
    let mut reference = Dit::load(&checkpoint, &Device::Cpu, DType::F32, &|_| {}).expect("the reference");
    let frames = run(&mut FastDit::load(&checkpoint, Precision::F32, 2, &|_| {}).expect("a network"), 7, 160);
    let states: Vec<_> = [0, 3, 6].map(|i| (frames[i].clone(), i as f32 / 8.0, 0.125)).into_iter().collect();
    let want: Vec<_> = states.iter().map(|state| at(&mut reference, state)).collect();
    for isa in Isa::available().into_iter().filter(|&isa| isa != Isa::PORTABLE) {
        // Mean nats a position; a few times what is measured.
        for (precision, bound) in [(Precision::F32, 1e-6), (Precision::Bf16, 2e-3), (Precision::Int8, 1e-2)] {
            let mut net = FastDit::load_for(isa, &checkpoint, precision, 2, &|_| {}).expect("a network");
            let found: Vec<_> =
                states.iter().zip(&want).map(|(state, want)| divergence(want, &at(&mut net, state), vocab)).collect();
            println!("{}: (KL, same best) at steps 1, 4, 7: {found:.5?}", net.precision());
            assert!(found.iter().all(|&(kl, _)| kl < bound), "{}: {found:?}", net.precision());
        }
    }
}

/// Perplexity of many texts, under a judge in f32: `exp` of the mean score of all their tokens.
#[test]
#[ignore = "takes minutes; run it with --release -- --ignored --nocapture"]
fn generated_perplexity_stays_within_one_percent() {
    let checkpoint = model();
    let judge = open_judge(&ModelPlace::Bundled).expect("the bundled judge");
    let mut judge = FastGpt2::load(&judge, Precision::F32, 2, &|_| {}).expect("a judge");
    let runs: u64 = std::env::var("RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let mut nets: Vec<_> = [Precision::F32, Precision::Bf16, Precision::Int8]
        .into_iter()
        .map(|precision| FastDit::load(&checkpoint, precision, 2, &|_| {}).expect("a network"))
        .collect();
    let mut scores = vec![Vec::new(); nets.len()];
    for seed in 0..runs {
        for (net, scores) in nets.iter_mut().zip(&mut scores) {
            let text = run(net, 1000 + seed, 256).pop().expect("a last frame");
            let nll = judge.nll(&text, &Cancel::new()).expect("scores");
            scores.push(metrics::perplexity(&nll, 0, false).expect("a perplexity").ln());
        }
    }
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    for (net, all) in nets.iter().zip(&scores) {
        let apart: Vec<f64> = all.iter().zip(&scores[0]).map(|(a, b)| a - b).collect();
        let off = mean(&apart);
        let error = (apart.iter().map(|a| (a - off).powi(2)).sum::<f64>()).sqrt() / apart.len() as f64;
        println!(
            "{}: perplexity {:.3}, {:+.2} % ± {:.2} % of f32 over {runs} runs",
            net.precision(),
            mean(all).exp(),
            100.0 * off.exp_m1(),
            100.0 * error
        );
        assert!(off.abs() < 0.01 + 2.0 * error, "{}", net.precision());
    }
}

/// The judge's own arithmetic on real text.
#[test]
fn the_bundled_judge_keeps_its_perplexity() {
    let checkpoint = open_judge(&ModelPlace::Bundled).expect("the bundled judge");
    let mut net = FastDit::load(&model(), Precision::Auto, 2, &|_| {}).expect("a network");
    let frames = run(&mut net, 7, 200);
    let mut exact = FastGpt2::load(&checkpoint, Precision::F32, 2, &|_| {}).expect("a judge");
    for isa in Isa::available().into_iter().filter(|&isa| isa != Isa::PORTABLE) {
        let mut fast = FastGpt2::load_for(isa, &checkpoint, Precision::Auto, 2, &|_| {}).expect("a judge");
        for (step, ids) in frames.iter().enumerate() {
            let [want, got] = [&mut exact, &mut fast].map(|judge| {
                let nll = judge.nll(ids, &Cancel::new()).expect("scores");
                metrics::perplexity(&nll, 0, false).expect("a perplexity")
            });
            println!("{} at step {step}: perplexity {got:.3}, f32 {want:.3}", fast.precision());
            // Scores of noise are large, and so are their errors: nobody compares those perplexities.
            let allowed = if step + 1 == frames.len() { 0.01 } else { 0.04 };
            assert!((got / want - 1.0).abs() < allowed, "{} at step {step}: {got} {want}", fast.precision());
        }
    }
}
