//! fewstep drives a few-step discrete-flow-matching language model (FS-DFM, arXiv 2509.20624) one iteration at a
//! time and shows generation converge.
//!
//! # Where things are
//!
//! | module | what lives there | may use |
//! |---|---|---|
//! | [`model`] | networks and judges: sizes, weight files, forward passes | nothing above it |
//! | [`flow`] | the sampler: schedule, time grid, solvers, noise, metrics | `model` |
//! | [`text`] | the one place where ids become printable text | – |
//! | [`trace`] | frames, timelines, trace files | `text` |
//! | [`engine`] | the worker threads that run model and judge | `model`, `flow`, `trace` |
//! | [`app`] | state, actions, the pure `update` | `trace`, `text` |
//! | [`ui`] | views that read state and draw | `app` |
//! | [`term`] | raw mode, signals, capabilities | – |
//! | [`record`] | casts, GIFs, pages, tapes | `ui`, `trace` |
//! | [`config`] | themes, key bindings | – |
//! | [`run`] | one file a verb: wires the above together | everything |
//!
//! # Data flow
//!
//! ```text
//! key → keymap → Action → app::update → [Effect] → engine Command
//!                            ↑                          ↓
//!                     Event::Frame{run, ids, numbers} ← worker
//!                            ↓
//!                  Timeline::push → ui::draw (once, when dirty) → terminal and recorder
//! ```
//!
//! Frames hold ids and numbers, never strings or styles. Views read state and compute nothing. Headless runs, replay
//! and tapes use the same engine, timeline and views.

pub mod app;
pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod flow;
pub mod model;
pub mod record;
pub mod run;
pub mod term;
pub mod text;
pub mod trace;
pub mod ui;
