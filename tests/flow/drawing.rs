//! A network that draws where its logits are must give the frames of one that hands them over.

use std::f64::consts::LN_2;

use fewstep::flow::row::{Row, Shaping};
use fewstep::flow::solver::{euler_jump_probability, jump_probability};
use fewstep::flow::{RunConfig, Sampler, SolverKind, Want};
use fewstep::model::fake::FakeNetwork;
use fewstep::model::{Ask, Cancel, DrawRule, Drawn, Draws, Input, ModelError, ModelSpec, Network, Source};
use fewstep::trace::Frame;

/// Follows the meaning of [`Draws`] step by step.
struct Drawing {
    inner: FakeNetwork,
    drawn: usize,
}

impl Network for Drawing {
    fn spec(&self) -> &ModelSpec {
        self.inner.spec()
    }

    fn precision(&self) -> String {
        "f32".into()
    }

    fn forward(&mut self, input: Input<'_>, cancel: &Cancel) -> Result<(), ModelError> {
        self.inner.forward(input, cancel)
    }

    fn logits(
        &mut self,
        rows: &[u32],
        cancel: &Cancel,
        sink: &mut dyn FnMut(usize, &mut [f32]),
    ) -> Result<(), ModelError> {
        self.inner.logits(rows, cancel, sink)
    }

    fn draw(&mut self, draws: &Draws<'_>, cancel: &Cancel) -> Result<Option<Vec<Drawn>>, ModelError> {
        let width = self.spec().rows();
        let mut answers = Vec::new();
        self.inner.logits(draws.rows, cancel, &mut |first, block| {
            for (row, ask) in block.chunks_mut(width).zip(&draws.asks[first..]) {
                answers.push(answer(row, ask, draws));
            }
        })?;
        self.drawn += answers.len();
        Ok(Some(answers))
    }
}

fn answer(logits: &mut [f32], ask: &Ask, draws: &Draws<'_>) -> Drawn {
    let shaping = Shaping { temperature: draws.temperature, top_p: 1.0, banned: draws.banned };
    let row = Row::new(logits, shaping).expect("numbers");
    let total = row.total();
    let floored = row.floored(ask.now, draws.floor);
    let (jumps, weights) = match draws.rule {
        DrawRule::Redraw => (true, row.all()),
        DrawRule::Euler => (ask.jump < euler_jump_probability(floored.total() / total), floored),
        DrawRule::CumulativeScalar { scalar } => {
            (ask.jump < jump_probability(scalar * row.prob_of_others(ask.now)), row.others(ask.now))
        }
    };
    let destination = if jumps && ask.may_move == 1 { weights.draw(ask.destination) } else { None };
    let now = destination.unwrap_or(ask.now);
    let top = row.top();
    Drawn {
        total,
        weighted_log: total * (total.ln() - row.entropy() * LN_2),
        others: row.others(ask.now).total(),
        floored: floored.total(),
        weight_before: row.all().get(ask.now as usize),
        weight_now: row.all().get(now as usize),
        top_weights: top.map(|(_, prob)| (f64::from(prob) * total) as f32),
        top: top.map(|(id, _)| id),
        destination: destination.unwrap_or(u32::MAX),
        rank: row.rank(now),
        finite: 1,
    }
}

fn run(cfg: &RunConfig, net: &mut dyn Network, want: Want) -> Vec<Frame> {
    let mut sampler = Sampler::new(&net.spec().clone(), cfg.clone()).expect("valid");
    let mut frames = Vec::new();
    while !sampler.is_done() {
        frames.push(sampler.step(net, want, &Cancel::new()).expect("the step succeeds"));
    }
    frames
}

fn network(source: Source) -> FakeNetwork {
    FakeNetwork::new(90, 48, source).towards(&[5, 17, 80, 3, 41])
}

#[test]
fn frames_are_those_of_a_network_that_hands_its_logits_over() {
    for source in [Source::Uniform, Source::Mask] {
        for solver in SolverKind::ALL {
            let mut cfg = RunConfig::new(11, 40, 6);
            (cfg.solver, cfg.temperature, cfg.frozen) = (solver, 0.9, vec![(2, 7)]);
            let mut drawing = Drawing { inner: network(source), drawn: 0 };
            let own = run(&cfg, &mut drawing, Want::Detail);
            let other = run(&cfg, &mut network(source), Want::Detail);
            assert!(drawing.drawn >= 40, "{solver:?}: the last step draws whatever the rule");
            for (own, other) in own.iter().zip(&other) {
                assert_eq!((&own.ids, &own.changed), (&other.ids, &other.changed), "{source:?} {solver:?}");
                let (own_sums, other_sums) = (own.jumps.expect("asked for"), other.jumps.expect("asked for"));
                assert_eq!(own_sums.actual, other_sums.actual);
                assert!((own_sums.euler - other_sums.euler).abs() < 1e-3);
                let pairs = own.detail.iter().flat_map(|d| d.iter()).zip(other.detail.iter().flat_map(|d| d.iter()));
                for (own, other) in pairs {
                    assert_eq!((own.rank, own.jumped), (other.rank, other.jumped));
                    assert_eq!(own.top.map(|(id, _)| id), other.top.map(|(id, _)| id));
                    for (a, b) in [
                        (own.entropy, other.entropy),
                        (own.prob, other.prob),
                        (own.prob_before, other.prob_before),
                        (own.jump_prob, other.jump_prob),
                    ] {
                        assert!((a - b).abs() < 1e-5, "{source:?} {solver:?}: {a} {b}");
                    }
                }
            }
            let ids = |frames: &[Frame]| frames.iter().map(|f| f.ids.clone()).collect::<Vec<_>>();
            let mut drawing = Drawing { inner: network(source), drawn: 0 };
            assert_eq!(ids(&run(&cfg, &mut drawing, Want::Ids)), ids(&other));
        }
    }
}
