//! One GPU: memory, kernels, matrix products, all on one stream.

use std::fmt::Display;
use std::sync::Arc;

use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::cublas::{CudaBlas, result as blas, sys};
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaStream, DevicePtr, DeviceRepr, LaunchConfig, PushKernelArg,
};
use half::bf16;

use crate::model::{Ask, Drawn, ModelError};

const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

/// An address in the GPU's memory.
pub(super) type Address = u64;

/// The kernels of `kernels.cu`, by name.
pub(super) struct Kernels {
    pub(super) gemv: CudaFunction,
    pub(super) embed_norm: CudaFunction,
    pub(super) residual_norm: CudaFunction,
    pub(super) rope: CudaFunction,
    pub(super) bias_gelu: CudaFunction,
    pub(super) gather: CudaFunction,
    pub(super) unpad: CudaFunction,
    pub(super) attend32: CudaFunction,
    pub(super) attend64: CudaFunction,
    pub(super) draw: CudaFunction,
}

/// A GPU with everything that runs on it.
pub(super) struct Gpu {
    pub(super) kernels: Kernels,
    stream: Arc<CudaStream>,
    blas: Arc<CudaBlas>,
}

/// Memory on the GPU, of one type.
pub(super) struct Memory<T> {
    slice: CudaSlice<T>,
    address: Address,
}

impl<T> Memory<T> {
    /// The address of the value at `index`.
    pub(super) fn at(&self, index: usize) -> Address {
        debug_assert!(index <= self.slice.len());
        self.address + (index * size_of::<T>()) as Address
    }

    /// How many values it holds.
    pub(super) fn len(&self) -> usize {
        self.slice.len()
    }
}

/// What every row of a draw shares: `Shared` in `kernels.cu`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct DrawSettings {
    pub(super) scalar: f64,
    pub(super) floor: f64,
    pub(super) sharpness: f32,
    pub(super) banned: u32,
    pub(super) last: u32,
    pub(super) euler: u32,
    pub(super) width: u32,
    pub(super) stride: u32,
}

const _: () = assert!(size_of::<Ask>() == 24 && size_of::<Drawn>() == 96 && size_of::<DrawSettings>() == 40);

// SAFETY: plain numbers, laid out as in `kernels.cu`.
unsafe impl DeviceRepr for DrawSettings {}
// SAFETY: the same.
unsafe impl DeviceRepr for Ask {}
// SAFETY: the same.
unsafe impl DeviceRepr for Drawn {}

/// The product `out = x Wᵀ` of row-major matrices in bf16, summed in f32.
#[derive(Clone, Copy)]
pub(super) struct Product {
    /// `(rows, inputs)`.
    pub(super) x: Address,
    /// `(outputs, inputs)`.
    pub(super) w: Address,
    /// `(rows, outputs)`.
    pub(super) out: Address,
    pub(super) rows: usize,
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    /// Whether `out` is f32.
    pub(super) wide: bool,
}

impl Gpu {
    pub(super) fn new(device: &CudaDevice) -> Result<Self, ModelError> {
        // SAFETY: everything here runs on the device's only stream, so there is nothing to wait for between streams.
        unsafe { device.disable_event_tracking() };
        let load = |name| -> Result<CudaFunction, ModelError> {
            Ok(device.get_or_load_custom_func(name, "fewstep", PTX)?.into_cuda_function())
        };
        Ok(Self {
            kernels: Kernels {
                gemv: load("gemv")?,
                embed_norm: load("embed_norm")?,
                residual_norm: load("residual_norm")?,
                rope: load("rope")?,
                bias_gelu: load("bias_gelu")?,
                gather: load("gather")?,
                unpad: load("unpad")?,
                attend32: load("attend32")?,
                attend64: load("attend64")?,
                draw: load("draw")?,
            },
            stream: device.cuda_stream(),
            blas: device.cublas_handle(),
        })
    }

    /// Memory with nothing in it yet.
    pub(super) fn reserve<T: DeviceRepr>(&self, len: usize) -> Result<Memory<T>, ModelError> {
        // SAFETY: whoever reads it writes it first.
        let slice = unsafe { self.stream.alloc(len) }.map_err(fail)?;
        Ok(self.memory(slice))
    }

    /// Memory with values in it.
    pub(super) fn upload<T: DeviceRepr>(&self, values: &[T]) -> Result<Memory<T>, ModelError> {
        let slice = self.stream.clone_htod(values).map_err(fail)?;
        Ok(self.memory(slice))
    }

    /// Overwrites the first values of memory.
    pub(super) fn write<T: DeviceRepr>(&self, memory: &mut Memory<T>, values: &[T]) -> Result<(), ModelError> {
        self.stream.memcpy_htod(values, &mut memory.slice).map_err(fail)
    }

    /// Waits for everything so far and copies the first values of memory.
    pub(super) fn read<T: DeviceRepr + Clone + Default>(
        &self,
        memory: &Memory<T>,
        len: usize,
    ) -> Result<Vec<T>, ModelError> {
        let mut values = vec![T::default(); len];
        self.stream.memcpy_dtoh(&memory.slice.slice(..len), &mut values).map_err(fail)?;
        self.stream.synchronize().map_err(fail)?;
        Ok(values)
    }

    fn memory<T>(&self, slice: CudaSlice<T>) -> Memory<T> {
        let address = slice.device_ptr(&self.stream).0;
        Memory { slice, address }
    }

    pub(super) fn product(&self, p: Product) -> Result<(), ModelError> {
        use sys::cublasOperation_t::{CUBLAS_OP_N, CUBLAS_OP_T};
        let (one, zero) = (1.0f32, 0.0f32);
        let short = sys::cudaDataType::CUDA_R_16BF;
        let out = if p.wide { sys::cudaDataType::CUDA_R_32F } else { short };
        let [m, n, k] = [p.outputs, p.rows, p.inputs].map(|n| n as i32);
        // SAFETY: callers pass addresses of live memory of these sizes; cuBLAS counts columns first, so it sees the
        // transposed matrices and computes outᵀ = W xᵀ.
        unsafe {
            blas::gemm_ex(
                *self.blas.handle(),
                CUBLAS_OP_T,
                CUBLAS_OP_N,
                m,
                n,
                k,
                (&raw const one).cast(),
                p.w as *const _,
                short,
                k,
                p.x as *const _,
                short,
                k,
                (&raw const zero).cast(),
                p.out as *mut _,
                out,
                m,
                sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT_TENSOR_OP,
            )
        }
        .map_err(fail)
    }

    /// Starts a kernel on `grid` blocks of `threads`, with `shared` bytes of memory each.
    ///
    /// # Safety
    ///
    /// `args` must be the kernel's parameters in number, order and type, and its addresses those of enough memory.
    pub(super) unsafe fn launch(
        &self,
        kernel: &CudaFunction,
        grid: (usize, usize),
        threads: usize,
        shared: usize,
        args: &[Arg],
    ) -> Result<(), ModelError> {
        let mut launch = self.stream.launch_builder(kernel);
        for arg in args {
            match arg {
                Arg::Address(value) => launch.arg(value),
                Arg::Int(value) => launch.arg(value),
                Arg::Long(value) => launch.arg(value),
                Arg::Float(value) => launch.arg(value),
                Arg::Settings(value) => launch.arg(value),
            };
        }
        let config = LaunchConfig {
            grid_dim: (grid.0 as u32, grid.1 as u32, 1),
            block_dim: (threads as u32, 1, 1),
            shared_mem_bytes: shared as u32,
        };
        // SAFETY: as promised by the caller.
        unsafe { launch.launch(config) }.map_err(fail)?;
        Ok(())
    }
}

/// A kernel's parameter.
#[derive(Clone, Copy)]
pub(super) enum Arg {
    Address(Address),
    Int(i32),
    Long(i64),
    Float(f32),
    Settings(DrawSettings),
}

impl From<Address> for Arg {
    fn from(value: Address) -> Self {
        Self::Address(value)
    }
}

impl From<usize> for Arg {
    fn from(value: usize) -> Self {
        Self::Int(value as i32)
    }
}

impl From<f32> for Arg {
    fn from(value: f32) -> Self {
        Self::Float(value)
    }
}

/// Turns weights into bf16, on all threads: they are the bulk of a load.
pub(super) fn narrow(values: &[f32]) -> Vec<bf16> {
    use rayon::prelude::*;
    values.par_iter().map(|&v| bf16::from_f32(v)).collect()
}

fn fail(error: impl Display) -> ModelError {
    ModelError::Candle(candle_core::Error::msg(error))
}
