//! From arguments to a run: models opened, prompt encoded, everything checked before anything starts.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::cli::{ModelArgs, RunArgs};
use crate::engine::{JudgeLoader, NetworkLoader, Parts};
use crate::error::Error;
use crate::flow::config::uniform_grid;
use crate::flow::{RunConfig, Sampler, grid};
use crate::model::{self, Checkpoint, JudgeCheckpoint, ModelPlace, Precision};
use crate::run::infill;
use crate::text::{Vocab, safe};

/// Length of a run where nobody asked for another.
const DEFAULT_TOKENS: usize = 256;

/// Longest prompt or infill text read, in bytes: far beyond any model's length.
const LONGEST_TEXT: u64 = 1 << 20;

/// Models that are open (headers read, weights not yet).
pub struct Models {
    /// The network's checkpoint.
    pub network: Checkpoint,
    /// The judge's, if there is one.
    pub judge: Option<JudgeCheckpoint>,
    /// Why there is no judge, where the user did not say so.
    pub no_judge: Option<String>,
    /// The tokens.
    pub vocab: Arc<Vocab>,
    precision: Precision,
    threads: usize,
}

/// A run that is ready to start.
pub struct Setup {
    /// Its models.
    pub models: Models,
    /// What determines it.
    pub config: RunConfig,
    /// Tokens of the prompt.
    pub prompt_len: usize,
    /// The prompt's text.
    pub prompt: String,
}

impl Models {
    /// Opens the models that `args` name.
    pub fn open(args: &ModelArgs) -> Result<Self, Error> {
        let threads = set_threads(args.threads)?;
        let place = args.model.clone().map_or(ModelPlace::Bundled, ModelPlace::Path);
        let network = model::open_model(&place, args.entry, args.tokenizer.as_deref()).map_err(Error::input)?;
        let vocab = Arc::new(network.vocab().map_err(Error::input)?);
        let (judge, no_judge) = open_judge(args, &place, &network)?;
        Ok(Self { network, judge, no_judge, vocab, precision: args.precision, threads })
    }

    /// What an engine needs; weights are read on its threads.
    pub fn parts(&self) -> Parts {
        let (precision, threads) = (self.precision, self.threads);
        let network = self.network.clone();
        let judge = self.judge.clone();
        Parts {
            spec: self.network.spec.clone(),
            network: Box::new(move |progress| model::network(&network, precision, threads, progress)) as NetworkLoader,
            judge: judge.map(|judge| {
                Box::new(move |progress: &dyn Fn(f32)| model::judge(&judge, precision, threads, progress)) as JudgeLoader
            }),
        }
    }
}

fn open_judge(
    args: &ModelArgs,
    place: &ModelPlace,
    network: &Checkpoint,
) -> Result<(Option<JudgeCheckpoint>, Option<String>), Error> {
    let named = match &args.judge {
        Some(path) if path.as_os_str() == "none" => return Ok((None, None)),
        Some(path) => Some(ModelPlace::Path(path.clone())),
        None => None,
    };
    match named {
        Some(place) => {
            let judge = model::open_judge(&place).map_err(Error::input)?;
            if judge.spec.vocab < network.spec.vocab {
                return Err(Error::input(format!(
                    "{}: the judge knows {} tokens and the model writes {}; use a judge with the model's tokenizer, or --judge none",
                    place, judge.spec.vocab, network.spec.vocab
                )));
            }
            Ok((Some(judge), None))
        }
        None if !ModelPlace::bundled() => Ok((None, Some("no judge; name one with --judge".into()))),
        None => {
            let judge = model::open_judge(&ModelPlace::Bundled).map_err(Error::input)?;
            let same = matches!(place, ModelPlace::Bundled)
                || judge.tokenizer_hash().is_some_and(|hash| network.tokenizer_hash() == Some(hash));
            if same {
                Ok((Some(judge), None))
            } else {
                Ok((None, Some("the bundled judge has another vocabulary; name one with --judge".into())))
            }
        }
    }
}
