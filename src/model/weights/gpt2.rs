//! The Hugging Face GPT-2 layout seen as `(out, in)` matrices with one set of names.
//!
//! Files name their tensors with or without a `transformer.` prefix, carry causal masks (`attn.bias`,
//! `attn.masked_bias`) as buffers, and hold Conv1D matrices as `(in, out)`. An int8 matrix has one scale an output
//! channel whichever way it lies.

use std::path::Path;

use super::{Dtype, Matrix, Tensors, decode};
use crate::model::ModelError;

/// A judge's tensors, without prefix and with Conv1D matrices transposed on reading.
pub struct Gpt2Tensors<T> {
    inner: T,
    prefix: &'static str,
}

impl<T: Tensors> Gpt2Tensors<T> {
    /// Looks at the names to find out whether they have a prefix.
    pub fn new(inner: T) -> Self {
        const PREFIX: &str = "transformer.";
        let prefixed = inner.shape("transformer.wte.weight").is_some();
        Self { inner, prefix: if prefixed { PREFIX } else { "" } }
    }

    fn stored(&self, name: &str) -> String {
        // The language-model head sits beside the transformer, not in it.
        if name.starts_with("lm_head.") { name.to_owned() } else { format!("{}{name}", self.prefix) }
    }
}

fn is_conv1d(name: &str) -> bool {
    ["c_attn.weight", "c_proj.weight", "c_fc.weight"].iter().any(|end| name.ends_with(end))
}

impl<T: Tensors> Tensors for Gpt2Tensors<T> {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn names(&self) -> Vec<String> {
        self.inner
            .names()
            .into_iter()
            .map(|name| name.strip_prefix(self.prefix).map(str::to_owned).unwrap_or(name))
            .filter(|name| !(name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")))
            .collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let mut shape = self.inner.shape(&self.stored(name))?;
        if is_conv1d(name) {
            shape.reverse();
        }
        Some(shape)
    }

    fn dtype(&self, name: &str) -> Option<Dtype> {
        self.inner.dtype(&self.stored(name))
    }

    fn read(&self, name: &str, sink: &mut dyn FnMut(&[u8])) -> Result<(), ModelError> {
        self.inner.read(&self.stored(name), sink)
    }

    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        self.inner.vector(&self.stored(name), len)
    }

    fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix, ModelError> {
        let stored = self.stored(name);
        if is_conv1d(name) {
            let matrix = decode::scaled_matrix(&self.inner, &stored, [cols, rows], rows)?;
            Ok(matrix.transposed(cols, rows))
        } else {
            self.inner.matrix(&stored, rows, cols)
        }
    }
}
