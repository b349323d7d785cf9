//! The fields of each type of line, as they are read: all optional here, with errors that name the field.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::de::Error;

/// Stands between the names of nested fields, and before the problem, in the text of an error.
pub(super) const MARK: char = '\u{1f}';

/// Puts the name of a field before an error.
fn in_field<E: Error>(field: &str, error: impl Display) -> E {
    let text = error.to_string();
    // The position serde_json appends is that in the line's text; the field says it better.
    let text = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    E::custom(format_args!("{field}{MARK}{text}"))
}

/// A struct of optional fields that ignores all others; `null` is the same as absent.
macro_rules! fields {
    ($name:ident { $($field:ident: $ty:ty),* $(,)? }) => {
        #[derive(Default)]
        pub(super) struct $name {
            $(pub(super) $field: Option<$ty>,)*
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut out = $name::default();
                        while let Some(key) = map.next_key::<String>()? {
                            match key.as_str() {
                                $(stringify!($field) => {
                                    out.$field = map.next_value().map_err(|e| in_field(stringify!($field), e))?;
                                })*
                                _ => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(out)
                    }
                }
                deserializer.deserialize_map(Fields)
            }
        }
    };
}

fields!(HeaderFields {
    format: String,
    version: u32,
    tool: String,
    model: ModelFields,
    judge: String,
    precision: String,
    prompt: String,
    tokens: u64,
    vocab: BTreeMap<u32, String>,
    vocab_bytes: BTreeMap<u32, String>,
});

fields!(ModelFields { name: String, hash: String, vocab_size: u64, source: String, eos: u32, mask: u32 });

fields!(VocabFields {
    vocab: BTreeMap<u32, String>,
    vocab_bytes: BTreeMap<u32, String>,
});

fields!(RunFields {
    run: u32,
    seed: u64,
    solver: String,
    steps: u64,
    grid: Vec<f64>,
    temperature: f64,
    top_p: f64,
    tokens: u64,
    frozen: Vec<u32>,
    parent: ParentFields,
    exponent: f64,
    told_dt: Vec<f64>,
    eta: f64,
    controlled_unmasking: bool,
    unmask_change: bool,
    only_masked: bool,
    salts: Vec<u64>,
});

fields!(ParentFields { run: u32, step: u32 });

fields!(FrameFields {
    run: u32,
    step: u32,
    t: f64,
    h: f64,
    ids: Vec<u32>,
    delta: Vec<(u32, u32)>,
    perplexity: f64,
    ms: f64,
    detail: DetailFields,
    jumps: JumpsFields,
});

fields!(DetailFields {
    entropy: Vec<f32>,
    prob: Vec<f32>,
    prob_before: Vec<f32>,
    jump_prob: Vec<f32>,
    rank: Vec<u32>,
    jumped: Vec<u32>,
    top: Vec<Vec<(u32, f32)>>,
});

fields!(JumpsFields {
    cumulative: f32,
    euler: f32,
    dfm: f32,
    actual: u32,
    kappa: f32,
    kappa_next: f32,
    scalar: f32,
    mean_entropy: f32,
});

fields!(ScoreFields {
    run: u32,
    step: u32,
    perplexity: f64,
    ghost_perplexity: f64,
    nll: Vec<f32>,
});
