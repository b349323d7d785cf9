//! Tensors of a folder: `model.safetensors`, or the shards that `model.safetensors.index.json` lists.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

use safetensors::tensor::{Dtype as FileDtype, Metadata};

use super::store::{Store, read_small, refuse, unreadable};
use super::{Dtype, Tensors};
use crate::model::ModelError;

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// No header of a model this program can run is longer.
const HEADER_LIMIT: u64 = 16 << 20;
const DAMAGED: &str = "copy or download it again";

/// The tensors of a folder's safetensors files.
pub struct Folder {
    path: PathBuf,
    files: Vec<(PathBuf, Store)>,
    tensors: HashMap<String, Entry>,
}

struct Entry {
    file: usize,
    offset: u64,
    len: u64,
    shape: Vec<usize>,
    dtype: Dtype,
}

impl Folder {
    /// Reads the headers of a folder's weight files.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let mut folder = Self { path: path.to_owned(), files: Vec::new(), tensors: HashMap::new() };
        let (single, index) = (path.join(WEIGHTS), path.join(INDEX));
        if !single.exists() && index.exists() {
            for name in shards(&index)? {
                folder.add(path.join(name))?;
            }
        } else {
            folder.add(single)?;
        }
        Ok(folder)
    }

    /// The tensors of one safetensors file compiled into the binary.
    pub fn from_static(path: PathBuf, bytes: &'static [u8]) -> Result<Self, ModelError> {
        let mut folder = Self { path: path.clone(), files: Vec::new(), tensors: HashMap::new() };
        folder.add_store(path, Store::Static(bytes))?;
        Ok(folder)
    }

    fn add(&mut self, path: PathBuf) -> Result<(), ModelError> {
        let store = Store::open(&path)?;
        self.add_store(path, store)
    }

    fn add_store(&mut self, path: PathBuf, store: Store) -> Result<(), ModelError> {
        let mut prefix = [0; 8];
        let problem = |e: std::io::Error| unreadable(&path, &e);
        store.read_at(0, &mut prefix).map_err(problem)?;
        let header_len = u64::from_le_bytes(prefix);
        let start = header_len.saturating_add(8);
        if header_len > HEADER_LIMIT || start > store.len() {
            return Err(refuse(&path, "is not a safetensors file, or is cut short", DAMAGED));
        }
        let mut header = vec![0; header_len as usize];
        store.read_at(8, &mut header).map_err(problem)?;
        // Checks that offsets are in order, without gaps or overlaps, and agree with the shapes.
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|e| refuse(&path, &format!("has a bad safetensors header ({e})"), DAMAGED))?;
        if metadata.data_len() as u64 != store.len() - start {
            let problem =
                format!("holds {} bytes of tensors, its header says {}", store.len() - start, metadata.data_len());
            return Err(refuse(&path, &problem, DAMAGED));
        }
        let file = self.files.len();
        for (name, info) in metadata.tensors() {
            let dtype = match info.dtype {
                FileDtype::F32 => Dtype::F32,
                FileDtype::F16 => Dtype::F16,
                FileDtype::BF16 => Dtype::Bf16,
                FileDtype::I8 => Dtype::I8,
                // GPT-2 files carry their causal masks as bytes; nothing reads them.
                FileDtype::U8 | FileDtype::BOOL => continue,
                other => {
                    let problem = format!("tensor {name} is {other}, which is not supported");
                    return Err(refuse(&path, &problem, "store it as F32, F16, BF16 or int8 with scales"));
                }
            };
            let (from, to) = info.data_offsets;
            let entry =
                Entry { file, offset: start + from as u64, len: (to - from) as u64, shape: info.shape.clone(), dtype };
            if self.tensors.insert(name.clone(), entry).is_some() {
                return Err(refuse(&path, &format!("holds tensor {name}, as another shard does"), DAMAGED));
            }
        }
        self.files.push((path, store));
        Ok(())
    }
}

/// The distinct files an index names, in name order.
fn shards(index: &Path) -> Result<Vec<String>, ModelError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let bytes = read_small(index, HEADER_LIMIT)?;
    let parsed: Index =
        serde_json::from_slice(&bytes).map_err(|e| refuse(index, &format!("is not a shard index ({e})"), DAMAGED))?;
    let mut names: Vec<String> = parsed.weight_map.into_values().collect();
    names.sort();
    names.dedup();
    for name in &names {
        // An index must not lead out of its folder.
        let mut parts = Path::new(name).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(refuse(index, &format!("names the shard {name:?}, which is not a plain file name"), DAMAGED));
        }
    }
    Ok(names)
}

impl Tensors for Folder {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.get(name).map(|e| e.shape.clone())
    }

    fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|e| e.dtype)
    }

    fn read(&self, name: &str, sink: &mut dyn FnMut(&[u8])) -> Result<(), ModelError> {
        let entry = self.tensors.get(name).ok_or_else(|| {
            self.error(format!("tensor {name} is missing"), "check that the weights belong to this model")
        })?;
        let (path, store) = &self.files[entry.file];
        store.stream(entry.offset, entry.len, sink).map_err(|e| unreadable(path, &e))
    }
}
