//! Made-up weights of any shape, for measuring and testing without a file.
//!
//! Values are uniform with the variance that keeps activations near 1, the same for the same seed and name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::weights::{Checkpoint, Dtype, JudgeCheckpoint, Matrix, Tensors, layout};
use super::{JudgeSpec, ModelError, ModelSpec};

/// Tensors that are computed when they are read.
pub struct Synthetic {
    shapes: BTreeMap<String, Vec<usize>>,
    seed: u64,
    int8: bool,
}

/// A network of the given sizes; `int8`: as if its file had 8-bit matrices.
pub fn model(spec: ModelSpec, seed: u64, int8: bool) -> Checkpoint {
    let tensors = Synthetic::new(layout::model(&spec), seed, int8);
    Checkpoint::new(spec, Arc::new(tensors), None)
}

/// A judge of the given sizes.
pub fn judge(spec: JudgeSpec, seed: u64) -> JudgeCheckpoint {
    let tensors = Synthetic::new(layout::judge(&spec), seed, false);
    JudgeCheckpoint::new(spec, Arc::new(tensors), None)
}

impl Synthetic {
    fn new(shapes: Vec<(String, Vec<usize>)>, seed: u64, int8: bool) -> Self {
        Self { shapes: shapes.into_iter().collect(), seed, int8 }
    }

    /// Uniform numbers in `[-1, 1)` by index, one stream a tensor.
    fn noise(&self, name: &str) -> impl Fn(usize) -> f32 + Sync + use<> {
        let start = name
            .bytes()
            .fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        move |index| {
            let mut z = start.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
        }
    }

    fn values(&self, name: &str, len: usize) -> Vec<f32> {
        let noise = self.noise(name);
        let shape = self.shapes.get(name).map_or(&[][..], Vec::as_slice);
        let (centre, width) = if name.contains("norm") || name.contains("ln_") {
            let centre = if name.rsplit('.').next() == Some("bias") { 0.0 } else { 1.0 };
            (centre, 0.1)
        } else if let [_, inputs] = *shape {
            let width = table_width(name).unwrap_or((3.0 / inputs as f32).sqrt());
            if self.int8 {
                return (0..len).into_par_iter().map(|i| (noise(i) * 127.0).round() * (width / 127.0)).collect();
            }
            (0.0, width)
        } else {
            (0.0, 0.1)
        };
        (0..len).into_par_iter().map(|i| centre + width * noise(i)).collect()
    }
}

/// Width of the values of an embedding table.
fn table_width(name: &str) -> Option<f32> {
    let table = name.contains("embed.") || name.starts_with("wte") || name.starts_with("wpe");
    table.then_some(1.0)
}

impl Tensors for Synthetic {
    fn path(&self) -> &Path {
        Path::new("made-up weights")
    }

    fn names(&self) -> Vec<String> {
        self.shapes.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.shapes.get(name).cloned()
    }

    fn dtype(&self, name: &str) -> Option<Dtype> {
        self.shapes.contains_key(name).then_some(Dtype::F32)
    }

    fn read(&self, name: &str, sink: &mut dyn FnMut(&[u8])) -> Result<(), ModelError> {
        let len = self.shapes.get(name).map_or(0, |shape| shape.iter().product());
        for value in self.values(name, len) {
            sink(&value.to_le_bytes());
        }
        Ok(())
    }

    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        Ok(self.values(name, len))
    }

    fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix, ModelError> {
        if !self.int8 {
            return Ok(Matrix::F32(self.values(name, rows * cols)));
        }
        let width = table_width(name).unwrap_or((3.0 / cols as f32).sqrt());
        let noise = self.noise(name);
        Ok(Matrix::Int8 {
            q: (0..rows * cols).into_par_iter().map(|i| (noise(i) * 127.0).round() as i8).collect(),
            scale: vec![width / 127.0; rows],
        })
    }
}
