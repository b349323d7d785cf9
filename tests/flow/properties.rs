//! What holds for every run, whatever its settings.

use fewstep::flow::{FlowError, RunConfig, Sampler, SolverKind, Want};
use fewstep::model::fake::FakeNetwork;
use fewstep::model::{Cancel, ModelError, Network, Source};
use fewstep::trace::Frame;
use proptest::prelude::*;

const VOCAB: usize = 90;
const LENGTH: usize = 48;

fn network(source: Source) -> FakeNetwork {
    let target: Vec<u32> = (0..31).map(|i| i * 7 % VOCAB as u32).collect();
    FakeNetwork::new(VOCAB, LENGTH, source).towards(&target)
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![Just(Source::Uniform), Just(Source::Mask)]
}

prop_compose! {
    fn config()(
        seed: u64,
        tokens in 1..=LENGTH,
        inner in prop::collection::btree_set(1u32..1000, 0..6),
        solver in prop::sample::select(SolverKind::ALL.to_vec()),
        exponent in prop_oneof![Just(1.0), Just(2.0), 0.3..3.0f64],
        temperature in prop_oneof![Just(1.0), 0.3..2.0f64],
        top_p in prop_oneof![Just(1.0), 0.05..1.0f64],
        frozen in prop::collection::btree_map(0..LENGTH as u32, 0..VOCAB as u32, 0..6),
        eta in prop_oneof![Just(0.0), 0.0..3.0f64],
        flags: [bool; 3],
        salts in prop::collection::vec(0..3u64, 0..2),
    ) -> RunConfig {
        let mut cfg = RunConfig::new(seed, tokens, 1);
        cfg.grid = std::iter::once(0.0)
            .chain(inner.iter().map(|&t| f64::from(t) / 1000.0))
            .chain([1.0])
            .collect();
        cfg.frozen = frozen.into_iter().filter(|&(p, _)| (p as usize) < tokens).collect();
        (cfg.solver, cfg.exponent, cfg.eta) = (solver, exponent, eta);
        (cfg.temperature, cfg.top_p, cfg.salts) = (temperature, top_p, salts);
        [cfg.controlled_unmasking, cfg.unmask_change, cfg.only_masked] = flags;
        cfg
    }
}

/// Runs to the end; times are set to 0 so that frames can be compared.
fn finish(sampler: &mut Sampler, net: &mut FakeNetwork, want: Want) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !sampler.is_done() {
        let mut frame = sampler.step(net, want, &Cancel::new()).expect("the step succeeds");
        frame.ms = None;
        frames.push(frame);
    }
    frames
}

fn run(cfg: &RunConfig, net: &mut FakeNetwork, want: Want) -> Vec<Frame> {
    let mut sampler = Sampler::new(&net.spec().clone(), cfg.clone()).expect("valid");
    let mut frames = vec![sampler.noise()];
    frames.extend(finish(&mut sampler, net, want));
    frames
}

/// Without what only [`Want::Detail`] gives.
fn bare(mut frames: Vec<Frame>) -> Vec<Frame> {
    for frame in &mut frames {
        (frame.detail, frame.jumps) = (None, None);
    }
    frames
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20),
        ..ProptestConfig::default()
    })]

    #[test]
    fn frames_are_deterministic_and_consistent(cfg in config(), source in source()) {
        let frames = run(&cfg, &mut network(source), Want::Detail);
        prop_assert_eq!(&frames, &run(&cfg, &mut network(source), Want::Detail));
        prop_assert_eq!(frames.len(), cfg.steps() + 1);
        let rows = VOCAB as u32 + u32::from(source == Source::Mask);
        for (step, pair) in frames.windows(2).enumerate() {
            let (before, after) = (&pair[0], &pair[1]);
            prop_assert_eq!(after.step as usize, step + 1);
            prop_assert_eq!((after.t, after.h), (cfg.grid[step + 1], cfg.grid[step + 1] - cfg.grid[step]));
            let changed: Vec<u32> = (0..cfg.tokens as u32)
                .filter(|&p| before.ids[p as usize] != after.ids[p as usize])
                .collect();
            prop_assert_eq!(&*after.changed, &*changed);
            prop_assert!(after.ids.iter().all(|&id| id < rows));
            let detail = after.detail.as_ref().expect("asked for");
            prop_assert!(changed.iter().all(|&p| detail[p as usize].jumped));
            for detail in detail.iter() {
                prop_assert!((0.0..=1.0).contains(&detail.jump_prob));
                prop_assert!((0.0..=1.000_001).contains(&detail.prob));
                prop_assert!((0.0..=7.0).contains(&detail.entropy));
                prop_assert!(detail.top.windows(2).all(|pair| pair[0].1 >= pair[1].1));
            }
        }
        let end = &frames[frames.len() - 1].ids;
        prop_assert!(end.iter().zip(0u32..).all(|(&id, position)| {
            id < VOCAB as u32 || cfg.frozen.iter().any(|&(p, _)| p == position)
        }), "no mask is left at the end");
    }

    #[test]
    fn frozen_positions_never_change(cfg in config(), source in source()) {
        for frame in run(&cfg, &mut network(source), Want::Ids) {
            for &(position, id) in &cfg.frozen {
                prop_assert_eq!(frame.ids[position as usize], id);
            }
        }
    }

    #[test]
    fn skipped_rows_change_no_frame(cfg in config(), source in source()) {
        let (mut all, mut few) = (network(source), network(source));
        let detailed = bare(run(&cfg, &mut all, Want::Detail));
        prop_assert_eq!(&run(&cfg, &mut few, Want::Ids), &detailed);
        prop_assert_eq!(all.rows_computed, cfg.tokens * cfg.steps());
        prop_assert!(few.rows_computed <= all.rows_computed);
    }

    #[test]
    fn threads_and_blocks_change_no_frame(cfg in config(), source in source(), threads in 1..5usize, rows in 1..60usize) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let here = run(&cfg, &mut network(source), Want::Detail);
        let there = pool.install(|| run(&cfg, &mut network(source).in_blocks_of(rows), Want::Detail));
        prop_assert_eq!(here, there);
    }

    #[test]
    fn resumed_runs_go_on_as_if_never_left(cfg in config(), source in source(), at in 0..8usize) {
        let mut net = network(source);
        let frames = run(&cfg, &mut net, Want::Detail);
        let at = at.min(cfg.steps());
        let spec = net.spec().clone();
        let mut branch = Sampler::resume(&spec, cfg, at as u32, frames[at].ids.to_vec()).expect("valid");
        prop_assert_eq!(&branch.noise().ids, &frames[at].ids);
        prop_assert_eq!(&finish(&mut branch, &mut net, Want::Detail), &frames[at + 1..]);
    }

    #[test]
    fn a_cancelled_step_leaves_no_trace(cfg in config(), source in source(), at in 0..8usize, blocks in 0..6usize) {
        let frames = run(&cfg, &mut network(source), Want::Detail);
        let at = at.min(cfg.steps() - 1);
        let mut net = network(source).cancelling_after(blocks);
        let spec = net.spec().clone();
        let mut sampler = Sampler::resume(&spec, cfg, at as u32, frames[at].ids.to_vec()).expect("valid");
        match sampler.step(&mut net, Want::Detail, &Cancel::new()) {
            Err(FlowError::Model(ModelError::Cancelled)) => {
                prop_assert_eq!((sampler.ids(), sampler.step_index()), (&*frames[at].ids, at as u32));
                prop_assert_eq!(&finish(&mut sampler, &mut network(source), Want::Detail), &frames[at + 1..]);
            }
            // Fewer blocks than that: nothing was cancelled.
            other => prop_assert_eq!(other.expect("the step succeeds").ids, frames[at + 1].ids.clone()),
        }
    }
}

#[test]
fn budgets_and_lengths_share_their_noise() {
    let spec = network(Source::Uniform).spec().clone();
    let start = |tokens, steps| {
        let sampler = Sampler::new(&spec, RunConfig::new(7, tokens, steps)).expect("valid");
        sampler.noise().ids
    };
    assert_eq!(start(48, 1), start(48, 1024));
    assert_eq!(start(48, 8)[..20], *start(20, 3));
    let masked = network(Source::Mask).spec().clone();
    let sampler = Sampler::new(&masked, RunConfig::new(7, 9, 3)).expect("valid");
    assert_eq!(sampler.ids(), [VOCAB as u32; 9]);
}

#[test]
fn a_salt_rerolls_its_step_alone() {
    let run_with = |salts: Vec<u64>| {
        let mut cfg = RunConfig::new(7, 48, 6);
        cfg.salts = salts;
        run(&cfg, &mut network(Source::Uniform), Want::Ids)
    };
    let (plain, salted) = (run_with(vec![]), run_with(vec![0, 0, 1]));
    assert_eq!(plain[..3], salted[..3]);
    assert_ne!(plain[3], salted[3]);
    assert_eq!(plain, run_with(vec![0; 6]));
}

#[test]
fn a_long_run_skips_most_of_the_work() {
    let cfg = RunConfig::new(7, 48, 1024);
    let (mut all, mut few) = (network(Source::Uniform), network(Source::Uniform));
    assert_eq!(run(&cfg, &mut few, Want::Ids), bare(run(&cfg, &mut all, Want::Detail)));
    assert_eq!((all.forwards, all.rows_computed), (1024, 48 * 1024));
    // Rows: the sum of 1/(N - i) over the steps. Steps: those in which some row might jump.
    assert!(few.rows_computed < 48 * 10, "{}", few.rows_computed);
    assert!(few.forwards < 300, "{}", few.forwards);
}

#[test]
fn a_raised_flag_cancels_before_any_work() {
    let mut net = network(Source::Uniform);
    let spec = net.spec().clone();
    let mut sampler = Sampler::new(&spec, RunConfig::new(7, 48, 8)).expect("valid");
    let cancel = Cancel::new();
    cancel.cancel();
    let error = sampler.step(&mut net, Want::Ids, &cancel).expect_err("cancelled");
    assert!(error.is_cancelled());
    assert_eq!((net.forwards, sampler.step_index()), (0, 0));
}
