//! The sampler held to the paper's numbers: golden values, statistics over many draws, properties.

mod drawing;
mod golden;
mod grids;
mod metrics;
mod network;
mod properties;
mod reference;
mod rules;
mod statistics;
mod vectors;
