//! The fast path on CPUs: packed weights, kernels chosen at run time, buffers that are kept.
//!
//! | scheme | weights | activations | used for |
//! |---|---|---|---|
//! | `Int8Byte` | 8 bits, a scale an output | 8 bits, a scale and a zero a row | int8 with AVX-512 VNNI |
//! | `Int8` | 8 bits, a scale an output | up to 16 bits, a scale a row | int8 elsewhere, and every int8 head |
//! | `Bf16` | bf16 | bf16 | bf16 with AVX-512 BF16 |
//! | `Bf16Wide` | bf16 | f32 | bf16 elsewhere |
//! | `F32` | f32 | f32 | f32 |
//!
//! Attention has forms of its own: f32, 16 bits, and, with `Int8Byte`, 8 bits of queries and keys.
//!
//! From the inside out: `tiles` multiplies a few rows by a panel of columns, `linear` packs and applies layers,
//! `attention` and `softmax` mix positions, `block` takes strips of rows through a transformer block,
//! `dit` and `gpt2` are the network and the judge. `math`, `row` and `sweep` (the sampler's
//! passes) are elementwise and plain Rust, compiled once for each instruction set by a macro in `isa`.
//!
//! Integer sums are exact and no sum over a layer's inputs is split, so results are the same, bit for bit, on any
//! number of threads and whichever rows of the head are asked for. They do differ, within rounding, between
//! instruction sets and precisions. `unsafe` is confined to this module: calls of kernels after detection, and the
//! kernels' pointers. The tests run every kernel of every instruction set the CPU has; under AddressSanitizer with
//!
//! ```sh
//! RUSTFLAGS=-Zsanitizer=address cargo +nightly test --lib kernels --target x86_64-unknown-linux-gnu
//! ```

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
pub(crate) mod sweep;
mod threads;
mod tiles;

#[cfg(all(test, feature = "bundled-model"))]
mod quality;
#[cfg(test)]
mod tests;

pub use dit::FastDit;
pub use gpt2::FastGpt2;
pub use isa::Isa;
