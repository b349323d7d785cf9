//! The worker threads that run model and judge.
