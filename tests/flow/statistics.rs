//! Many draws through the whole sampler, held to the exact probabilities of the literal port.
//!
//! Each case has two sides: the statistic must accept the rule's own numbers, and must reject numbers that are off by
//! 2 %. Seeds are fixed, so neither side can flicker.

use fewstep::flow::{RunConfig, Sampler, SolverKind, Want};
use fewstep::model::{Cancel, Network, Source};

use crate::network::Constant;
use crate::reference::{Expected, normalise, nucleus, softmax, step};

/// A value of a standard normal that chance gives once in about 150,000.
const BOUND: f64 = 4.5;
const TOKENS: usize = 1024;
const SEEDS: u64 = 600;
const LOGITS: [f32; 12] = [1.1, 0.2, -0.4, 1.9, -1.5, 0.9, 0.0, 1.4, -2.2, 0.6, 1.0, -0.8];

/// Draws from one posterior at one state, by step `index` of a run.
struct Case {
    name: &'static str,
    source: Source,
    cfg: RunConfig,
    z: u32,
    index: usize,
}

impl Case {
    fn new(name: &'static str, solver: SolverKind) -> Self {
        let mut cfg = RunConfig::new(0, TOKENS, 4);
        cfg.solver = solver;
        cfg.grid = vec![0.0, 0.3, 0.75, 1.0];
        Self { name, source: Source::Uniform, cfg, z: 3, index: 1 }
    }

    /// On a mask source, at a masked position (the mask is the last id).
    fn masked(mut self) -> Self {
        self.source = Source::Mask;
        self.z = LOGITS.len() as u32 - 1;
        self
    }

    fn with(mut self, change: impl FnOnce(&mut RunConfig)) -> Self {
        change(&mut self.cfg);
        self
    }

    fn at_step(mut self, index: usize) -> Self {
        self.index = index;
        self
    }

    fn network(&self) -> Constant {
        Constant::new(self.source, LOGITS.to_vec())
    }

    fn expected(&self) -> Expected {
        let spec = self.network().spec().clone();
        let mut logits = LOGITS.to_vec();
        let last = self.index + 1 == self.cfg.steps();
        if let (true, Some(mask)) = (last, spec.mask_id()) {
            logits[mask as usize] = f32::NEG_INFINITY;
        }
        let p = nucleus(&softmax(&logits, self.cfg.temperature), self.cfg.top_p);
        if last {
            return Expected { jump: 1.0, destination: p };
        }
        let t = self.cfg.grid[self.index];
        let h = self.cfg.grid[self.index + 1] - t;
        step(&spec, &self.cfg, &p, self.z as usize, t, h)
    }

    /// How often each id was jumped to, and the number of draws.
    fn observe(&self) -> (Vec<u64>, u64) {
        let mut net = self.network();
        let spec = net.spec().clone();
        let mut counts = vec![0; LOGITS.len()];
        for seed in 0..SEEDS {
            let mut cfg = self.cfg.clone();
            cfg.seed = seed;
            let state = vec![self.z; TOKENS];
            let mut sampler = Sampler::resume(&spec, cfg, self.index as u32, state).expect("a valid run");
            let frame = sampler.step(&mut net, Want::Detail, &Cancel::new()).expect("the step succeeds");
            for (detail, &id) in frame.detail.iter().flat_map(|d| d.iter()).zip(&*frame.ids) {
                if detail.jumped {
                    counts[id as usize] += 1;
                }
            }
        }
        (counts, SEEDS * TOKENS as u64)
    }

    /// Accepts the exact numbers; rejects them 2 % off.
    fn hold(&self) {
        let expected = self.expected();
        let (counts, draws) = self.observe();
        let jumps = counts.iter().sum();
        let name = self.name;
        if expected.jump < 1.0 {
            let z = binomial(jumps, draws, expected.jump).abs();
            assert!(z < BOUND, "{name}: {jumps} of {draws} jump, z = {z:.1}");
            for factor in [0.98, 1.02] {
                let z = binomial(jumps, draws, expected.jump * factor).abs();
                assert!(z > BOUND, "{name}: jumps × {factor} pass, z = {z:.1}");
            }
        } else {
            assert_eq!(jumps, draws, "{name}: every position is redrawn");
        }
        let z = chi_squared(&counts, &expected.destination);
        assert!(z < BOUND, "{name}: destinations, z = {z:.1}");
        let tilted = normalise(
            expected.destination.iter().zip([0.98, 1.02].into_iter().cycle()).map(|(p, factor)| p * factor).collect(),
        );
        let z = chi_squared(&counts, &tilted);
        assert!(z > BOUND, "{name}: destinations ± 2 % pass, z = {z:.1}");
    }
}

/// How many standard deviations a count is off.
fn binomial(count: u64, draws: u64, p: f64) -> f64 {
    let n = draws as f64;
    (count as f64 - n * p) / (n * p * (1.0 - p)).sqrt()
}

/// Pearson's χ² as a value of a standard normal (Wilson and Hilferty), classes of fewer than 5 expected pooled.
fn chi_squared(counts: &[u64], p: &[f64]) -> f64 {
    let n = counts.iter().sum::<u64>() as f64;
    let (mut statistic, mut classes) = (0.0, 0);
    let mut pooled = (0.0, 0.0);
    for (&count, &p) in counts.iter().zip(p) {
        if n * p < 5.0 {
            pooled = (pooled.0 + count as f64, pooled.1 + n * p);
            continue;
        }
        statistic += (count as f64 - n * p).powi(2) / (n * p);
        classes += 1;
    }
    // Where next to nothing is expected, a handful is already too much.
    assert!(pooled.0 <= pooled.1 + 5.0 * pooled.1.sqrt() + 2.0, "{} draws of what should hardly occur", pooled.0);
    let df = f64::from(classes - 1);
    let spread = 2.0 / (9.0 * df);
    ((statistic / df).cbrt() - (1.0 - spread)) / spread.sqrt()
}

#[test]
fn cumulative_scalar() {
    Case::new("n = 1", SolverKind::CumulativeScalar).hold();
    Case::new("n = 2", SolverKind::CumulativeScalar).with(|c| c.exponent = 2.0).hold();
    Case::new("mask", SolverKind::CumulativeScalar).masked().hold();
}

#[test]
fn euler() {
    Case::new("euler", SolverKind::Euler).hold();
    Case::new("euler, mask", SolverKind::Euler).masked().hold();
}

#[test]
fn dfm_euler() {
    Case::new("dfm", SolverKind::DfmEuler).hold();
    Case::new("dfm, n = 2", SolverKind::DfmEuler).with(|c| c.exponent = 2.0).hold();
    Case::new("dfm, mask", SolverKind::DfmEuler).masked().hold();
}

#[test]
fn divergence_free_term() {
    Case::new("dfm, eta", SolverKind::DfmEuler).with(|c| c.eta = 0.7).hold();
    let mut unmasked = Case::new("dfm, eta, mask", SolverKind::DfmEuler).masked().with(|c| c.eta = 0.7);
    unmasked.hold();
    unmasked.z = 3;
    unmasked.hold();
}

#[test]
fn temperature_and_top_p() {
    Case::new("temperature", SolverKind::CumulativeScalar).with(|c| c.temperature = 0.6).hold();
    Case::new("top-p", SolverKind::CumulativeScalar).with(|c| c.top_p = 0.8).hold();
    Case::new("both", SolverKind::DfmEuler).with(|c| (c.temperature, c.top_p) = (1.7, 0.7)).hold();
}

#[test]
fn last_step() {
    for solver in SolverKind::ALL {
        Case::new("last", solver).at_step(2).hold();
        Case::new("last, mask", solver).masked().at_step(2).hold();
    }
}

#[test]
fn noise_is_uniform_over_the_vocabulary() {
    let spec = Constant::new(Source::Uniform, LOGITS.to_vec()).spec().clone();
    let mut counts = vec![0; LOGITS.len()];
    for seed in 0..SEEDS {
        let cfg = RunConfig::new(seed, TOKENS, 1);
        let sampler = Sampler::new(&spec, cfg).expect("a valid run");
        for &id in sampler.ids() {
            counts[id as usize] += 1;
        }
    }
    let uniform = vec![1.0 / LOGITS.len() as f64; LOGITS.len()];
    assert!(chi_squared(&counts, &uniform) < BOUND);
    let tilted = uniform.iter().zip([0.98, 1.02].into_iter().cycle()).map(|(p, factor)| p * factor).collect();
    assert!(chi_squared(&counts, &normalise(tilted)) > BOUND);
}
