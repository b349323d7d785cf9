//! Sizes of a network that comes without a `config.json`, from the shapes of its tensors.

use super::{OpenOptions, Tensors, layout};
use crate::model::{ModelError, ModelSpec, Source};

const FIX: &str = "give a checkpoint of an FS-DFM network";
/// GPT-2's vocabulary, which the published checkpoints use.
const GPT2_VOCAB: usize = 50257;

/// Finds out the sizes; `vocab` is the number of ids of the tokenizer beside the file, if there is one.
pub fn model(
    tensors: &dyn Tensors,
    name: String,
    vocab: Option<usize>,
    options: &OpenOptions,
) -> Result<ModelSpec, ModelError> {
    let [rows, hidden] = matrix(tensors, "vocab_embed.weight")?;
    let [cond, _] = matrix(tensors, "time_embedding.mlp.0.weight")?;
    let [inner, _] = matrix(tensors, "blocks.0.mlp.0.weight")?;
    let half_head = half_head(tensors)?;
    if hidden == 0 || rows == 0 || half_head == 0 || hidden % (2 * half_head) != 0 || inner % hidden != 0 {
        return Err(tensors.error("has tensors whose shapes do not fit together".to_owned(), FIX));
    }
    let source = source(tensors, rows, vocab, options.source)?;
    Ok(ModelSpec {
        name,
        hash: String::new(),
        vocab: rows - usize::from(source == Source::Mask),
        hidden,
        blocks: layout::count_blocks(&tensors.names(), "blocks."),
        heads: hidden / (2 * half_head),
        cond,
        mlp_ratio: inner / hidden,
        length: options.length.unwrap_or(1024),
        source,
        dt_conditioned: tensors.shape("dt_embedding.mlp.0.weight").is_some(),
        least_dt: 0.0,
        exponent: options.exponent.unwrap_or(1.0),
        eos: None,
    })
}

/// One row more than the vocabulary is the mask's.
fn source(
    tensors: &dyn Tensors,
    rows: usize,
    vocab: Option<usize>,
    told: Option<Source>,
) -> Result<Source, ModelError> {
    match (told, vocab) {
        (Some(source), _) => Ok(source),
        (None, Some(vocab)) if rows == vocab => Ok(Source::Uniform),
        (None, Some(vocab)) if rows == vocab + 1 => Ok(Source::Mask),
        (None, Some(vocab)) => Err(tensors.error(
            format!("has {rows} rows of embeddings, the tokenizer beside it {vocab} entries"),
            "give the tokenizer it was trained with (--tokenizer PATH)",
        )),
        (None, None) if rows == GPT2_VOCAB + 1 => Ok(Source::Mask),
        (None, None) => Ok(Source::Uniform),
    }
}

/// Half the width of a head, which only the rotary frequencies tell; they must be the ones this program computes.
fn half_head(tensors: &dyn Tensors) -> Result<usize, ModelError> {
    let name = layout::ROTARY;
    let Some(&[half]) = tensors.shape(name).as_deref() else {
        return Err(tensors.error(format!("has no {name}, so the number of heads is unknown"), FIX));
    };
    let found = tensors.vector(name, half)?;
    let expected = crate::model::rotary::inverse_frequencies(2 * half);
    if found.iter().zip(&expected).any(|(a, b)| (a - b).abs() > 1e-3 * b) {
        return Err(
            tensors.error(format!("{name} are not powers of the base 10000"), "only that rotary base is supported")
        );
    }
    Ok(half)
}

fn matrix(tensors: &dyn Tensors, name: &str) -> Result<[usize; 2], ModelError> {
    match tensors.shape(name).as_deref() {
        Some(&[rows, cols]) => Ok([rows, cols]),
        Some(other) => Err(tensors.error(format!("tensor {name} has shape {other:?}, expected a matrix"), FIX)),
        None => Err(tensors.error(format!("tensor {name} is missing"), FIX)),
    }
}
