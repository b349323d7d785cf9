//! The corners of the rules that golden values do not reach.

use fewstep::flow::row::{Row, Shaping};
use fewstep::flow::solver::{Rule, Uniforms, controlled_count, euler_jump_probability, jump_probability};
use fewstep::flow::{FlowError, RunConfig, Sampler, SolverKind, Want};
use fewstep::model::fake::FakeNetwork;
use fewstep::model::{Cancel, Input, ModelError, Network, Source};

use crate::network::{Constant, all_logits};
use crate::reference::{dfm_rates, softmax};

fn config(solver: SolverKind, tokens: usize) -> RunConfig {
    let mut cfg = RunConfig::new(5, tokens, 4);
    cfg.solver = solver;
    cfg
}

#[test]
fn poisson_mean_is_capped_at_50() {
    assert_eq!(euler_jump_probability(50.0), euler_jump_probability(1e9));
    assert_eq!(euler_jump_probability(50.0), -(-50.0f64).exp_m1());
    assert!(euler_jump_probability(3.0) < euler_jump_probability(4.0));
    assert_eq!(jump_probability(0.0), 0.0);
    assert_eq!(jump_probability(f64::INFINITY), 1.0);
}

/// A posterior that is certain of the token shown still leaves the plain rule's floor, diagonal included.
#[test]
fn euler_floors_every_rate() {
    let spec = FakeNetwork::new(4, 8, Source::Uniform).spec().clone();
    let rule = Rule::new(&spec, &config(SolverKind::Euler, 8), 0.25, 0.5);
    let mut logits = [-60.0, 60.0, -60.0, -60.0];
    let row = Row::new(&mut logits, Shaping::default()).expect("finite");
    let floor = 0.5e-9;
    assert!((rule.euler_mean(&row, 1) / (4.0 * floor) - 1.0).abs() < 1e-6);
    for share in rule.destinations(&row, 1).distribution() {
        assert!((share - 0.25).abs() < 1e-6);
    }
    assert!((rule.certainty(&row, 1) - 0.25).abs() < 1e-6);
    // The paper's rule has no floor: λ = 0, no jump.
    let rule = Rule::new(&spec, &config(SolverKind::CumulativeScalar, 8), 0.25, 0.5);
    assert_eq!(rule.jump_prob(SolverKind::CumulativeScalar, &row, 1), 0.0);
    let uniforms = Uniforms { jump: 0.0, destination: 0.5, data: 0.5 };
    assert_eq!(rule.decide(&row, 1, uniforms), None);
}

/// Sweeps the destination uniform over a fine grid and compares shares with the literal rates, for each `x_1`.
#[test]
fn divergence_free_term_against_a_literal_port() {
    const SWEEP: usize = 20_000;
    for source in [Source::Uniform, Source::Mask] {
        let spec = FakeNetwork::new(6, 8, source).spec().clone();
        for (t, eta, exponent) in [(0.0, 0.5, 1.0), (0.4, 0.5, 1.0), (0.6, 2.0, 2.0)] {
            let mut cfg = config(SolverKind::DfmEuler, 8);
            (cfg.eta, cfg.exponent) = (eta, exponent);
            let h = 0.125;
            let rule = Rule::new(&spec, &cfg, t, h);
            let slope = exponent * f64::powf(t, exponent - 1.0);
            for z in 0..spec.rows() {
                for data in 0..spec.rows() {
                    let rates = dfm_rates(&spec, &cfg, data, z, t.powf(exponent), slope);
                    let rate: f64 = rates.iter().sum();
                    let jump = 1.0 - (-h * rate).exp();
                    let ours = rule.dfm_jump_prob(z as u32, data != z);
                    assert!((ours - jump).abs() < 1e-12, "{ours} is not {jump}");
                    // A posterior certain of `data`, so that x_1 = data.
                    let mut logits = vec![-80.0; spec.rows()];
                    logits[data] = 80.0;
                    let row = Row::new(&mut logits, Shaping::default()).expect("finite");
                    let mut counts = vec![0usize; spec.rows()];
                    for i in 0..SWEEP {
                        let uniforms = Uniforms { jump: 0.0, destination: (i as f64 + 0.5) / SWEEP as f64, data: 0.5 };
                        if let Some(id) = rule.decide(&row, z as u32, uniforms) {
                            counts[id as usize] += 1;
                        }
                    }
                    if rate == 0.0 {
                        assert_eq!(counts.iter().sum::<usize>(), 0);
                        continue;
                    }
                    for (count, literal) in counts.iter().zip(&rates) {
                        let off = *count as f64 / SWEEP as f64 - literal / rate;
                        assert!(off.abs() < 3.0 / SWEEP as f64, "off by {off}");
                    }
                }
            }
        }
    }
}

#[test]
fn masked_positions_alone_move_where_the_rule_says_so() {
    let spec = FakeNetwork::new(9, 16, Source::Mask).spec().clone();
    let mask = spec.mask_id().expect("a mask source");
    let movable = |change: fn(&mut RunConfig), z| {
        let mut cfg = config(SolverKind::Euler, 16);
        change(&mut cfg);
        let rule = Rule::new(&spec, &cfg, 0.25, 0.25);
        let moves = SolverKind::ALL.map(|kind| rule.may_move(kind, z));
        (moves, rule.redraws(z))
    };
    // In the order cumulative scalar, euler, dfm; then the last step.
    assert_eq!(movable(|_| (), mask), ([true; 3], true));
    assert_eq!(movable(|_| (), 4), ([true, false, true], false));
    assert_eq!(movable(|c| c.unmask_change = true, 4), ([true, true, true], true));
    assert_eq!(movable(|c| c.only_masked = true, 4), ([false; 3], false));
    assert_eq!(movable(|c| c.only_masked = true, mask), ([true; 3], true));
}

#[test]
fn last_step_by_index_unmasks_everything() {
    for solver in SolverKind::ALL {
        for unmask_change in [false, true] {
            let mut net = FakeNetwork::new(30, 64, Source::Mask);
            let spec = net.spec().clone();
            let mask = 30;
            let mut cfg = config(solver, 64);
            cfg.unmask_change = unmask_change;
            let ids: Vec<u32> = (0..64).map(|p| if p % 2 == 0 { mask } else { 7 }).collect();
            let mut sampler = Sampler::resume(&spec, cfg, 3, ids).expect("valid");
            let frame = sampler.step(&mut net, Want::Detail, &Cancel::new()).expect("the step succeeds");
            assert!(frame.ids.iter().all(|&id| id < mask), "no mask is left");
            let kept = frame.ids.iter().skip(1).step_by(2).all(|&id| id == 7);
            assert_eq!(kept, !unmask_change);
            let jumps = frame.jumps.expect("asked for");
            assert_eq!(jumps.actual, if unmask_change { 64 } else { 32 });
            for detail in frame.detail.expect("asked for").iter() {
                assert!(detail.top.iter().all(|&(id, p)| id != mask || p == 0.0));
                assert_eq!(detail.jump_prob, if detail.jumped { 1.0 } else { 0.0 });
            }
            assert!(sampler.is_done());
            let again = sampler.step(&mut net, Want::Ids, &Cancel::new());
            assert!(matches!(again, Err(FlowError::Done { steps: 4 })));
        }
    }
}

#[test]
fn before_the_last_step_tokens_may_mask_again() {
    let mut row = vec![0.0; 5];
    row[4] = 6.0;
    let mut net = Constant::new(Source::Mask, row);
    let spec = net.spec().clone();
    let mut cfg = config(SolverKind::Euler, 200);
    cfg.unmask_change = true;
    let mut sampler = Sampler::resume(&spec, cfg, 1, vec![2; 200]).expect("valid");
    let frame = sampler.step(&mut net, Want::Ids, &Cancel::new()).expect("the step succeeds");
    assert!(frame.ids.contains(&4));
}

#[test]
fn controlled_unmasking_counts() {
    assert_eq!(controlled_count(0, 0.5, 10), 0);
    assert_eq!(controlled_count(3, 0.01, 10), 1);
    assert_eq!(controlled_count(3, 0.5, 10), 3);
    assert_eq!(controlled_count(9, 0.5, 11), 5);
    // h·T = 2, whatever the floats say.
    assert_eq!(controlled_count(9, 0.3 - 0.2, 20), 2);
}

#[test]
fn controlled_unmasking_keeps_the_most_certain() {
    let mut net = FakeNetwork::new(20, 64, Source::Mask);
    let spec = net.spec().clone();
    let mut cfg = RunConfig::new(11, 64, 16);
    cfg.solver = SolverKind::Euler;
    let free = Sampler::new(&spec, cfg.clone())
        .and_then(|mut s| s.step(&mut net, Want::Detail, &Cancel::new()))
        .expect("the step succeeds");
    cfg.controlled_unmasking = true;
    let mut sampler = Sampler::new(&spec, cfg).expect("valid");
    let ids = sampler.ids().to_vec();
    let held = sampler.step(&mut net, Want::Detail, &Cancel::new()).expect("the step succeeds");
    let input = Input { ids: &ids, t: 0.0, dt: 1.0 / 16.0 };
    let rows = all_logits(&mut net, input);
    let detail = free.detail.expect("asked for");
    let mut jumping: Vec<(f64, usize)> = (0..64)
        .filter(|&position| detail[position].jumped)
        .map(|position| {
            let p = softmax(&rows[position], 1.0);
            let best = p[..20].iter().copied().fold(0.0, f64::max);
            (best / (1.0 - p[20]), position)
        })
        .collect();
    assert!(jumping.len() > 8, "enough to choose from");
    jumping.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut best: Vec<u32> = jumping[..4].iter().map(|&(_, p)| p as u32).collect();
    best.sort_unstable();
    assert_eq!(*held.changed, *best);
    for (position, detail) in held.detail.expect("asked for").iter().enumerate() {
        assert_eq!(detail.jumped, best.contains(&(position as u32)));
        let p = softmax(&rows[position], 1.0);
        let shown = held.ids[position] as usize;
        assert!((f64::from(detail.prob) - p[shown]).abs() < 1e-6);
        let rank = (0..p.len()).filter(|&id| p[id] > p[shown]).count();
        assert_eq!(detail.rank, rank as u32);
    }
}

#[test]
fn small_steps_are_told_the_least_that_the_model_takes() {
    let mut net = FakeNetwork::new(50, 64, Source::Uniform);
    let mut spec = net.spec().clone();
    let mut frame = |least: f64, told: Option<f64>, steps: usize| {
        spec.least_dt = least;
        let mut cfg = RunConfig::new(3, 40, steps);
        cfg.told_dt = told.map(|dt| vec![dt; steps]);
        let mut sampler = Sampler::new(&spec, cfg).expect("valid");
        sampler.step(&mut net, Want::Detail, &Cancel::new()).expect("the step succeeds").detail
    };
    assert_eq!(frame(0.25, None, 16), frame(0.0, Some(0.25), 16));
    assert_ne!(frame(0.25, None, 16), frame(0.0, None, 16));
    assert_eq!(frame(0.25, None, 2), frame(0.0, None, 2), "a larger step is told its own size");
    assert_eq!(frame(0.25, Some(0.125), 16), frame(0.0, Some(0.125), 16), "what a run asks for goes first");
}

#[test]
fn details_describe_the_posterior() {
    let mut net = FakeNetwork::new(700, 64, Source::Uniform);
    let spec = net.spec().clone();
    let mut cfg = RunConfig::new(3, 40, 3);
    cfg.frozen = vec![(0, 5), (1, 6)];
    cfg.told_dt = Some(vec![0.25; 3]);
    let mut sampler = Sampler::new(&spec, cfg).expect("valid");
    let before = sampler.noise();
    assert_eq!((before.step, before.t, before.h), (0, 0.0, 0.0));
    assert_eq!(before.ids[..2], [5, 6]);
    let frame = sampler.step(&mut net, Want::Detail, &Cancel::new()).expect("the step succeeds");
    let input = Input { ids: &before.ids, t: 0.0, dt: 0.25 };
    let (mut expected, mut entropies) = (0.0, 0.0);
    for (position, logits) in all_logits(&mut net, input).iter().enumerate() {
        let p = softmax(logits, 1.0);
        let detail = frame.detail.as_ref().expect("asked for")[position];
        let (z, now) = (before.ids[position] as usize, frame.ids[position] as usize);
        let entropy: f64 = -p.iter().map(|p| p * p.log2()).sum::<f64>();
        assert!((f64::from(detail.entropy) - entropy).abs() < 1e-5);
        assert!((f64::from(detail.prob) - p[now]).abs() < 1e-6);
        assert!((f64::from(detail.prob_before) - p[z]).abs() < 1e-6);
        assert_eq!(detail.rank as usize, p.iter().filter(|&&other| other > p[now]).count());
        let mut order: Vec<usize> = (0..p.len()).collect();
        order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
        for (&(id, prob), &literal) in detail.top.iter().zip(&order) {
            assert_eq!(id as usize, literal);
            assert!((f64::from(prob) - p[literal]).abs() < 1e-6);
        }
        if position < 2 {
            assert_eq!((detail.jump_prob, detail.jumped), (0.0, false));
        } else {
            expected += 1.0 - (2.0f64 / 3.0).powf(1.0 - p[z]);
            entropies += entropy;
        }
    }
    let jumps = frame.jumps.expect("asked for");
    assert!((f64::from(jumps.cumulative) - expected).abs() < 1e-4);
    assert!((f64::from(jumps.mean_entropy) - entropies / 38.0).abs() < 1e-4);
    assert!((jumps.kappa, jumps.kappa_next) == (0.0, 1.0 / 3.0));
    assert!((f64::from(jumps.scalar) - 1.5f64.ln()).abs() < 1e-6);
    assert_eq!(jumps.actual as usize, frame.changed.len());
    assert!(jumps.euler > jumps.cumulative, "the plain rule overshoots");
}

#[test]
fn logits_that_are_no_numbers_name_their_position() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for want in [Want::Ids, Want::Detail] {
            let mut net = FakeNetwork::new(40, 64, Source::Uniform).poisoned(9, value);
            let spec = net.spec().clone();
            // One step: every position is redrawn, so every row is looked at.
            let mut sampler = Sampler::new(&spec, RunConfig::new(1, 32, 1)).expect("valid");
            let before = sampler.ids().to_vec();
            let error = sampler.step(&mut net, want, &Cancel::new());
            assert!(matches!(error, Err(FlowError::Model(ModelError::NotFinite { position: 9, .. }))), "{error:?}");
            assert_eq!((sampler.ids(), sampler.step_index()), (&*before, 0));
        }
    }
}

#[test]
fn a_network_of_another_model_is_refused() {
    let spec = FakeNetwork::new(40, 64, Source::Uniform).spec().clone();
    let mut sampler = Sampler::new(&spec, RunConfig::new(1, 8, 2)).expect("valid");
    let mut other = FakeNetwork::new(41, 64, Source::Uniform);
    let error = sampler.step(&mut other, Want::Ids, &Cancel::new());
    assert!(matches!(error, Err(FlowError::Model(ModelError::Request(_)))));
}
