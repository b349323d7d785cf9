//! The fast path on CPUs: packed weights, kernels chosen at run time, buffers that are kept.

#![expect(
    clippy::inline_always,
    clippy::too_many_arguments,
    clippy::needless_pass_by_value,
    clippy::manual_midpoint,
    reason = "bodies are compiled anew for each instruction set; kernels take slices and sizes, in a struct or not; halves of offsets"
)]

mod acts;
mod aligned;
mod attention;
mod block;
mod condition;
mod dit;
mod gpt2;
mod head;
mod isa;
mod linear;
mod math;
mod parts;
mod row;
mod softmax;
mod threads;
mod tiles;

#[cfg(test)]
mod tests;

pub use dit::FastDit;
pub use gpt2::FastGpt2;
pub use isa::Isa;
