//! The default model and its judge, compiled into the binary: the only place that includes weights.

use super::ModelError;

/// The three files of a model folder.
#[derive(Clone, Copy)]
pub struct Files {
    /// What to call them in messages.
    pub name: &'static str,
    /// `config.json`.
    pub config: &'static [u8],
    /// `tokenizer.json`.
    pub tokenizer: &'static [u8],
    /// `model.safetensors`.
    pub weights: &'static [u8],
}

#[cfg(feature = "bundled-model")]
macro_rules! files {
    ($folder:literal) => {
        Some(Files {
            name: concat!("the built-in ", $folder),
            config: include_bytes!(concat!("../../assets/", $folder, "/config.json")),
            tokenizer: include_bytes!(concat!("../../assets/", $folder, "/tokenizer.json")),
            weights: include_bytes!(concat!("../../assets/", $folder, "/model.safetensors")),
        })
    };
}

#[cfg(feature = "bundled-model")]
static MODEL: Option<Files> = files!("fsdfm");
#[cfg(feature = "bundled-model")]
static JUDGE: Option<Files> = files!("judge");
#[cfg(not(feature = "bundled-model"))]
static MODEL: Option<Files> = None;
#[cfg(not(feature = "bundled-model"))]
static JUDGE: Option<Files> = None;

/// The default model.
pub fn model() -> Result<Files, ModelError> {
    MODEL.ok_or_else(|| missing("model", "--model PATH"))
}

/// The default judge.
pub fn judge() -> Result<Files, ModelError> {
    JUDGE.ok_or_else(|| missing("judge", "--judge PATH"))
}

fn missing(what: &str, flag: &str) -> ModelError {
    ModelError::Request(format!(
        "this build carries no {what}; give one with {flag}, or build with the bundled-model feature"
    ))
}
