//! The screen without a terminal: scripted runs in, cells out.

mod fixture;
mod hostile;
mod script;
mod shots;
mod storms;
