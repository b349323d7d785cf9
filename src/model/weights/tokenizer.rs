//! The tokenizer that belongs to a network: where it is, and what has to be known of it before text is made.
//!
//! Turning ids into text is the business of [`crate::text`]; here the table of entries is only counted and compared.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::store::{read_small, refuse};
use crate::model::{ModelError, ModelSpec};

const LIMIT: u64 = 64 << 20;
const JSON: &str = "tokenizer.json";
const VOCAB: &str = "vocab.json";
const MERGES: &str = "merges.txt";
const END_OF_TEXT: &str = "<|endoftext|>";

/// A tokenizer's files.
#[derive(Clone, Debug)]
pub enum TokenizerFiles {
    /// A `tokenizer.json`: its place and content.
    Json(PathBuf, Cow<'static, [u8]>),
    /// A folder with GPT-2's `vocab.json` and `merges.txt`.
    Gpt2(PathBuf),
}

/// A tokenizer found for a network.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    /// The files to make a [`crate::text`] vocabulary of.
    pub files: TokenizerFiles,
    /// One more than the highest id.
    pub size: usize,
    /// The id of `<|endoftext|>`.
    pub eos: Option<u32>,
    fingerprint: u64,
}

#[derive(Deserialize)]
struct File {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, u32>,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
}

impl Tokenizer {
    /// Looks for a tokenizer in the folder `beside`; none there is not an error yet.
    pub fn beside(beside: &Path) -> Result<Option<Self>, ModelError> {
        if beside.join(JSON).exists() {
            return Self::open(&beside.join(JSON)).map(Some);
        }
        if beside.join(VOCAB).exists() && beside.join(MERGES).exists() {
            return Self::open(beside).map(Some);
        }
        Ok(None)
    }

    /// Opens what the user named: a `tokenizer.json`, a `vocab.json` with its `merges.txt`, or a folder of either.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        if path.is_dir() && path.join(JSON).exists() {
            return Self::open(&path.join(JSON));
        }
        if path.is_dir() || path.file_name().is_some_and(|name| name == VOCAB) {
            let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
            let bytes = read_small(&folder.join(VOCAB), LIMIT)?;
            let vocab = parse(&folder.join(VOCAB), &bytes)?;
            if !folder.join(MERGES).is_file() {
                return Err(refuse(&folder.join(MERGES), "not found", "it belongs beside vocab.json"));
            }
            return Ok(Self::of(TokenizerFiles::Gpt2(folder.to_owned()), vocab));
        }
        Self::from_json(path.to_owned(), read_small(path, LIMIT)?.into())
    }

    /// A `tokenizer.json` already in memory.
    pub fn from_json(path: PathBuf, bytes: Cow<'static, [u8]>) -> Result<Self, ModelError> {
        let file: File = parse(&path, &bytes)?;
        let mut vocab = file.model.vocab;
        vocab.extend(file.added_tokens.into_iter().map(|t| (t.content, t.id)));
        Ok(Self::of(TokenizerFiles::Json(path, bytes), vocab))
    }

    fn of(files: TokenizerFiles, vocab: HashMap<String, u32>) -> Self {
        let eos = vocab.get(END_OF_TEXT).copied();
        let mut entries: Vec<(u32, String)> = vocab.into_iter().map(|(text, id)| (id, text)).collect();
        entries.sort_unstable();
        let mut hasher = DefaultHasher::new();
        entries.hash(&mut hasher);
        Self { files, size: entries.last().map_or(0, |(id, _)| *id as usize + 1), eos, fingerprint: hasher.finish() }
    }

    /// The file, for messages.
    pub fn path(&self) -> &Path {
        match &self.files {
            TokenizerFiles::Json(path, _) | TokenizerFiles::Gpt2(path) => path,
        }
    }

    /// Whether two tokenizers give the same ids the same meaning.
    pub fn same_entries(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    /// Refuses a tokenizer made for another network. A mask source's may or may not name the mask.
    pub fn check(&self, spec: &ModelSpec) -> Result<(), ModelError> {
        if self.size == spec.vocab || self.size == spec.rows() {
            return Ok(());
        }
        Err(refuse(
            self.path(),
            &format!("has {} entries, the model {} has {}", self.size, spec.name, spec.vocab),
            "use the tokenizer the model was trained with (--tokenizer PATH)",
        ))
    }
}

fn parse<'a, T: Deserialize<'a>>(path: &Path, bytes: &'a [u8]) -> Result<T, ModelError> {
    serde_json::from_slice(bytes).map_err(|e| {
        refuse(
            path,
            &format!("is not a byte-level BPE tokenizer ({e})"),
            "use the tokenizer the model was trained with (--tokenizer PATH)",
        )
    })
}
