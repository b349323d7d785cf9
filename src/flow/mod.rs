//! The sampler: discrete flow matching from noise to text, one [`Frame`](crate::trace::Frame) a step.

pub mod config;

pub use config::{RunConfig, SolverKind};
