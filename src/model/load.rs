//! From a checkpoint to something that runs: which implementation serves which precision.

use candle_core::{DType, Device};

use super::gpt2::Gpt2;
use super::kernels::{FastDit, FastGpt2};
use super::net::Dit;
use super::weights::Progress;
use super::{Checkpoint, Judge, JudgeCheckpoint, ModelError, Network};

/// The arithmetic asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// The fastest this machine and these weights allow.
    #[default]
    Auto,
    /// The reference path.
    F32,
    /// bfloat16 weights; on CPUs without bf16 products, the arithmetic is f32.
    Bf16,
    /// 8-bit weights, activations of 8 to 16 bits, exact sums.
    Int8,
}

/// Reads the weights of a network. `threads` is the number the caller set up for rayon's global pool.
pub fn network(
    checkpoint: &Checkpoint,
    precision: Precision,
    threads: usize,
    progress: Progress<'_>,
) -> Result<Box<dyn Network>, ModelError> {
    let device = device();
    if device.is_cpu() && precision != Precision::F32 {
        return Ok(Box::new(FastDit::load(checkpoint, precision, threads, progress)?));
    }
    let dtype = reference_dtype(precision)?;
    Ok(Box::new(Dit::load(checkpoint, &device, dtype, progress)?))
}

/// Reads the weights of a judge.
pub fn judge(
    checkpoint: &JudgeCheckpoint,
    precision: Precision,
    threads: usize,
    progress: Progress<'_>,
) -> Result<Box<dyn Judge>, ModelError> {
    let device = device();
    if device.is_cpu() && precision != Precision::F32 {
        return Ok(Box::new(FastGpt2::load(checkpoint, precision, threads, progress)?));
    }
    let dtype = reference_dtype(precision)?;
    Ok(Box::new(Gpt2::load(checkpoint, &device, dtype, progress)?))
}

/// The type candle computes in where it is asked to: anywhere for f32, and on GPUs.
fn reference_dtype(precision: Precision) -> Result<DType, ModelError> {
    match precision {
        Precision::F32 => Ok(DType::F32),
        Precision::Bf16 | Precision::Auto => Ok(DType::BF16),
        Precision::Int8 => {
            Err(ModelError::Request("int8 is not available on a GPU; use --precision auto, f32 or bf16".to_owned()))
        }
    }
}

/// The GPU this build was made for where there is one, else the CPU.
fn device() -> Device {
    #[cfg(feature = "cuda")]
    if let Ok(device) = Device::new_cuda(0) {
        return device;
    }
    #[cfg(feature = "metal")]
    if let Ok(device) = Device::new_metal(0) {
        return device;
    }
    Device::Cpu
}
