//! From arguments to a run: models opened, prompt encoded, everything checked before anything starts.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use crate::cli::{ModelArgs, RunArgs};
use crate::engine::{JudgeLoader, NetworkLoader, Parts, Progress};
use crate::error::Error;
use crate::flow::{RunConfig, Sampler, grid};
use crate::model::weights::TokenizerFiles;
use crate::model::{
    self, Checkpoint, Judge, JudgeCheckpoint, ModelPlace, Network, Place, Precision, bundled, open_judge, open_model,
};
use crate::run::infill;
use crate::text::Vocab;

/// Budget of a run where nobody asked for another: the paper's.
const DEFAULT_STEPS: usize = 8;

/// Length of a run where nobody asked for another.
const DEFAULT_TOKENS: usize = 256;

/// Longest prompt or infill text read, in bytes: far beyond any model's length.
const LONGEST_TEXT: u64 = 1 << 20;

/// Models that are open: headers read and checked, weights not yet read.
#[derive(Clone)]
pub struct Models {
    /// The network's checkpoint.
    pub network: Arc<Checkpoint>,
    /// The judge's, if there is one.
    pub judge: Option<Arc<JudgeCheckpoint>>,
    /// The tokens.
    pub vocab: Arc<Vocab>,
    /// The arithmetic asked for.
    pub precision: Precision,
    /// Where they compute.
    pub place: Place,
    /// Threads that compute.
    pub threads: usize,
}

/// A run that is ready to start.
pub struct Setup {
    /// Its models.
    pub models: Models,
    /// What determines it.
    pub config: RunConfig,
    /// The prompt's text, empty without one.
    pub prompt: String,
    /// Tokens of the prompt.
    pub prompt_len: usize,
}

impl Models {
    /// Opens the models that `args` name.
    pub fn open(args: &ModelArgs) -> Result<Self, Error> {
        let network = open_network(args)?;
        let vocab = Arc::new(vocabulary(&network)?);
        let judge = find_judge(args, &network)?;
        let threads = set_threads(args.threads)?;
        let (precision, place) = (args.precision, args.device);
        Ok(Self { network: Arc::new(network), judge: judge.map(Arc::new), vocab, precision, place, threads })
    }

    /// Reads the network's weights.
    pub fn load_network(&self, progress: Progress<'_>) -> Result<Box<dyn Network>, model::ModelError> {
        model::network(&self.network, self.precision, self.place, self.threads, progress)
    }

    /// Reads the judge's weights, if there is one.
    pub fn load_judge(&self, progress: Progress<'_>) -> Result<Option<Box<dyn Judge>>, model::ModelError> {
        let load =
            |judge: &Arc<JudgeCheckpoint>| model::judge(judge, self.precision, self.place, self.threads, progress);
        self.judge.as_ref().map(load).transpose()
    }

    /// What an engine needs; it reads the weights on its own threads.
    pub fn parts(&self) -> Parts {
        let (precision, place, threads) = (self.precision, self.place, self.threads);
        let network = Arc::clone(&self.network);
        let load: NetworkLoader =
            Box::new(move |progress| model::network(&network, precision, place, threads, progress));
        let judge = self.judge.clone().map(|judge| -> JudgeLoader {
            Box::new(move |progress| model::judge(&judge, precision, place, threads, progress))
        });
        Parts { spec: self.network.spec.clone(), network: load, judge }
    }
}

impl Setup {
    /// Opens models and checks the run that `args` ask for.
    pub fn prepare(args: &RunArgs) -> Result<Self, Error> {
        let models = Models::open(&args.model)?;
        let spec = &models.network.spec;
        let steps = args.steps.map_or(DEFAULT_STEPS, |steps| steps as usize);
        let tokens = args.tokens.unwrap_or(DEFAULT_TOKENS.min(spec.length));
        let mut config = RunConfig::new(args.seed, tokens, 1);
        config.grid = match &args.grid {
            Some(grid) => {
                let grid = grid::from_flag(grid, steps).map_err(Error::input)?;
                if let Some(steps) = args.steps.filter(|&steps| steps as usize + 1 != grid.len()) {
                    return Err(Error::input(format!(
                        "--steps {steps}: --grid gives the times of {} steps; leave one of them out",
                        grid.len() - 1
                    )));
                }
                grid
            }
            None => grid::Preset::Uniform.grid(steps).map_err(Error::input)?,
        };
        config.solver = args.solver;
        config.exponent = args.exponent.unwrap_or(spec.exponent);
        config.temperature = args.temperature;
        config.top_p = args.top_p;
        config.eta = args.eta;
        config.controlled_unmasking = args.controlled_unmasking;
        config.unmask_change = args.unmask_change;
        config.only_masked = args.only_masked;

        let mut prompt = String::new();
        if let Some(text) = &args.prompt {
            prompt = if text == "-" { read_text("standard input", io::stdin())? } else { text.clone() };
            let ids = encode(&models.vocab, &prompt).map_err(|error| Error::input(format!("--prompt: {error}")))?;
            if ids.len() > tokens {
                let longest = spec.length;
                let raise =
                    if tokens < longest { format!(", or raise --tokens (at most {longest})") } else { String::new() };
                return Err(Error::input(format!(
                    "--prompt: {} tokens, more than the length of {tokens}; shorten it{raise}",
                    ids.len()
                )));
            }
            config.frozen = (0..).zip(ids).collect();
        } else if let Some(path) = &args.infill {
            let problem = |error: String| Error::input(format!("{}: {error}", path.display()));
            let file = File::open(path).map_err(|error| problem(format!("{error}; check the path")))?;
            let text = read_text(&path.display().to_string(), file)?;
            let segments = infill::parse(&text).map_err(problem)?;
            let default = DEFAULT_TOKENS.min(spec.length);
            let laid = infill::lay_out(&segments, args.tokens, default, |text| encode(&models.vocab, text))
                .map_err(problem)?;
            config.tokens = laid.tokens;
            config.frozen = laid.frozen;
        }
        Sampler::new(spec, config.clone()).map_err(Error::input)?;
        let prompt_len = config.prompt_len();
        Ok(Self { models, config, prompt, prompt_len })
    }
}

/// Opens the network that `args` name.
pub fn open_network(args: &ModelArgs) -> Result<Checkpoint, Error> {
    open_model(&args.place(), &args.options()).map_err(Error::input)
}

/// Sets up the threads that compute: one a core, or as many as asked for.
pub fn set_threads(asked: Option<u16>) -> Result<usize, Error> {
    let threads = asked.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|error| Error::input(format!("--threads {threads}: {error}")))?;
    Ok(threads)
}

fn vocabulary(network: &Checkpoint) -> Result<Vocab, Error> {
    let tokenizer = network.require_tokenizer().map_err(Error::input)?;
    let vocab = match &tokenizer.files {
        TokenizerFiles::Json(path, bytes) => Vocab::from_tokenizer(bytes.clone(), path),
        TokenizerFiles::Gpt2(folder) => Vocab::open(folder),
    };
    let mut vocab = vocab.map_err(Error::input)?;
    vocab.set_mask(network.spec.mask_id());
    vocab.set_eos(network.spec.eos);
    Ok(vocab)
}

// The bundled judge serves every model with its vocabulary, and nobody has to ask for it.
fn find_judge(args: &ModelArgs, network: &Checkpoint) -> Result<Option<JudgeCheckpoint>, Error> {
    match &args.judge {
        Some(path) if path.as_os_str() == "none" => Ok(None),
        Some(path) => {
            let judge = open_judge(&ModelPlace::Path(path.clone())).map_err(Error::input)?;
            judge.check_fits(network).map_err(Error::input)?;
            Ok(Some(judge))
        }
        None if bundled::judge().is_err() => Ok(None),
        None => {
            let judge = open_judge(&ModelPlace::Bundled).map_err(Error::input)?;
            Ok(judge.check_fits(network).is_ok().then_some(judge))
        }
    }
}

fn encode(vocab: &Vocab, text: &str) -> Result<Vec<u32>, String> {
    vocab.encode(text).map_err(|error| error.to_string())
}

/// Reads a text of bounded size.
fn read_text(name: &str, source: impl Read) -> Result<String, Error> {
    let mut bytes = Vec::new();
    source.take(LONGEST_TEXT + 1).read_to_end(&mut bytes).map_err(|error| Error::input(format!("{name}: {error}")))?;
    if bytes.len() as u64 > LONGEST_TEXT {
        return Err(Error::input(format!("{name}: longer than {LONGEST_TEXT} bytes, far more than a model's length")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::input(format!("{name}: byte {at} is not UTF-8 text; save it as UTF-8"))
    })
}
