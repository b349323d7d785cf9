//! Files to damage: copies of the tiny models, and archives made from scratch.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

pub(crate) fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// A copy of a tiny model that a test may change.
pub(crate) struct Copy {
    pub(crate) dir: TempDir,
}

pub(crate) type Tensor = (Dtype, Vec<usize>, Vec<u8>);

impl Copy {
    pub(crate) fn of(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(tests().join("tiny").join(name)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn weights(&self) -> PathBuf {
        self.path().join("model.safetensors")
    }

    /// Changes one field of `config.json`.
    pub(crate) fn set(&self, field: &str, value: serde_json::Value) {
        let path = self.path().join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config[field] = value;
        std::fs::write(path, config.to_string()).unwrap();
    }

    pub(crate) fn tensors(&self) -> BTreeMap<String, Tensor> {
        let bytes = std::fs::read(self.weights()).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter();
        tensors.map(|(name, v)| (name, (v.dtype(), v.shape().to_vec(), v.data().to_vec()))).collect()
    }

    /// Changes the tensors.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut BTreeMap<String, Tensor>)) {
        let mut tensors = self.tensors();
        change(&mut tensors);
        write_tensors(&self.weights(), &tensors);
    }

    /// Changes the bytes of the weight file.
    pub(crate) fn bytes(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.weights()).unwrap();
        change(&mut bytes);
        std::fs::write(self.weights(), bytes).unwrap();
    }
}

pub(crate) fn write_tensors(path: &Path, tensors: &BTreeMap<String, Tensor>) {
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// An archive laid out as `torch.save` does, with this pickle and these storages.
pub(crate) fn archive(dir: &TempDir, pickle: &[u8], storages: &[(&str, &[u8])]) -> PathBuf {
    let path = dir.path().join("made.pth");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(format!("made/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    };
    add("data.pkl", pickle);
    for (key, bytes) in storages {
        add(&format!("data/{key}"), bytes);
    }
    zip.finish().unwrap();
    path
}

/// A pickle under construction: the operations that `torch.save` uses.
#[derive(Default)]
pub(crate) struct Pickle(Vec<u8>);

impl Pickle {
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    pub(crate) fn int(self, n: i32) -> Self {
        self.raw(b"J").raw(&n.to_le_bytes())
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    fn ints(self, values: &[i32]) -> Self {
        values.iter().fold(self.raw(b"("), |pickle, &n| pickle.int(n)).raw(b"t")
    }

    /// A dict of one network under `model`, whose tensors `fill` adds.
    pub(crate) fn network(fill: impl FnOnce(Self) -> Self) -> Vec<u8> {
        let start = Self::default().raw(b"\x80\x02}(").text("model").raw(b"}(");
        fill(start).raw(b"uu.").0
    }

    /// A key and an f32 tensor.
    pub(crate) fn tensor(self, name: &str, storage: &str, offset: i32, shape: &[i32], strides: &[i32]) -> Self {
        self.text(name)
            .global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"((")
            .text("storage")
            .global("torch", "FloatStorage")
            .text(storage)
            .text("cpu")
            .int(0)
            .raw(b"tQ")
            .int(offset)
            .ints(shape)
            .ints(strides)
            .raw(b"\x89}tR")
    }
}
