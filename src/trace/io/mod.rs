//! Trace files: JSON Lines, as `docs/trace.md` documents them.
//!
//! * [`parse`]: one line at a time into an [`Item`], with everything checked,
//! * [`read`]: files and streams, plain or zstd, truncated or not,
//! * [`write`](mod@write): the lines, and files that appear whole,
//! * [`follow`]: a trace that another program is still writing,
//! * [`diffusers`]: the animation JSON of diffusers' discrete-diffusion example.

pub mod diffusers;
mod exact;
mod fields;
pub mod file;
pub mod follow;
mod json;
pub mod parse;
mod problem;
pub mod read;
pub mod write;
mod zstd;

pub use file::{TraceFile, save};
pub use follow::{Follower, follow_stream};
pub use parse::{FrameItem, Header, Item, Parser};
pub use read::{Trace, TraceReader};
pub use write::{TraceWriter, WriteOptions};

/// `format` of the header.
pub const FORMAT: &str = "fewstep-trace";
/// `version` of the header.
pub const VERSION: u32 = 1;
/// Longest line read; more is no trace.
pub const MAX_LINE: usize = 64 << 20;
/// Longest sequence read.
pub const MAX_TOKENS: usize = 1 << 16;
/// Largest budget read.
pub const MAX_STEPS: usize = 1 << 16;
