//! Recordings and exports, read back by readers that share no code with the writers.

mod cast;
mod exports;
mod figures;
mod files;
mod gif;
mod page;
mod picture;
mod runs;
mod screens;
mod tapes;
mod xml;
