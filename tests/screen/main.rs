//! The screen without a terminal: scripted runs in, cells out.

mod edges;
mod family;
mod fixture;
mod foreign;
mod hostile;
mod insight;
mod playing;
mod script;
mod shots;
mod storms;
