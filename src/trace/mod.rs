//! Frames, timelines and trace files.
//!
//! * [`frame`]: what the sampler yields,
//! * [`meta`]: what made a run, and the model behind it,
//! * [`timeline`]: one run as the views read it, kept as changes with key frames,
//! * [`map`]: the convergence map, changes binned to cells,
//! * [`io`]: trace files.

mod error;
pub mod frame;
pub mod io;
pub mod map;
pub mod meta;
mod packed;
pub mod timeline;

pub use error::TraceError;
pub use frame::{Detail, Frame, Jumps, TOP};
pub use io::{Header, Trace, TraceReader, TraceWriter, WriteOptions};
pub use map::{Cell, ChangeMap};
pub use meta::{ModelMeta, Parent, RunMeta};
pub use packed::Details;
pub use timeline::{Change, Score, State, Timeline};
