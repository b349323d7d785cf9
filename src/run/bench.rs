//! `fewstep bench`: what a step costs on this machine with this model, part by part.
//!
//! Precisions take turns at each length, so that whatever else the machine does falls on all of them alike.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::flow::{FlowError, RunConfig, Sampler, Want};
use crate::model::kernels::Isa;
use crate::model::weights::config;
use crate::model::weights::store::refuse;
use crate::model::{
    Cancel, Checkpoint, Drawn, Draws, Input, Judge, JudgeCheckpoint, ModelError, ModelSpec, Network, Place, Precision,
    Source, judge, network,
};

/// Lengths that are measured, as far as the model goes.
pub const LENGTHS: [usize; 5] = [64, 128, 256, 512, 1024];

/// What to measure.
pub struct Plan<'a> {
    /// The network.
    pub network: &'a Checkpoint,
    /// The judge, if there is one.
    pub judge: Option<&'a JudgeCheckpoint>,
    /// Arithmetics to compare.
    pub precisions: &'a [Precision],
    /// Where to compute.
    pub place: Place,
    /// Lengths, each at most the model's.
    pub lengths: &'a [usize],
    /// Threads of rayon's global pool.
    pub threads: usize,
    /// Steps measured a length and precision; the best counts.
    pub rounds: usize,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Name of the network.
    pub model: String,
    /// Threads that computed.
    pub threads: usize,
    /// Instruction sets the kernels can use here, slowest first.
    pub cpu: Vec<&'static str>,
    /// One entry a precision.
    pub rows: Vec<Row>,
}

/// One precision.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The arithmetic as traces name it, e.g. `int8-avx2`.
    pub precision: String,
    /// Reading and packing the weights, ms.
    pub load: f64,
    /// From there to the first computed frame of 256 tokens (or the model's length), ms.
    pub first: f64,
    /// By length.
    pub steps: Vec<Step>,
}

/// The best step of one length, ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Length of the sequence.
    pub tokens: usize,
    /// The network's body.
    pub body: f64,
    /// Its head.
    pub head: f64,
    /// Everything the sampler does with the logits.
    pub draw: f64,
    /// All of the middle one of all steps measured.
    pub median: f64,
    /// Scoring a text of this length afresh.
    pub judge: Option<f64>,
}

impl Step {
    /// All of a step but the judge, which runs beside it.
    pub fn total(&self) -> f64 {
        self.body + self.head + self.draw
    }
}

/// A network that measures itself.
pub struct Timed<'a> {
    net: &'a mut dyn Network,
    /// Time spent in [`Network::forward`].
    pub body: Duration,
    /// Time spent in [`Network::logits`] without its sink.
    pub head: Duration,
}

impl<'a> Timed<'a> {
    /// Measures `net` from here on.
    pub fn new(net: &'a mut dyn Network) -> Self {
        Self { net, body: Duration::ZERO, head: Duration::ZERO }
    }
}

impl Network for Timed<'_> {
    fn spec(&self) -> &ModelSpec {
        self.net.spec()
    }

    fn precision(&self) -> String {
        self.net.precision()
    }

    fn forward(&mut self, input: Input<'_>, cancel: &Cancel) -> Result<(), ModelError> {
        let began = Instant::now();
        let done = self.net.forward(input, cancel);
        self.body += began.elapsed();
        done
    }

    fn logits(
        &mut self,
        rows: &[u32],
        cancel: &Cancel,
        sink: &mut dyn FnMut(usize, &mut [f32]),
    ) -> Result<(), ModelError> {
        let (began, mut elsewhere) = (Instant::now(), Duration::ZERO);
        let done = self.net.logits(rows, cancel, &mut |first, block| {
            let began = Instant::now();
            sink(first, block);
            elsewhere += began.elapsed();
        });
        self.head += began.elapsed().saturating_sub(elsewhere);
        done
    }

    // A GPU works on after `forward` returned, so its times belong together.
    fn draw(&mut self, draws: &Draws<'_>, cancel: &Cancel) -> Result<Option<Vec<Drawn>>, ModelError> {
        let began = Instant::now();
        let done = self.net.draw(draws, cancel);
        self.head += began.elapsed();
        done
    }
}

/// A middle step of a run of eight, with all numbers wanted: where rows jump, and none can be skipped. Steps of even and
/// odd `round` differ in their times, so that no network can keep what it worked out from the time of the step before.
pub fn step(net: &mut dyn Network, ids: &[u32], round: usize) -> Result<Step, FlowError> {
    let mut config = RunConfig::new(1, ids.len(), 8);
    config.exponent = net.spec().exponent;
    let mut sampler = Sampler::resume(net.spec(), config, 3 + round as u32 % 2, ids.to_vec())?;
    let mut timed = Timed::new(net);
    let began = Instant::now();
    sampler.step(&mut timed, Want::Detail, &Cancel::new())?;
    let all = began.elapsed();
    Ok(Step {
        tokens: ids.len(),
        body: ms(timed.body),
        head: ms(timed.head),
        draw: ms(all.saturating_sub(timed.body + timed.head)),
        median: ms(all),
        judge: None,
    })
}

/// A network for made-up weights: hidden width, blocks, heads and vocabulary, between slashes.
pub fn made_up(shape: &str) -> Result<ModelSpec, ModelError> {
    let flag = PathBuf::from(format!("--shape {shape}"));
    let numbers: Result<Vec<usize>, _> = shape.split('/').map(str::parse).collect();
    let Ok(&[hidden, blocks, heads, vocab]) = numbers.as_deref() else {
        return Err(refuse(&flag, "not four numbers", "give hidden/blocks/heads/vocabulary, such as 512/8/8/4096"));
    };
    let spec = ModelSpec {
        name: format!("made-up {shape}"),
        hash: String::new(),
        vocab,
        hidden,
        blocks,
        heads,
        cond: 128,
        mlp_ratio: 4,
        length: 1024,
        source: Source::Uniform,
        dt_conditioned: true,
        least_dt: 0.0,
        exponent: 1.0,
        eos: None,
    };
    config::check_model(&flag, &spec)?;
    Ok(spec)
}

/// Measures everything in `plan`; `say` is told what comes next.
pub fn measure(plan: &Plan<'_>, say: &mut dyn FnMut(&str)) -> Result<Report, FlowError> {
    let spec = &plan.network.spec;
    let mut nets = Vec::new();
    let mut rows = Vec::new();
    for &precision in plan.precisions {
        say("loading");
        let began = Instant::now();
        let mut net = network(plan.network, precision, plan.place, plan.threads, &|_| {})?;
        let load = ms(began.elapsed());
        let began = Instant::now();
        step(&mut *net, &noise(spec, 256.min(spec.length)), 0)?;
        let first = ms(began.elapsed());
        rows.push(Row { precision: net.precision(), load, first, steps: Vec::new() });
        nets.push(net);
    }
    let mut scorer = match plan.judge {
        None => None,
        Some(checkpoint) => Some(judge(checkpoint, Precision::Auto, plan.place, plan.threads, &|_| {})?),
    };
    for &tokens in plan.lengths {
        let ids = noise(spec, tokens);
        let mut best: Vec<Option<Step>> = vec![None; nets.len()];
        let mut scoring = f64::INFINITY;
        let mut all: Vec<Vec<f64>> = vec![Vec::new(); nets.len()];
        for round in 0..plan.rounds.max(1) {
            for (i, net) in nets.iter_mut().enumerate() {
                say(&format!("{tokens} tokens, {}", rows[i].precision));
                let now = step(&mut **net, &ids, round)?;
                all[i].push(now.total());
                // The best whole step, not the best of each part.
                best[i] = best[i].filter(|best| best.total() <= now.total()).or(Some(now));
            }
            if let Some(scorer) = &mut scorer {
                scoring = scoring.min(score(&mut **scorer, &ids, round)?);
            }
        }
        for ((row, best), all) in rows.iter_mut().zip(best).zip(&mut all) {
            all.sort_by(f64::total_cmp);
            let (median, judge) = (all[all.len() / 2], scorer.is_some().then_some(scoring));
            row.steps.extend(best.map(|step| Step { median, judge, ..step }));
        }
    }
    let cpu = Isa::available().into_iter().map(Isa::name).collect();
    Ok(Report { model: spec.name.clone(), threads: plan.threads, cpu, rows })
}

/// Milliseconds to score a text no part of which was scored before.
fn score(scorer: &mut dyn Judge, ids: &[u32], round: usize) -> Result<f64, ModelError> {
    let vocab = scorer.spec().vocab as u32;
    let mut ids: Vec<u32> = ids.iter().map(|id| id % vocab).collect();
    ids.truncate(scorer.spec().length);
    ids[0] = round as u32 % vocab;
    let began = Instant::now();
    scorer.nll(&ids, &Cancel::new())?;
    Ok(ms(began.elapsed()))
}

/// Ids spread over the vocabulary.
fn noise(spec: &ModelSpec, tokens: usize) -> Vec<u32> {
    (0..tokens).map(|i| (i * 2_654_435_761 % spec.vocab) as u32).collect()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {} threads; kernels here: {}", self.model, self.threads, self.cpu.join(", "))?;
        for row in &self.rows {
            writeln!(f, "\n{}: weights {:.0} ms, first frame {:.0} ms after", row.precision, row.load, row.first)?;
            writeln!(
                f,
                "{:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10} {:>9}",
                "tokens", "ms/step", "median", "body", "head", "draw", "us/token", "judge"
            )?;
            for step in &row.steps {
                write!(
                    f,
                    "{:>7} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>10.1}",
                    step.tokens,
                    step.total(),
                    step.median,
                    step.body,
                    step.head,
                    step.draw,
                    step.total() * 1e3 / step.tokens as f64
                )?;
                match step.judge {
                    Some(judge) => writeln!(f, " {judge:>9.1}")?,
                    None => writeln!(f, " {:>9}", "-")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JudgeSpec, synthetic};

    #[test]
    fn measures_every_precision_at_every_length() {
        let spec = ModelSpec {
            name: "made-up".to_owned(),
            hash: String::new(),
            vocab: 61,
            hidden: 32,
            blocks: 1,
            heads: 2,
            cond: 8,
            mlp_ratio: 4,
            length: 48,
            source: Source::Mask,
            dt_conditioned: true,
            least_dt: 0.0,
            exponent: 1.0,
            eos: None,
        };
        let scorer = JudgeSpec {
            name: "made-up".to_owned(),
            vocab: 61,
            hidden: 16,
            blocks: 1,
            heads: 2,
            length: 32,
            inner: 64,
            eps: 1e-5,
        };
        let (network, judge) = (synthetic::model(spec, 1, false), synthetic::judge(scorer, 1));
        let plan = Plan {
            network: &network,
            judge: Some(&judge),
            precisions: &[Precision::F32, Precision::Auto],
            place: Place::Cpu,
            lengths: &[8, 48],
            threads: rayon::current_num_threads(),
            rounds: 2,
        };
        let mut said = 0;
        let report = measure(&plan, &mut |_| said += 1).expect("a report");
        assert_eq!(said, 2 + 2 * 2 * 2);
        for row in &report.rows {
            assert_eq!(row.steps.iter().map(|s| s.tokens).collect::<Vec<_>>(), [8, 48]);
            assert!(row.steps.iter().all(|s| s.total() > 0.0 && s.judge.is_some_and(f64::is_finite)));
        }
        let text = report.to_string();
        assert!(text.contains("f32:") && text.contains("int8-") && text.contains("us/token"), "{text}");
    }
}
