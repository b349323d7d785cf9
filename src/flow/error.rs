//! What can go wrong with a run.

use crate::model::ModelError;

/// An impossible run, or a step that failed.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// A setting outside its range: which, its value, and what would do.
    #[error("{field} {value}: {fix}")]
    Invalid {
        /// The setting, as the user knows it.
        field: &'static str,
        /// Its offending value.
        value: String,
        /// What is allowed.
        fix: String,
    },
    /// A step was asked for after the last one.
    #[error("the run has taken all of its {steps} steps; start another run to go on")]
    Done {
        /// The budget.
        steps: usize,
    },
    /// The network failed or was cancelled.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl FlowError {
    /// An [`FlowError::Invalid`].
    #[expect(clippy::needless_pass_by_value, reason = "numbers and strings made for the message read better by value")]
    pub(crate) fn invalid(field: &'static str, value: impl ToString, fix: impl Into<String>) -> Self {
        Self::Invalid { field, value: value.to_string(), fix: fix.into() }
    }

    /// Whether the step was cancelled rather than failed.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Model(ModelError::Cancelled))
    }
}
