//! Text and traces: hostile tokens, wrapping, timelines, trace files.

mod clean;
mod support;
mod timeline;
mod vocab;
mod wrap;
