//! Command line: flags and verbs.
