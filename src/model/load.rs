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

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Place {
    /// The GPU this build is for if there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU this build is for.
    Gpu,
}

/// Reads the weights of a network. `threads` is the number the caller set up for rayon's global pool.
pub fn network(
    checkpoint: &Checkpoint,
    precision: Precision,
    place: Place,
    threads: usize,
    progress: Progress<'_>,
) -> Result<Box<dyn Network>, ModelError> {
    let device = device(place)?;
    if device.is_cpu() && precision != Precision::F32 {
        return Ok(Box::new(FastDit::load(checkpoint, precision, threads, progress)?));
    }
    let dtype = reference_dtype(precision)?;
    #[cfg(feature = "cuda")]
    if let Device::Cuda(device) = &device
        && dtype == DType::BF16
        && super::cuda::fits(&checkpoint.spec)
    {
        return Ok(Box::new(super::cuda::CudaDit::load(checkpoint, device, progress)?));
    }
    Ok(Box::new(Dit::load(checkpoint, &device, dtype, progress)?))
}

/// Reads the weights of a judge.
pub fn judge(
    checkpoint: &JudgeCheckpoint,
    precision: Precision,
    place: Place,
    threads: usize,
    progress: Progress<'_>,
) -> Result<Box<dyn Judge>, ModelError> {
    let device = device(place)?;
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

/// The device at a place.
fn device(place: Place) -> Result<Device, ModelError> {
    if place == Place::Cpu {
        return Ok(Device::Cpu);
    }
    match (gpu(), place) {
        (Ok(device), _) => Ok(device),
        (Err(_), Place::Auto) => Ok(Device::Cpu),
        (Err(problem), _) => Err(ModelError::Request(format!("--device gpu: {problem}, or use --device cpu"))),
    }
}

// With a stream of its own: the weights are read by another thread than computes.
#[cfg(feature = "cuda")]
fn gpu() -> Result<Device, String> {
    let problem = |e| format!("no CUDA device ({}); see whether nvidia-smi finds one", first_line(&e));
    Device::new_cuda_with_stream(0).map_err(problem)
}

#[cfg(all(feature = "metal", not(feature = "cuda")))]
fn gpu() -> Result<Device, String> {
    Device::new_metal(0).map_err(|e| format!("no Metal device ({})", first_line(&e)))
}

/// An error without the backtrace that candle adds.
#[cfg(any(feature = "cuda", feature = "metal"))]
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(not(any(feature = "cuda", feature = "metal")))]
fn gpu() -> Result<Device, String> {
    Err("this build computes on the CPU; build it with --features cuda or metal".to_owned())
}
