//! Themes and key bindings.
