//! Tensors of a `.pth` file: the zip archive that `torch.save` writes.
//!
//! The archive holds `data.pkl`, a pickle that describes everything that was saved, and one stored (never compressed)
//! file a tensor storage. A training checkpoint is a dict whose entries are networks, optimizer states and counters;
//! only the tensors of one network are ever read.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use super::pickle::{Id, Pickle, Value};
use super::store::{Store, refuse, unreadable};
use super::{Dtype, Entry, Tensors};
use crate::model::ModelError;

/// A checkpoint's description is far smaller; its tensors lie outside of it.
const PICKLE_LIMIT: u64 = 64 << 20;
const DAMAGED: &str = "copy or download it again";
const NOT_TORCH: &str = "give a file that torch.save wrote (PyTorch 1.6 or later), or a folder";

/// One network of a `.pth` file.
pub struct Pth {
    path: PathBuf,
    store: Store,
    tensors: HashMap<String, Stored>,
}

/// Where a tensor's values are, in the whole file.
#[derive(Debug)]
struct Stored {
    /// Byte offset of the first value.
    offset: u64,
    shape: Vec<usize>,
    /// Distance between neighbours of each dimension, in values.
    strides: Vec<usize>,
    dtype: Dtype,
}

impl Pth {
    /// Reads the description of a checkpoint and picks a network: `entry`, or else the best one there.
    pub fn open(path: &Path, entry: Option<Entry>) -> Result<Self, ModelError> {
        let store = Store::open(path)?;
        let mut archive = Archive::open(path, store.len())?;
        let (at, len) = archive.find("data.pkl")?.ok_or_else(|| archive.refuse("holds no data.pkl", NOT_TORCH))?;
        if len > PICKLE_LIMIT {
            return Err(archive.refuse("describes its content in more bytes than any checkpoint needs", NOT_TORCH));
        }
        archive.check_byte_order(&store)?;
        let mut bytes = vec![0; len as usize];
        store.read_at(at, &mut bytes).map_err(|e| unreadable(path, &e))?;
        let pickle = Pickle::parse(&bytes).map_err(|e| archive.refuse(&format!("its data.pkl {e}"), DAMAGED))?;
        let network = choose(&pickle, entry).map_err(|(problem, fix)| archive.refuse(&problem, &fix))?;
        let tensors = archive.locate(&pickle, &network)?;
        Ok(Self { path: path.to_owned(), store, tensors })
    }
}

/// The state dict to use, as found in the pickle.
fn choose<'a>(pickle: &Pickle<'a>, entry: Option<Entry>) -> Result<HashMap<&'a str, Id>, (String, String)> {
    let fix = "give a checkpoint saved during FS-DFM training".to_owned();
    let top = pickle.dict(pickle.root()).ok_or_else(|| ("holds no dict of networks".to_owned(), fix.clone()))?;
    let present: Vec<Entry> = Entry::BEST_FIRST
        .into_iter()
        .filter(|e| top.get(e.key()).is_some_and(|&id| pickle.dict(id).is_some()))
        .collect();
    let found = || present.iter().map(|e| e.key()).collect::<Vec<_>>().join(", ");
    match entry {
        Some(wanted) if !present.contains(&wanted) => Err((
            format!("has no entry {}", wanted.key()),
            match present.first() {
                Some(_) => format!("it has {}: choose one with --entry", found()),
                None => fix,
            },
        )),
        Some(wanted) => Ok(pickle.dict(top[wanted.key()]).unwrap_or_default()),
        None => match present.first() {
            Some(best) => Ok(pickle.dict(top[best.key()]).unwrap_or_default()),
            // The file may be a bare state dict.
            None if top.keys().any(|key| strip(key) == "vocab_embed.weight") => Ok(top),
            None => Err(("holds none of student_ema_model, student_model, teacher_model, model".to_owned(), fix)),
        },
    }
}

/// A parameter's name without the prefixes that wrappers add, in any order and number.
fn strip(mut name: &str) -> &str {
    while let Some(rest) = name.strip_prefix("module.").or_else(|| name.strip_prefix("_orig_mod.")) {
        name = rest;
    }
    name
}

struct Archive<'p> {
    path: &'p Path,
    zip: ZipArchive<BufReader<File>>,
    /// The folder inside the archive that everything lies in.
    root: String,
    file_len: u64,
}

impl<'p> Archive<'p> {
    fn open(path: &'p Path, file_len: u64) -> Result<Self, ModelError> {
        let file = File::open(path).map_err(|e| unreadable(path, &e))?;
        let zip = ZipArchive::new(BufReader::new(file))
            .map_err(|e| refuse(path, &format!("is not a zip archive, or is cut short ({e})"), NOT_TORCH))?;
        let root = zip
            .file_names_raw()
            .filter_map(|name| std::str::from_utf8(name).ok()?.strip_suffix("data.pkl"))
            .find(|root| root.matches('/').count() <= 1)
            .unwrap_or_default()
            .to_owned();
        Ok(Self { path, zip, root, file_len })
    }

    fn refuse(&self, problem: &str, fix: &str) -> ModelError {
        refuse(self.path, problem, fix)
    }

    /// Offset and length in the whole file of a stored member.
    fn find(&mut self, name: &str) -> Result<Option<(u64, u64)>, ModelError> {
        let (path, file_len) = (self.path, self.file_len);
        let Some(index) = self.zip.index_for_name(&format!("{}{name}", self.root)) else {
            return Ok(None);
        };
        let bad = |why: &str| refuse(path, &format!("its {name} {why}"), DAMAGED);
        let member = self.zip.by_index_raw(index).map_err(|e| bad(&format!("cannot be found ({e})")))?;
        if member.compression() != CompressionMethod::Stored || member.encrypted() {
            return Err(bad("is compressed, which torch.save never does"));
        }
        let (start, len) = (member.data_start().unwrap_or(u64::MAX), member.size());
        if start.checked_add(len).is_none_or(|end| end > file_len) {
            return Err(bad("reaches past the end of the file"));
        }
        Ok(Some((start, len)))
    }

    fn check_byte_order(&mut self, store: &Store) -> Result<(), ModelError> {
        let Some((at, len)) = self.find("byteorder")? else {
            return Ok(());
        };
        let mut order = [0; 6];
        if len == 6 && store.read_at(at, &mut order).is_ok() && &order == b"little" {
            return Ok(());
        }
        Err(self.refuse("was saved on a big-endian machine", "save it again on a little-endian one"))
    }

    /// The places of all tensors of a state dict; what is not a tensor of a supported kind is left out.
    fn locate(
        &mut self,
        pickle: &Pickle<'_>,
        network: &HashMap<&str, Id>,
    ) -> Result<HashMap<String, Stored>, ModelError> {
        let mut tensors = HashMap::new();
        let mut total: u64 = 0;
        for (&key, &value) in network {
            let name = strip(key);
            let Some(view) = View::of(pickle, value) else {
                continue;
            };
            let bad = |why: &str| refuse(self.path, &format!("tensor {name} {why}"), DAMAGED);
            let (values, last) = view.extent().ok_or_else(|| bad("has an impossible shape"))?;
            let size = view.dtype.size() as u64;
            let member = format!("data/{}", view.key);
            let (start, len) =
                self.find(&member)?.ok_or_else(|| bad(&format!("refers to {member}, which is missing")))?;
            if last >= len / size {
                return Err(bad(&format!("reaches past the end of {member}")));
            }
            // Views may repeat values; together they must not unfold to more than the file holds.
            total = total.saturating_add(values.saturating_mul(size));
            if total > self.file_len {
                return Err(bad("and the others describe more values than the file holds"));
            }
            let stored = Stored {
                offset: start + view.offset as u64 * size,
                shape: view.shape,
                strides: view.strides,
                dtype: view.dtype,
            };
            if tensors.insert(name.to_owned(), stored).is_some() {
                return Err(bad("occurs twice, with different prefixes"));
            }
        }
        Ok(tensors)
    }
}

/// A tensor as the pickle describes it: a view of a storage.
struct View<'a> {
    key: &'a str,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
    dtype: Dtype,
}

impl<'a> View<'a> {
    /// Recognises the calls that rebuild a tensor or a parameter, and nothing else.
    fn of(pickle: &Pickle<'a>, id: Id) -> Option<Self> {
        let &Value::Call(function, arguments) = pickle.get(id) else {
            return None;
        };
        let arguments = pickle.list(arguments)?;
        match (pickle.get(function), arguments) {
            (Value::Global("torch._utils", "_rebuild_parameter"), &[data, ..]) => {
                match pickle.get(data) {
                    // One level only: a parameter of a parameter would let a file make this recurse for ever.
                    &Value::Call(inner, arguments) => Self::rebuild(pickle, inner, pickle.list(arguments)?),
                    _ => None,
                }
            }
            _ => Self::rebuild(pickle, function, arguments),
        }
    }

    fn rebuild(pickle: &Pickle<'a>, function: Id, arguments: &[Id]) -> Option<Self> {
        let (
            Value::Global("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor"),
            &[storage, offset, shape, strides, ..],
        ) = (pickle.get(function), arguments)
        else {
            return None;
        };
        let &Value::Persistent(storage) = pickle.get(storage) else {
            return None;
        };
        let &[kind, class, key, ..] = pickle.list(storage)? else {
            return None;
        };
        let dtype = match (pickle.text(kind)?, pickle.get(class)) {
            ("storage", Value::Global("torch", "FloatStorage")) => Dtype::F32,
            ("storage", Value::Global("torch", "HalfStorage")) => Dtype::F16,
            ("storage", Value::Global("torch", "BFloat16Storage")) => Dtype::Bf16,
            _ => return None,
        };
        let sizes = |id| pickle.list(id)?.iter().map(|&n| pickle.size(n)).collect::<Option<Vec<_>>>();
        Some(Self {
            key: pickle.text(key)?,
            offset: pickle.size(offset)?,
            shape: sizes(shape)?,
            strides: sizes(strides)?,
            dtype,
        })
    }

    /// Number of values, and index in the storage of the last one; none if they overflow or are empty.
    fn extent(&self) -> Option<(u64, u64)> {
        if self.shape.len() != self.strides.len() || self.shape.len() > 8 {
            return None;
        }
        let (mut values, mut last) = (1_u64, self.offset as u64);
        for (&n, &stride) in self.shape.iter().zip(&self.strides) {
            values = values.checked_mul(n as u64)?;
            last = last.checked_add((n as u64).checked_sub(1)?.checked_mul(stride as u64)?)?;
        }
        Some((values, last))
    }
}

impl Stored {
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&n, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if n != 1 && stride != expected {
                return false;
            }
            expected *= n;
        }
        true
    }

    /// Index in the storage, counted from the first value, of the value at `flat` in row-major order.
    fn index(&self, mut flat: usize) -> u64 {
        let mut index = 0;
        for (&n, &stride) in self.shape.iter().zip(&self.strides).rev() {
            index += (flat % n) as u64 * stride as u64;
            flat /= n;
        }
        index
    }
}

impl Tensors for Pth {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.get(name).map(|t| t.shape.clone())
    }

    fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|t| t.dtype)
    }

    fn read(&self, name: &str, sink: &mut dyn FnMut(&[u8])) -> Result<(), ModelError> {
        let tensor = self.tensors.get(name).ok_or_else(|| {
            self.error(format!("tensor {name} is missing"), "check that the weights belong to this model")
        })?;
        let size = tensor.dtype.size();
        let values: usize = tensor.shape.iter().product();
        let failed = |e| unreadable(&self.path, &e);
        if tensor.is_contiguous() {
            let len = values as u64 * size as u64;
            return self.store.stream(tensor.offset, len, sink).map_err(failed);
        }
        // Transposed and other views are rare and small: one read of the span they cover, then value by value.
        let span = tensor.index(values - 1) as usize + 1;
        let mut bytes = vec![0; span * size];
        self.store.read_at(tensor.offset, &mut bytes).map_err(failed)?;
        for flat in 0..values {
            let at = tensor.index(flat) as usize * size;
            sink(&bytes[at..at + size]);
        }
        Ok(())
    }
}
