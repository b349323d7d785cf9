//! Reading weights: tensors by name into packed layers.

use super::isa::{Isa, Level};
use super::linear::{Linear, Scheme, Weights};
use super::tiles::Kernels;
use crate::model::weights::{Matrix, Progress, Tensors};
use crate::model::{ModelError, Precision};

/// Reads the tensors of one network and packs them.
pub(crate) struct Loader<'a> {
    tensors: &'a dyn Tensors,
    pub(crate) kernels: &'a Kernels,
    body: Scheme,
    progress: Progress<'a>,
    done: std::cell::Cell<usize>,
    total: usize,
}

impl<'a> Loader<'a> {
    /// `body` is how the matrices of the body are multiplied, `total` the number of values there are to read.
    pub(crate) fn new(
        tensors: &'a dyn Tensors,
        kernels: &'a Kernels,
        body: Scheme,
        total: usize,
        progress: Progress<'a>,
    ) -> Self {
        Self { tensors, kernels, body, progress, done: std::cell::Cell::new(0), total }
    }

    fn read(&self, values: usize) {
        self.done.set(self.done.get() + values);
        (self.progress)(self.done.get() as f32 / self.total.max(1) as f32);
    }

    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        let values = self.tensors.vector(name, len)?;
        self.read(len);
        Ok(values)
    }

    pub(crate) fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix, ModelError> {
        let matrix = self.tensors.matrix(name, rows, cols)?;
        self.read(rows * cols);
        Ok(matrix)
    }

    /// A layer `(outputs, inputs)` with its bias, as the network's body multiplies it.
    pub(crate) fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
        let matrix = self.matrix(&format!("{name}.weight"), outputs, inputs)?;
        let bias = self.vector(&format!("{name}.bias"), outputs)?;
        Ok(self.pack(self.body, inputs, &[(&matrix).into()], bias))
    }

    /// Layers of the same inputs side by side, without bias.
    pub(crate) fn stacked(&self, names: &[String], inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
        let parts: Vec<Matrix> = names
            .iter()
            .map(|name| self.matrix(&format!("{name}.weight"), outputs, inputs))
            .collect::<Result<_, _>>()?;
        let parts: Vec<Weights<'_>> = parts.iter().map(Into::into).collect();
        Ok(self.pack(self.body, inputs, &parts, Vec::new()))
    }

    /// A layer of the condition path, which runs once a step: as exact as the file.
    pub(crate) fn exact(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
        let matrix = self.matrix(&format!("{name}.weight"), outputs, inputs)?;
        let bias = self.vector(&format!("{name}.bias"), outputs)?;
        let scheme = match matrix {
            Matrix::F32(_) => Scheme::F32,
            Matrix::Int8 { .. } => Scheme::Int8,
        };
        Ok(self.pack(scheme, inputs, &[(&matrix).into()], bias))
    }

    pub(crate) fn pack(&self, scheme: Scheme, inputs: usize, parts: &[Weights<'_>], bias: Vec<f32>) -> Linear {
        Linear::pack(self.kernels, scheme, inputs, parts, bias)
    }

    /// How the head is multiplied: with 8-bit weights, its activations keep 16 bits, as its errors go straight into
    /// the posterior.
    pub(crate) fn head(&self) -> Scheme {
        match self.body {
            Scheme::Int8Byte => Scheme::Int8,
            other => other,
        }
    }
}

/// How matrices are multiplied for a precision on this CPU.
///
/// `Auto` takes 8-bit weights: the fastest on every CPU, and within the accuracy that generated text needs.
pub(crate) fn scheme(precision: Precision, kernels: &Kernels) -> Scheme {
    match precision {
        Precision::F32 => Scheme::F32,
        Precision::Bf16 if kernels.isa().level() != Level::Portable && kernels.has_bf16() => Scheme::Bf16,
        Precision::Bf16 => Scheme::Bf16Wide,
        Precision::Int8 | Precision::Auto if kernels.isa().level() != Level::Portable && kernels.has_u8() => {
            Scheme::Int8Byte
        }
        Precision::Int8 | Precision::Auto => Scheme::Int8,
    }
}

/// Name of a scheme on a CPU, as users see it.
pub(crate) fn label(scheme: Scheme, isa: Isa) -> String {
    let cpu = isa.name();
    match scheme {
        Scheme::F32 => format!("f32-{cpu}"),
        Scheme::Bf16 | Scheme::Bf16Wide => format!("bf16-{cpu}"),
        Scheme::Int8 | Scheme::Int8Byte => format!("int8-{cpu}"),
    }
}

/// Writes row `row` of a matrix of `width` columns.
pub(crate) fn copy_row(matrix: &Matrix, row: usize, out: &mut [f32]) {
    let width = out.len();
    match matrix {
        Matrix::F32(w) => out.copy_from_slice(&w[row * width..][..width]),
        Matrix::Int8 { q, scale } => {
            for (out, &q) in out.iter_mut().zip(&q[row * width..]) {
                *out = f32::from(q) * scale[row];
            }
        }
    }
}
