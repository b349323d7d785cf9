//! Weight files: where a model lives, what is in it, and its tensors.
//!
//! Two kinds of place hold a network:
//!
//! * a **folder** with `config.json`, `tokenizer.json` and `model.safetensors` ([`folder`]); matrices are f32, f16,
//!   bf16 or int8 with a scale an output channel. A judge is always such a folder, in the Hugging Face GPT-2 layout
//!   ([`gpt2`]), sharded or not.
//! * a **`.pth`** file as PyTorch's `torch.save` wrote it ([`pth`]), with one or more networks beside optimizer
//!   states that are never read. Its pickle is interpreted by a reader that can build nothing but numbers, strings
//!   and containers ([`pickle`]), so a hostile file has nothing to run.
//!
//! Opening reads headers only and refuses what does not fit before anything large is allocated: sizes come from
//! `config.json` or from tensor shapes, every tensor the network needs must exist with its exact shape, and all bytes
//! must lie inside the file. Values are then read tensor by tensor into the caller's buffers; files are read, not
//! mapped, so a file that shrinks meanwhile is an error and not a crash. `docs/model-format.md` describes the formats.

pub mod config;
pub mod decode;
pub mod folder;
pub mod gpt2;
pub mod hash;
pub mod infer;
pub mod layout;
pub mod pickle;
pub mod pth;
pub mod store;
pub mod tokenizer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::{JudgeSpec, ModelError, ModelSpec, Source, bundled};
pub use decode::{Dtype, Matrix};
pub use tokenizer::{Tokenizer, TokenizerFiles};

/// Receives how much of a load is done, from 0 to 1.
pub type Progress<'a> = &'a dyn Fn(f32);

/// The named tensors of one network, whatever file they came from.
///
/// Names are the checkpoint's without prefixes: `blocks.0.qw.weight`, and `h.0.attn.c_attn.weight` for a judge.
/// Matrices are row-major `(out, in)` for every reader, whatever the file has.
pub trait Tensors: Send + Sync {
    /// The file or folder the tensors come from, for messages.
    fn path(&self) -> &Path;

    /// All names, in no particular order.
    fn names(&self) -> Vec<String>;

    /// Shape of a tensor, if there is one of this name.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;

    /// How a tensor's values are stored, if there is one of this name.
    fn dtype(&self, name: &str) -> Option<Dtype>;

    /// Streams the stored bytes of a tensor: little-endian, row-major, in chunks of whole values.
    fn read(&self, name: &str, sink: &mut dyn FnMut(&[u8])) -> Result<(), ModelError>;

    /// Reads a vector of `len` values as f32.
    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        decode::floats(self, name, &[len])
    }

    /// Reads a matrix; `name` is the tensor's full name, such as `blocks.0.qw.weight`. An int8 matrix comes with the
    /// scales of its rows, from `blocks.0.qw.scale`.
    fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix, ModelError> {
        decode::matrix(self, name, rows, cols)
    }

    /// An error about this place.
    fn error(&self, problem: String, fix: &str) -> ModelError {
        ModelError::File { path: self.path().to_owned(), problem, fix: fix.to_owned() }
    }
}

/// Where a model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelPlace {
    /// Compiled into this binary.
    Bundled,
    /// A folder or a `.pth` file.
    Path(PathBuf),
}

/// One of the networks in a `.pth` file, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Entry {
    /// The student's moving average: the best one where it exists.
    StudentEmaModel,
    /// The student as last trained.
    StudentModel,
    /// The plain network the student learned from.
    TeacherModel,
    /// The plain network of a pre-training checkpoint.
    Model,
}

impl Entry {
    /// All entries, the one to prefer first.
    pub const BEST_FIRST: [Self; 4] = [Self::StudentEmaModel, Self::StudentModel, Self::TeacherModel, Self::Model];

    /// The key in the file.
    pub fn key(self) -> &'static str {
        match self {
            Self::StudentEmaModel => "student_ema_model",
            Self::StudentModel => "student_model",
            Self::TeacherModel => "teacher_model",
            Self::Model => "model",
        }
    }
}

/// What the user says about a model beyond its place; everything is optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenOptions {
    /// Which network of a `.pth` file; the best one there by default.
    pub entry: Option<Entry>,
    /// A `tokenizer.json`, or a folder with one or with GPT-2's `vocab.json` and `merges.txt`, instead of what lies
    /// beside the weights.
    pub tokenizer: Option<PathBuf>,
    /// Source of a `.pth` file, where the tokenizer does not tell.
    pub source: Option<Source>,
    /// Training length of a `.pth` file, 1024 by default.
    pub length: Option<usize>,
    /// Schedule exponent of a `.pth` file, 1 by default.
    pub exponent: Option<f64>,
}

/// A network that passed every check short of reading its values.
pub struct Checkpoint {
    /// Sizes and conventions.
    pub spec: ModelSpec,
    /// Its tensors.
    pub tensors: Arc<dyn Tensors>,
    /// Its tokenizer, where one was given or found.
    pub tokenizer: Option<Tokenizer>,
    hash: OnceLock<String>,
}

/// A judge that passed every check short of reading its values.
pub struct JudgeCheckpoint {
    /// Sizes.
    pub spec: JudgeSpec,
    /// Its tensors, named without the `transformer.` prefix, Conv1D matrices already `(out, in)`.
    pub tensors: Arc<dyn Tensors>,
    /// The tokenizer in its folder, if there is one.
    pub tokenizer: Option<Tokenizer>,
}

impl Checkpoint {
    /// A network whose tensors are known to fit `spec`.
    pub fn new(spec: ModelSpec, tensors: Arc<dyn Tensors>, tokenizer: Option<Tokenizer>) -> Self {
        Self { spec, tensors, tokenizer, hash: OnceLock::new() }
    }

    /// Hex digest of the tensors' content ([`hash`]); reads all of them on the first call, then remembers.
    pub fn hash(&self) -> Result<&str, ModelError> {
        hash::cached(&self.hash, &*self.tensors)
    }

    /// The tokenizer, for everything that shows text.
    pub fn require_tokenizer(&self) -> Result<&Tokenizer, ModelError> {
        self.tokenizer.as_ref().ok_or_else(|| {
            self.tensors.error(
                "has no tokenizer beside it".to_owned(),
                "name one with --tokenizer PATH, or put tokenizer.json (or GPT-2's vocab.json and merges.txt) there",
            )
        })
    }
}

impl JudgeCheckpoint {
    /// A judge whose tensors are known to fit `spec`.
    pub fn new(spec: JudgeSpec, tensors: Arc<dyn Tensors>, tokenizer: Option<Tokenizer>) -> Self {
        Self { spec, tensors, tokenizer }
    }

    /// The tensor that turns hidden states into logits: the embedding, unless the file has a head of its own.
    pub fn head(&self) -> &'static str {
        if self.tensors.shape(SEPARATE_HEAD).is_some() { SEPARATE_HEAD } else { "wte.weight" }
    }

    /// Refuses a judge that reads ids differently than `model` writes them: it scores the raw ids.
    pub fn check_fits(&self, model: &Checkpoint) -> Result<(), ModelError> {
        let fix = "give a judge with the model's tokenizer (--judge PATH), or none (--judge none)";
        if self.spec.vocab < model.spec.vocab {
            let problem = format!(
                "this judge knows {} ids, the model {} writes {}",
                self.spec.vocab, model.spec.name, model.spec.vocab
            );
            return Err(self.tensors.error(problem, fix));
        }
        match (&self.tokenizer, &model.tokenizer) {
            (Some(own), Some(other)) if !own.same_entries(other) => Err(self
                .tensors
                .error(format!("this judge has another tokenizer than the model {}", model.spec.name), fix)),
            _ => Ok(()),
        }
    }
}

const SEPARATE_HEAD: &str = "lm_head.weight";

/// Opens a network: reads and checks headers, not values.
pub fn open_model(place: &ModelPlace, options: &OpenOptions) -> Result<Checkpoint, ModelError> {
    let given = options.tokenizer.as_deref().map(Tokenizer::open).transpose()?;
    let (mut spec, tensors, tokenizer): (_, Arc<dyn Tensors>, _) = match place {
        ModelPlace::Bundled => {
            let files = bundled::model()?;
            let path = PathBuf::from(files.name);
            let spec = config::model(&path.join("config.json"), files.config, "built-in")?;
            let own = Tokenizer::from_json(path.join("tokenizer.json"), files.tokenizer.into())?;
            let tensors = folder::Folder::from_static(path, files.weights)?;
            (spec, Arc::new(tensors), Some(given.unwrap_or(own)))
        }
        ModelPlace::Path(path) if path.is_file() && !is_safetensors(path) => {
            let tensors = pth::Pth::open(path, options.entry)?;
            let beside = path.parent().filter(|p| !p.as_os_str().is_empty());
            let tokenizer = match given {
                None => Tokenizer::beside(beside.unwrap_or(Path::new(".")))?,
                given => given,
            };
            let vocab = tokenizer.as_ref().map(|t| t.size);
            let spec = infer::model(&tensors, stem(path), vocab, options)?;
            (spec, Arc::new(tensors), tokenizer)
        }
        ModelPlace::Path(path) => {
            let path = folder_of(path)?;
            let spec = config::model(&path.join("config.json"), &config::read(path)?, &stem(path))?;
            let tokenizer = match given {
                None => Tokenizer::beside(path)?,
                given => given,
            };
            (spec, Arc::new(folder::Folder::open(path)?), tokenizer)
        }
    };
    if options.entry.is_some() && !matches!(place, ModelPlace::Path(path) if path.is_file()) {
        return Err(tensors.error(
            "is a folder, which holds one network".to_owned(),
            "leave out --entry, which chooses among those of a .pth file",
        ));
    }
    config::check_model(tensors.path(), &spec)?;
    layout::check_blocks(&*tensors, "blocks.", spec.blocks)?;
    let rotary = (layout::ROTARY.to_owned(), vec![spec.head_dim() / 2]);
    layout::check(&*tensors, &layout::model(&spec), &[rotary])?;
    if let Some(tokenizer) = &tokenizer {
        tokenizer.check(&spec)?;
        spec.eos = spec.eos.or(tokenizer.eos);
    }
    Ok(Checkpoint { spec, tensors, tokenizer, hash: OnceLock::new() })
}

/// Opens a judge: reads and checks headers, not values.
pub fn open_judge(place: &ModelPlace) -> Result<JudgeCheckpoint, ModelError> {
    let (spec, tensors, tokenizer) = match place {
        ModelPlace::Bundled => {
            let files = bundled::judge()?;
            let path = PathBuf::from(files.name);
            let spec = config::judge(&path.join("config.json"), files.config, "built-in")?;
            let tokenizer = Tokenizer::from_json(path.join("tokenizer.json"), files.tokenizer.into())?;
            (spec, folder::Folder::from_static(path, files.weights)?, Some(tokenizer))
        }
        ModelPlace::Path(path) => {
            let path = folder_of(path)?;
            let spec = config::judge(&path.join("config.json"), &config::read(path)?, &stem(path))?;
            (spec, folder::Folder::open(path)?, Tokenizer::beside(path)?)
        }
    };
    let tensors = gpt2::Gpt2Tensors::new(tensors);
    layout::check_blocks(&tensors, "h.", spec.blocks)?;
    let head = (SEPARATE_HEAD.to_owned(), vec![spec.vocab, spec.hidden]);
    layout::check(&tensors, &layout::judge(&spec), &[head])?;
    Ok(JudgeCheckpoint { spec, tensors: Arc::new(tensors), tokenizer })
}

fn is_safetensors(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "safetensors")
}

/// The folder meant by a path: itself, or the one around a `model.safetensors` named directly.
fn folder_of(path: &Path) -> Result<&Path, ModelError> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(path),
        Ok(meta) if meta.is_file() && is_safetensors(path) => {
            Ok(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))
        }
        Ok(_) => Err(store::refuse(
            path,
            "is neither a folder nor a weight file",
            "give a folder with config.json and model.safetensors, or a .pth file",
        )),
        Err(e) => Err(store::unreadable(path, &e)),
    }
}

/// The last part of a path without its extension, as a name for what is in it.
fn stem(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = if path.is_dir() { absolute.file_name() } else { absolute.file_stem() };
    name.unwrap_or(absolute.as_os_str()).to_string_lossy().into_owned()
}
