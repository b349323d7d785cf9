//! `fewstep sample`: runs without a screen.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::sync::Arc;

use crate::cli::{RunArgs, SampleArgs, ScoreChoice};
use crate::config::Theme;
use crate::error::Error;
use crate::flow::{FlowError, RunConfig, Sampler, Want, metrics};
use crate::model::{Cancel, Judge, ModelError, Network};
use crate::record::ansi;
use crate::record::figure::Figure;
use crate::run::interrupt;
use crate::run::progress::{self, with_bar};
use crate::run::setup::{Models, Setup};
use crate::term;
use crate::text::{plain, safe};
use crate::trace::io::{Header, TraceFile, TraceWriter, WriteOptions};
use crate::trace::{Frame, ModelMeta, RunMeta, Score, Timeline};

/// How the text comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Plain,
    Ansi,
}

impl Format {
    fn of(args: &SampleArgs) -> Self {
        if args.json {
            Self::Json
        } else if args.ansi || (!args.plain && io::stdout().is_terminal()) {
            Self::Ansi
        } else {
            Self::Plain
        }
    }
}

/// What a bare `fewstep` does where there is no screen to draw on.
pub(super) fn plainly(run: RunArgs) -> SampleArgs {
    SampleArgs {
        run,
        json: false,
        plain: true,
        ansi: false,
        samples: 1,
        final_only: false,
        detail: false,
        score: None,
        score_prompt: false,
        told_dt: None,
        trace: None,
        force: false,
    }
}

/// Tells the network one step size whatever step is taken.
fn tell(setup: &mut Setup, dt: f64) -> Result<(), Error> {
    let spec = &setup.models.network.spec;
    if !spec.dt_conditioned {
        return Err(Error::input(format!("--told-dt {dt}: {} is told no step size; leave it out", safe(&spec.name))));
    }
    setup.config.told_dt = Some(vec![dt; setup.config.steps()]);
    Sampler::new(spec, setup.config.clone()).map_err(Error::input)?;
    Ok(())
}

/// Makes the runs and prints them.
pub(super) fn sample(args: &SampleArgs) -> Result<(), Error> {
    let format = Format::of(args);
    let mut setup = Setup::prepare(&args.run)?;
    if let Some(dt) = args.told_dt {
        tell(&mut setup, dt)?;
    }
    if args.samples == 0 {
        return Err(Error::input("--samples 0: make at least one run"));
    }
    if args.detail && !args.json && args.trace.is_none() {
        return Err(Error::input("--detail: goes into traces; add --json or --trace FILE"));
    }
    if args.run.seed.checked_add(u64::from(args.samples) - 1).is_none() {
        return Err(Error::input(format!("--seed {}: leaves no room for {} samples", args.run.seed, args.samples)));
    }
    let score = args.score.unwrap_or(match (format, &args.trace) {
        (Format::Json, _) | (_, Some(_)) if !args.final_only => ScoreChoice::All,
        (Format::Json, _) | (_, Some(_)) => ScoreChoice::Final,
        _ if io::stderr().is_terminal() => ScoreChoice::Final,
        _ => ScoreChoice::None,
    });
    let Setup { models, config, prompt, prompt_len } = setup;
    let network = with_bar("loading the model", |report| models.load_network(report)).map_err(Error::input)?;
    let judge = match score {
        ScoreChoice::None => None,
        _ => with_bar("loading the judge", |report| models.load_judge(report)).map_err(Error::input)?,
    };
    // Until here Ctrl-C simply ends the program; from here on, a half-written trace has to be put away first.
    let cancel = interrupt::on_ctrl_c();
    let mut output = Output::open(args, format, &models, prompt, &*network, &config)?;
    let mut writer = Writer { network, judge, score, prompt_len, include_prompt: args.score_prompt, cancel };
    let many = args.samples > 1;
    let bar = progress::bar("sampling", u64::from(args.samples) * config.steps() as u64);
    if many && format != Format::Json {
        bar.tick();
    }
    let mut outcome = Ok(());
    for number in 0..args.samples {
        let config = RunConfig { seed: args.run.seed + u64::from(number), ..config.clone() };
        outcome = writer.run(&models, number + 1, config, &mut output, &|| bar.inc(1));
        if outcome.is_err() {
            break;
        }
    }
    bar.finish_and_clear();
    match outcome {
        Ok(()) => output.finish(),
        Err(error) => {
            output.abandon();
            Err(error)
        }
    }
}

/// Makes frames and their scores.
struct Writer {
    network: Box<dyn Network>,
    judge: Option<Box<dyn Judge>>,
    score: ScoreChoice,
    prompt_len: usize,
    include_prompt: bool,
    cancel: Cancel,
}

impl Writer {
    fn run(
        &mut self,
        models: &Models,
        number: u32,
        config: RunConfig,
        output: &mut Output<'_>,
        tick: &dyn Fn(),
    ) -> Result<(), Error> {
        let mut sampler = Sampler::new(&models.network.spec, config.clone()).map_err(Error::input)?;
        output.start(RunMeta::new(number, config, Arc::clone(&output.model)))?;
        let want = if output.detail { Want::Detail } else { Want::Ids };
        let mut frame = sampler.noise();
        loop {
            let last = sampler.is_done();
            let score = self.scored(&frame, last)?;
            output.frame(number, frame, score, last)?;
            if last {
                return output.end();
            }
            frame = sampler.step(&mut *self.network, want, &self.cancel).map_err(|error| match error {
                FlowError::Model(error) => Error::model(&error),
                other => Error::run(other),
            })?;
            tick();
        }
    }

    fn scored(&mut self, frame: &Frame, last: bool) -> Result<Option<Score>, Error> {
        let wanted = match self.score {
            ScoreChoice::All => true,
            ScoreChoice::Final => last,
            ScoreChoice::None => false,
        };
        let Some(judge) = self.judge.as_mut().filter(|_| wanted) else { return Ok(None) };
        let nll = match judge.nll(&frame.ids, &self.cancel) {
            Ok(nll) => nll,
            // A judge shorter than the run leaves perplexity unknown; the run itself is fine.
            Err(ModelError::Request(_)) => return Ok(None),
            Err(error) => return Err(Error::model(&error)),
        };
        let perplexity = metrics::perplexity(&nll, self.prompt_len, self.include_prompt);
        Ok(Some(Score { perplexity, nll: Some(nll.into()) }))
    }
}

/// Where frames go.
struct Output<'a> {
    format: Format,
    models: &'a Models,
    model: Arc<ModelMeta>,
    final_only: bool,
    detail: bool,
    many: bool,
    lines: Option<TraceWriter<BufWriter<StdoutLock<'static>>>>,
    file: Option<TraceFile>,
    timeline: Option<Timeline>,
    meta: Option<RunMeta>,
}

impl<'a> Output<'a> {
    fn open(
        args: &SampleArgs,
        format: Format,
        models: &'a Models,
        prompt: String,
        network: &dyn Network,
        config: &RunConfig,
    ) -> Result<Self, Error> {
        let traced = format == Format::Json || args.trace.is_some();
        let mut model = ModelMeta::from(&models.network.spec);
        if traced {
            models.network.hash().map_err(Error::input)?.clone_into(&mut model.hash);
        }
        let model = Arc::new(model);
        let header = Header {
            tool: concat!("fewstep ", env!("CARGO_PKG_VERSION")).to_owned(),
            model: Arc::clone(&model),
            judge: models.judge.as_ref().map(|judge| judge.spec.name.clone()),
            precision: network.precision(),
            prompt,
            tokens: config.tokens,
        };
        let file = match &args.trace {
            None => None,
            Some(path) => {
                let options = WriteOptions::FILE.with_detail(args.detail);
                Some(
                    TraceFile::create(path, args.force, &header, Arc::clone(&models.vocab), options)
                        .map_err(Error::input)?,
                )
            }
        };
        let lines = if format == Format::Json {
            let out = BufWriter::new(io::stdout().lock());
            let options = WriteOptions::STREAM.with_detail(args.detail);
            Some(TraceWriter::new(out, &header, Arc::clone(&models.vocab), options).map_err(|error| stdout(&error))?)
        } else {
            None
        };
        Ok(Self {
            format,
            models,
            model,
            final_only: args.final_only,
            detail: args.detail && traced,
            many: args.samples > 1,
            lines,
            file,
            timeline: None,
            meta: None,
        })
    }

    fn start(&mut self, meta: RunMeta) -> Result<(), Error> {
        if let Some(lines) = &mut self.lines {
            lines.run(&meta).map_err(|error| stdout(&error))?;
        }
        if let Some(file) = &mut self.file {
            file.writer().run(&meta).map_err(|error| Error::output("the trace", &error))?;
        }
        self.timeline = None;
        self.meta = Some(meta);
        Ok(())
    }

    fn frame(&mut self, run: u32, frame: Frame, score: Option<Score>, last: bool) -> Result<(), Error> {
        if last || !self.final_only {
            if let Some(lines) = &mut self.lines {
                lines.frame(run, &frame, score.as_ref()).map_err(|error| stdout(&error))?;
            }
            if let Some(file) = &mut self.file {
                file.writer().frame(run, &frame, score.as_ref()).map_err(|error| Error::output("the trace", &error))?;
            }
        }
        if self.format == Format::Json {
            return Ok(());
        }
        let step = frame.step;
        match (&mut self.timeline, self.meta.take()) {
            (Some(timeline), _) => timeline.push(Frame { detail: None, ..frame }).map_err(Error::run)?,
            (empty, Some(meta)) => *empty = Some(Timeline::new(meta, frame).map_err(Error::run)?),
            (None, None) => {}
        }
        if let (Some(timeline), Some(score)) = (&mut self.timeline, score) {
            timeline.set_score(step, score);
        }
        Ok(())
    }

    /// Prints a finished run, where it was not printed line by line.
    fn end(&mut self) -> Result<(), Error> {
        let Some(timeline) = &self.timeline else { return Ok(()) };
        let vocab = &self.models.vocab;
        let step = timeline.newest();
        let mut text = String::new();
        if self.many {
            text = format!("== seed {} ==\n", timeline.meta().config.seed);
        }
        if self.format == Format::Ansi {
            let (width, depth) = (term::caps::columns(), term::caps::depth());
            let theme = Theme::dark(depth);
            let figure = Figure { vocab, timeline, theme: &theme, width };
            text.push_str(&ansi::lines(&figure.bare(step)));
        } else {
            text.push_str(plain(vocab, &timeline.ids(step)).trim_end_matches('\n'));
            text.push('\n');
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| stdout(&error))?;
        if io::stderr().is_terminal() {
            // Only a courtesy: a closed standard error must not fail the run.
            let _ = writeln!(io::stderr(), "{}", safe(&summary(timeline)));
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Error> {
        self.file.map_or(Ok(()), TraceFile::finish).map_err(Error::run)
    }

    fn abandon(self) {
        if let Some(file) = self.file {
            file.abandon();
        }
    }
}

fn summary(timeline: &Timeline) -> String {
    let steps = timeline.steps();
    let mut parts = vec![
        format!("{steps} {}", if steps == 1 { "step" } else { "steps" }),
        format!("{} tokens", timeline.tokens()),
        format!("{:.0} ms a step", timeline.mean_ms().unwrap_or_default()),
        format!("entropy {:.2} bits", timeline.entropy(timeline.newest())),
    ];
    if let Some(perplexity) = timeline.perplexity(timeline.newest()) {
        parts.push(format!("perplexity {perplexity:.1}"));
    }
    parts.join(" · ")
}

fn stdout(error: &io::Error) -> Error {
    Error::output("standard output", error)
}
