//! Text and traces: hostile tokens, wrapping, timelines, trace files.

mod clean;
mod follow;
mod schema;
mod support;
mod timeline;
mod trace;
mod vocab;
mod wrap;
