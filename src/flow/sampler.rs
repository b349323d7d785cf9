//! A run, one step at a time.

use std::f64::consts::LN_2;
use std::time::Instant;

use rayon::prelude::*;

use super::check::{check, check_state};
use super::config::{RunConfig, SolverKind};
use super::error::FlowError;
use super::metrics;
use super::rng::{Noise, Stream};
use super::row::{Row, Shaping};
use super::solver::{RATE_FLOOR, Rule, Uniforms, controlled_count};
use crate::model::draws;
use crate::model::{Ask, Cancel, DrawRule, Drawn, Draws, Input, ModelError, ModelSpec, Network};
use crate::trace::{Detail, Frame, Jumps, TOP};

/// How much of a step is wanted. The frames' ids are the same either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Only the ids: rows that cannot jump skip the head, and a step in which none can skips the network.
    Ids,
    /// Also the numbers behind every position.
    Detail,
}

// What a network that draws by itself answers fills a position's details.
const _: () = assert!(TOP == draws::CANDIDATES);

/// A run of the sampler: yields one [`Frame`] a step.
#[derive(Clone, Debug)]
pub struct Sampler {
    spec: ModelSpec,
    cfg: RunConfig,
    editable: Vec<bool>,
    start: Frame,
    step: u32,
    ids: Vec<u32>,
}

/// What all positions of the step under way share.
struct Plan<'a> {
    sampler: &'a Sampler,
    rule: Rule,
    noise: Noise,
    shaping: Shaping,
    last: bool,
    want: Want,
}

/// What became of one position.
#[derive(Clone, Copy, Default)]
struct Outcome {
    /// Whether the network delivered its row.
    seen: bool,
    finite: bool,
    /// Where it goes, if it moves.
    destination: Option<u32>,
    /// How sure controlled unmasking is of it.
    certainty: f64,
    /// The rank of the token it held, should controlled unmasking keep it there.
    rank_before: u32,
    /// Jump probability under each of [`SolverKind::ALL`].
    expected: [f64; 3],
    detail: Detail,
}

impl Sampler {
    /// A run from noise; checks every setting.
    pub fn new(spec: &ModelSpec, cfg: RunConfig) -> Result<Self, FlowError> {
        check(spec, &cfg)?;
        let noise = Noise::start(cfg.seed);
        let ids = (0..cfg.tokens as u32)
            .map(|position| match spec.mask_id() {
                Some(mask) => mask,
                None => noise.below(position, Stream::Noise, spec.vocab as u32),
            })
            .collect();
        Self::resume(spec, cfg, 0, ids)
    }

    /// A run that goes on from the frame `ids` after `step` steps: a branch. Frozen tokens replace those of the frame.
    pub fn resume(spec: &ModelSpec, cfg: RunConfig, step: u32, mut ids: Vec<u32>) -> Result<Self, FlowError> {
        check(spec, &cfg)?;
        check_state(spec, &cfg, step, &ids)?;
        let mut editable = vec![true; cfg.tokens];
        for &(position, id) in &cfg.frozen {
            editable[position as usize] = false;
            ids[position as usize] = id;
        }
        let (t, ids_now) = (cfg.grid[step as usize], ids.as_slice().into());
        let start = Frame { step, t, ids: ids_now, ms: Some(0.0), ..Frame::default() };
        Ok(Self { spec: spec.clone(), cfg, editable, start, step, ids })
    }

    /// Frame 0, or the frame that the run was resumed from.
    pub fn noise(&self) -> Frame {
        self.start.clone()
    }

    /// Takes the next step. If it fails or is cancelled, the sampler stays as it was.
    pub fn step(&mut self, net: &mut dyn Network, want: Want, cancel: &Cancel) -> Result<Frame, FlowError> {
        if self.is_done() {
            return Err(FlowError::Done { steps: self.cfg.steps() });
        }
        self.check_network(net.spec())?;
        let begun = Instant::now();
        let index = self.step as usize;
        let (t, h) = (self.cfg.grid[index], self.cfg.grid[index + 1] - self.cfg.grid[index]);
        let plan = Plan::new(self, want, t, h);
        let rows = plan.rows();
        let mut outcomes = plan.ask(net, &rows, cancel)?;
        plan.control(&mut outcomes);
        cancel.check()?;

        let mut ids = self.ids.clone();
        for (&position, outcome) in rows.iter().zip(&outcomes) {
            if let Some(id) = outcome.destination {
                ids[position as usize] = id;
            }
        }
        let changed = metrics::changed(&self.ids, &ids);
        let jumps = (want == Want::Detail).then(|| plan.jumps(&outcomes));
        let detail = (want == Want::Detail).then(|| outcomes.iter().map(|outcome| outcome.detail).collect());
        self.ids = ids;
        self.step += 1;
        Ok(Frame {
            step: self.step,
            t: self.cfg.grid[index + 1],
            h,
            ids: self.ids.as_slice().into(),
            changed: changed.into(),
            detail,
            jumps,
            ms: Some(begun.elapsed().as_secs_f64() * 1e3),
        })
    }

    /// Whether all steps are taken.
    pub fn is_done(&self) -> bool {
        self.step as usize >= self.cfg.steps()
    }

    /// What makes the run.
    pub fn config(&self) -> &RunConfig {
        &self.cfg
    }

    /// How many steps are taken.
    pub fn step_index(&self) -> u32 {
        self.step
    }

    /// The present state.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// A step on another model's network would be nonsense, or out of bounds.
    fn check_network(&self, spec: &ModelSpec) -> Result<(), ModelError> {
        if spec.vocab == self.spec.vocab && spec.source == self.spec.source {
            return Ok(());
        }
        Err(ModelError::Request(format!(
            "the run was made for {} ({} ids), the network is {} ({} ids); start a new run",
            self.spec.name,
            self.spec.rows(),
            spec.name,
            spec.rows(),
        )))
    }
}

impl<'a> Plan<'a> {
    fn new(sampler: &'a Sampler, want: Want, t: f64, h: f64) -> Self {
        let (spec, cfg) = (&sampler.spec, &sampler.cfg);
        let index = sampler.step as usize;
        // By index: the floats of a grid may end beside 1.
        let last = index + 1 == cfg.steps();
        let salt = cfg.salts.get(index).copied().unwrap_or(0);
        Self {
            sampler,
            rule: Rule::new(spec, cfg, t, h),
            noise: Noise::step(cfg.seed, salt, index as u16 + 1),
            shaping: Shaping {
                temperature: cfg.temperature,
                top_p: cfg.top_p,
                banned: spec.mask_id().filter(|_| last),
            },
            last,
            want,
        }
    }

    /// The positions whose logits are needed.
    fn rows(&self) -> Vec<u32> {
        let ids = &self.sampler.ids;
        (0..ids.len() as u32).filter(|&position| self.want == Want::Detail || self.could_move(position)).collect()
    }

    /// Whether a position may move in this step, as far as can be known without its logits.
    fn could_move(&self, position: u32) -> bool {
        let z = self.sampler.ids[position as usize];
        if !self.sampler.editable[position as usize] {
            return false;
        }
        if self.last {
            return self.rule.redraws(z);
        }
        self.rule.may_move(self.sampler.cfg.solver, z)
            && self.noise.uniform(position, Stream::Jump) < self.rule.ceiling(z)
    }

    /// Runs the network and decides over each of `rows` while its logits are in cache.
    fn ask(&self, net: &mut dyn Network, rows: &[u32], cancel: &Cancel) -> Result<Vec<Outcome>, ModelError> {
        cancel.check()?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let cfg = &self.sampler.cfg;
        let told = cfg
            .told_dt
            .as_ref()
            .map_or(self.rule.h.max(self.sampler.spec.least_dt), |told| told[self.sampler.step as usize]);
        let input = Input { ids: &self.sampler.ids, t: cfg.grid[self.sampler.step as usize] as f32, dt: told as f32 };
        net.forward(input, cancel)?;
        let width = self.sampler.spec.rows();
        if let Some(draws) = self.draws(rows)
            && let Some(drawn) = net.draw(&draws, cancel)?
        {
            let outcomes = draws.asks.iter().zip(rows).zip(&drawn);
            return outcomes
                .map(|((ask, &position), drawn)| {
                    if drawn.finite == 0 {
                        return Err(ModelError::NotFinite { position: position as usize, precision: net.precision() });
                    }
                    Ok(self.outcome(ask, position, drawn))
                })
                .collect();
        }
        let mut outcomes = vec![Outcome::default(); rows.len()];
        net.logits(rows, cancel, &mut |first, block| {
            // A block that does not fit leaves its rows unmarked, which is reported below.
            let Some(outcomes) = outcomes.get_mut(first..) else {
                return;
            };
            block.par_chunks_exact_mut(width).zip(outcomes).zip(&rows[first..]).for_each(
                |((logits, outcome), &position)| {
                    *outcome = self.decide(logits, position);
                },
            );
        })?;
        match outcomes.iter().position(|outcome| !outcome.finite) {
            Some(row) if !outcomes[row].seen => {
                Err(ModelError::Request(format!("the network left out the logits of position {}", rows[row])))
            }
            Some(row) => Err(ModelError::NotFinite { position: rows[row] as usize, precision: net.precision() }),
            None => Ok(outcomes),
        }
    }

    /// Decides over one position, given its logits.
    fn decide(&self, logits: &mut [f32], position: u32) -> Outcome {
        let Some(row) = Row::new(logits, self.shaping) else {
            return Outcome { seen: true, ..Outcome::default() };
        };
        let cfg = &self.sampler.cfg;
        let z = self.sampler.ids[position as usize];
        let mut outcome = Outcome { seen: true, finite: true, ..Outcome::default() };
        if self.could_move(position) {
            let uniforms = Uniforms {
                jump: self.noise.uniform(position, Stream::Jump),
                destination: self.noise.uniform(position, Stream::Destination),
                data: self.noise.uniform(position, Stream::Data),
            };
            outcome.destination =
                if self.last { row.all().draw(uniforms.destination) } else { self.rule.decide(&row, z, uniforms) };
            if self.controlled() && outcome.destination.is_some() {
                outcome.certainty = self.rule.certainty(&row, z);
                outcome.rank_before = row.rank(z);
            }
        }
        if self.want == Want::Detail {
            let editable = self.sampler.editable[position as usize];
            if editable {
                outcome.expected = SolverKind::ALL.map(|kind| self.rule.jump_prob(kind, &row, z));
            }
            let jump_prob = if self.last {
                f64::from(u8::from(self.could_move(position)))
            } else {
                outcome.expected[cfg.solver as usize]
            };
            let now = outcome.destination.unwrap_or(z);
            outcome.detail = Detail {
                entropy: row.entropy() as f32,
                prob: row.prob(now) as f32,
                prob_before: row.prob(z) as f32,
                jump_prob: jump_prob as f32,
                rank: row.rank(now),
                jumped: outcome.destination.is_some(),
                top: row.top(),
            };
        }
        outcome
    }

    /// What a network that draws by itself is asked; none where the rule needs more of the posterior.
    fn draws<'r>(&self, rows: &'r [u32]) -> Option<Draws<'r>> {
        let rule = match self.sampler.cfg.solver {
            _ if self.shaping.top_p < 1.0 || self.controlled() => return None,
            _ if self.last => DrawRule::Redraw,
            SolverKind::CumulativeScalar => DrawRule::CumulativeScalar { scalar: self.rule.scalar },
            SolverKind::Euler => DrawRule::Euler,
            SolverKind::DfmEuler => return None,
        };
        let ask = |&position: &u32| Ask {
            jump: self.noise.uniform(position, Stream::Jump),
            destination: self.noise.uniform(position, Stream::Destination),
            now: self.sampler.ids[position as usize],
            may_move: self.could_move(position).into(),
        };
        Some(Draws {
            rows,
            asks: rows.iter().map(ask).collect(),
            temperature: self.shaping.temperature,
            banned: self.shaping.banned,
            rule,
            floor: RATE_FLOOR * self.rule.h,
        })
    }

    /// What [`Plan::decide`] makes of a row, from a network that drew by itself.
    fn outcome(&self, ask: &Ask, position: u32, drawn: &Drawn) -> Outcome {
        let destination = (drawn.destination != u32::MAX).then_some(drawn.destination);
        let mut outcome = Outcome { seen: true, finite: true, destination, ..Outcome::default() };
        if self.want == Want::Ids {
            return outcome;
        }
        if self.sampler.editable[position as usize] {
            let (away, mean) = ((drawn.others / drawn.total).min(1.0), drawn.floored / drawn.total);
            outcome.expected = SolverKind::ALL.map(|kind| self.rule.jump_prob_by(kind, ask.now, || away, || mean));
        }
        let jump_prob =
            if self.last { f64::from(ask.may_move) } else { outcome.expected[self.sampler.cfg.solver as usize] };
        let prob = |weight: f32| (f64::from(weight) / drawn.total) as f32;
        let mut top = [(0, 0.0); TOP];
        for ((place, &id), &weight) in top.iter_mut().zip(&drawn.top).zip(&drawn.top_weights) {
            if weight > 0.0 {
                *place = (id, prob(weight));
            }
        }
        outcome.detail = Detail {
            entropy: ((drawn.total.ln() - drawn.weighted_log / drawn.total) / LN_2).max(0.0) as f32,
            prob: prob(drawn.weight_now),
            prob_before: prob(drawn.weight_before),
            jump_prob: jump_prob as f32,
            rank: drawn.rank,
            jumped: destination.is_some(),
            top,
        };
        outcome
    }

    /// Whether controlled unmasking is on.
    fn controlled(&self) -> bool {
        let cfg = &self.sampler.cfg;
        cfg.controlled_unmasking
            && cfg.solver == SolverKind::Euler
            && self.sampler.spec.mask_id().is_some()
            && !self.last
    }

    /// Controlled unmasking: of the positions that would jump only the most certain do.
    fn control(&self, outcomes: &mut [Outcome]) {
        if !self.controlled() {
            return;
        }
        let mut jumping: Vec<usize> = (0..outcomes.len()).filter(|&row| outcomes[row].destination.is_some()).collect();
        let count = controlled_count(jumping.len(), self.rule.h, self.sampler.cfg.tokens);
        // Stable, so that of equally certain positions the earlier one jumps.
        jumping.sort_by(|&a, &b| outcomes[b].certainty.total_cmp(&outcomes[a].certainty));
        for &row in &jumping[count..] {
            let outcome = &mut outcomes[row];
            outcome.destination = None;
            outcome.detail.jumped = false;
            outcome.detail.prob = outcome.detail.prob_before;
            outcome.detail.rank = outcome.rank_before;
        }
    }

    /// Sums over the editable positions; every position has an outcome.
    fn jumps(&self, outcomes: &[Outcome]) -> Jumps {
        let editable = || {
            outcomes.iter().zip(&self.sampler.editable).filter_map(|(outcome, &editable)| editable.then_some(outcome))
        };
        let expected = |kind: SolverKind| editable().map(|o| o.expected[kind as usize]).sum::<f64>() as f32;
        let entropy: f64 = editable().map(|o| f64::from(o.detail.entropy)).sum();
        Jumps {
            cumulative: expected(SolverKind::CumulativeScalar),
            euler: expected(SolverKind::Euler),
            dfm: expected(SolverKind::DfmEuler),
            actual: editable().filter(|o| o.destination.is_some()).count() as u32,
            kappa: self.rule.kappa as f32,
            kappa_next: self.rule.kappa_next as f32,
            scalar: self.rule.scalar as f32,
            mean_entropy: (entropy / editable().count().max(1) as f64) as f32,
        }
    }
}
