//! The top-level error and exit codes.
