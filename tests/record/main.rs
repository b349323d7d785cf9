//! Recordings and exports, read back by readers that share no code with the writers.

mod cast;
mod files;
mod gif;
mod picture;
mod screens;
mod xml;
