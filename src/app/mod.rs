//! State, actions and the pure update.
