//! The fast path on CPUs: packed weights, kernels chosen at run time, buffers that are kept.

mod acts;
mod aligned;
mod attention;
mod block;
mod condition;
mod dit;
mod head;
mod isa;
mod linear;
mod math;
mod parts;
mod softmax;
mod threads;
mod tiles;

pub use dit::FastDit;
pub use isa::Isa;
