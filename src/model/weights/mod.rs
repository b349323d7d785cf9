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
pub mod store;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::{JudgeSpec, ModelError, ModelSpec, Source};
pub use decode::{Dtype, Matrix};

/// Receives how much of a load is done, from 0 to 1. May be called from several threads.
pub type Progress<'a> = &'a (dyn Fn(f32) + Sync);

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
        ModelError::File {
            path: self.path().to_owned(),
            problem,
            fix: fix.to_owned(),
        }
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
    hash: OnceLock<String>,
}

/// A judge that passed every check short of reading its values.
pub struct JudgeCheckpoint {
    /// Sizes.
    pub spec: JudgeSpec,
    /// Its tensors, named without the `transformer.` prefix, Conv1D matrices already `(out, in)`.
    pub tensors: Arc<dyn Tensors>,
    hash: OnceLock<String>,
}

impl Checkpoint {
    /// Hex digest of the tensors' content ([`hash`]); reads all of them on the first call, then remembers.
    pub fn hash(&self) -> Result<&str, ModelError> {
        hash::cached(&self.hash, &*self.tensors)
    }
}

impl JudgeCheckpoint {
    /// Hex digest of the tensors' content ([`hash`]); reads all of them on the first call, then remembers.
    pub fn hash(&self) -> Result<&str, ModelError> {
        hash::cached(&self.hash, &*self.tensors)
    }
}

/// Opens a network: reads headers, not values.
pub fn open_model(place: &ModelPlace, options: &OpenOptions) -> Result<Checkpoint, ModelError> {
    let ModelPlace::Path(path) = place else {
        return Err(not_bundled());
    };
    let _ = options;
    let spec = config::model(&path.join("config.json"), &config::read(path)?, &folder_name(path))?;
    let tensors = folder::Folder::open(path)?;
    Ok(Checkpoint {
        spec,
        tensors: Arc::new(tensors),
        hash: OnceLock::new(),
    })
}

/// Opens a judge: reads headers, not values.
pub fn open_judge(place: &ModelPlace) -> Result<JudgeCheckpoint, ModelError> {
    let ModelPlace::Path(path) = place else {
        return Err(not_bundled());
    };
    let spec = config::judge(&path.join("config.json"), &config::read(path)?, &folder_name(path))?;
    let tensors = gpt2::Gpt2Tensors::new(folder::Folder::open(path)?);
    Ok(JudgeCheckpoint {
        spec,
        tensors: Arc::new(tensors),
        hash: OnceLock::new(),
    })
}

/// The last part of a folder's path, as a name for what is in it.
fn folder_name(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = absolute.file_name().unwrap_or(absolute.as_os_str());
    name.to_string_lossy().into_owned()
}

fn not_bundled() -> ModelError {
    ModelError::Request(
        "this build carries no model; give one with --model, or build with the bundled-model feature".to_owned(),
    )
}
