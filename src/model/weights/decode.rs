//! Stored values to numbers.

use super::Tensors;
use crate::model::ModelError;
use half::slice::HalfFloatSliceExt;

/// How a tensor's values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// Signed bytes, to be multiplied by a scale an output channel.
    I8,
}

impl Dtype {
    /// Bytes of one value.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::I8 => 1,
        }
    }

    /// Name as in safetensors files.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::I8 => "I8",
        }
    }
}

/// A matrix `(out, in)`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Matrix {
    /// Floating-point weights, widened to f32.
    F32(Vec<f32>),
    /// `weight[o][i] = q[o][i] · scale[o]`.
    Int8 {
        /// The integers.
        q: Vec<i8>,
        /// One scale a row.
        scale: Vec<f32>,
    },
}

impl Matrix {
    /// The weights as f32.
    pub fn into_f32(self) -> Vec<f32> {
        match self {
            Self::F32(values) => values,
            Self::Int8 { q, scale } => {
                let cols = q.len() / scale.len().max(1);
                let mut values = Vec::with_capacity(q.len());
                for (row, s) in q.chunks_exact(cols.max(1)).zip(&scale) {
                    values.extend(row.iter().map(|&v| f32::from(v) * s));
                }
                values
            }
        }
    }

    /// The transposed `(rows, cols)` matrix with the scales unchanged: for files that hold `(in, out)`, whose scales
    /// already belong to output channels.
    pub(crate) fn transposed(self, rows: usize, cols: usize) -> Self {
        match self {
            Self::F32(values) => Self::F32(transpose(&values, rows, cols)),
            Self::Int8 { q, scale } => Self::Int8 { q: transpose(&q, rows, cols), scale },
        }
    }
}

fn transpose<T: Copy + Default>(from: &[T], rows: usize, cols: usize) -> Vec<T> {
    // In tiles, so that both sides stay in cache.
    const TILE: usize = 32;
    let mut to = vec![T::default(); from.len()];
    for r0 in (0..rows).step_by(TILE) {
        for c0 in (0..cols).step_by(TILE) {
            for r in r0..rows.min(r0 + TILE) {
                for c in c0..cols.min(c0 + TILE) {
                    to[c * rows + r] = from[r * cols + c];
                }
            }
        }
    }
    to
}

/// Reads a floating-point tensor of an exact shape as f32; every value must be finite.
pub(crate) fn floats<T: Tensors + ?Sized>(from: &T, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
    let dtype = expect_shape(from, name, shape)?;
    let len = shape.iter().product();
    let mut values: Vec<f32> = Vec::with_capacity(len);
    match dtype {
        Dtype::F32 => from.read(name, &mut |bytes| {
            values.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)));
        })?,
        Dtype::F16 => read_halves(from, name, &mut values, half::f16::from_le_bytes, |h, f| {
            h.convert_to_f32_slice(f);
        })?,
        Dtype::Bf16 => read_halves(from, name, &mut values, half::bf16::from_le_bytes, |h, f| {
            h.convert_to_f32_slice(f);
        })?,
        Dtype::I8 => {
            return Err(from
                .error(format!("tensor {name} is int8, which only matrices may be"), "store it as f32, f16 or bf16"));
        }
    }
    finite(from, name, &values)?;
    Ok(values)
}

/// Converts 16-bit floats chunk by chunk through a small buffer, so that the conversion runs on whole slices.
fn read_halves<T: Tensors + ?Sized, H>(
    from: &T,
    name: &str,
    values: &mut Vec<f32>,
    parse: fn([u8; 2]) -> H,
    widen: impl Fn(&[H], &mut [f32]),
) -> Result<(), ModelError> {
    const CHUNK: usize = 4096;
    let mut halves: Vec<H> = Vec::with_capacity(CHUNK);
    from.read(name, &mut |bytes| {
        for chunk in bytes.as_chunks().0.chunks(CHUNK) {
            halves.clear();
            halves.extend(chunk.iter().map(|b| parse(*b)));
            let start = values.len();
            values.resize(start + halves.len(), 0.0);
            widen(&halves, &mut values[start..]);
        }
    })
}

/// Reads a matrix as it is stored: int8 with its scales, everything else as f32.
pub(crate) fn matrix<T: Tensors + ?Sized>(
    from: &T,
    name: &str,
    rows: usize,
    cols: usize,
) -> Result<Matrix, ModelError> {
    scaled_matrix(from, name, [rows, cols], rows)
}

/// As [`matrix`], for a file whose matrix has `outputs` scales whichever of its sides they belong to.
pub(crate) fn scaled_matrix<T: Tensors + ?Sized>(
    from: &T,
    name: &str,
    shape: [usize; 2],
    outputs: usize,
) -> Result<Matrix, ModelError> {
    if expect_shape(from, name, &shape)? != Dtype::I8 {
        return Ok(Matrix::F32(floats(from, name, &shape)?));
    }
    let scale = floats(from, &scale_name(name), &[outputs])?;
    let mut q: Vec<i8> = Vec::with_capacity(shape[0] * shape[1]);
    from.read(name, &mut |bytes| {
        q.extend(bytes.iter().map(|b| b.cast_signed()));
    })?;
    Ok(Matrix::Int8 { q, scale })
}

/// The tensor that holds the scales of an int8 matrix: `a.weight` → `a.scale`.
pub fn scale_name(name: &str) -> String {
    format!("{}.scale", name.strip_suffix(".weight").unwrap_or(name))
}

fn expect_shape<T: Tensors + ?Sized>(from: &T, name: &str, shape: &[usize]) -> Result<Dtype, ModelError> {
    match (from.shape(name), from.dtype(name)) {
        (Some(found), Some(dtype)) if found == shape => Ok(dtype),
        (Some(found), Some(_)) => Err(from.error(
            format!("tensor {name} has shape {found:?}, expected {shape:?}"),
            "check that the weights belong to this model",
        )),
        _ => Err(from.error(format!("tensor {name} is missing"), "check that the weights belong to this model")),
    }
}

fn finite<T: Tensors + ?Sized>(from: &T, name: &str, values: &[f32]) -> Result<(), ModelError> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(from.error(
            format!("tensor {name} holds a value that is not a finite number (at {at})"),
            "the weights are damaged: copy, download or train them again",
        )),
    }
}
