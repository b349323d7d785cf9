//! The one place where ids become printable text.
//!
//! Uniform noise over a byte-level vocabulary holds raw control bytes, halves of characters and worse, so hostile text
//! is the normal input here. Everything that reaches a terminal, a page or a picture passes [`safe`], [`pieces`],
//! [`plain`] or [`token_label`]:
//!
//! * [`vocab`] turns ids into bytes (and prompts into ids),
//! * [`display`] turns bytes into safe, visible text, a [`Piece`] a token,
//! * [`wrap`](mod@wrap) lays pieces out in lines of cells and maps positions to cells and back.

mod bytelevel;
mod clean;
pub mod display;
pub mod vocab;
pub mod wrap;

pub use clean::Glyphs;
pub use display::{Kind, Piece, pieces, pieces_with, plain, safe, safe_with, token_label};
pub use vocab::{MAX_ID, TextError, Vocab};
pub use wrap::{Glyph, Line, Wrapped, wrap};
