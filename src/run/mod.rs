//! One file a verb: what the program does once the arguments are parsed.

pub mod probe;
