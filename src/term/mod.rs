//! Terminal: raw mode, signals, capabilities.
