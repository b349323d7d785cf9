//! The sampler: discrete flow matching from noise to text, one [`Frame`](crate::trace::Frame) a step.
//!
//! ```text
//! config ── check ──► Sampler::step
//!                       │  rng       who gets which random number
//!                       │  solver    may this row jump at all? then the network is asked for it
//!                       │  row       logits → posterior, in place, in one visit
//!                       │  solver    does it jump, and where to
//!                       ▼
//!                     Frame ──► metrics
//! ```
//!
//! `docs/sampling.md` states the algorithms with test vectors.

mod check;
pub mod config;
pub mod error;
pub mod grid;
pub mod metrics;
mod nucleus;
pub mod rng;
pub mod row;
pub mod sampler;
pub mod schedule;
pub mod solver;
pub mod weights;

pub use config::{RunConfig, SolverKind};
pub use error::FlowError;
pub use grid::{Preset, parse_grid};
pub use sampler::{Sampler, Want};
pub use schedule::Schedule;
