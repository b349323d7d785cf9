//! Vocabularies: from ids to bytes, and from prompts to ids.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tokenizers::Tokenizer;

use super::{bytelevel, display};

/// Largest id fewstep handles; it bounds what a damaged file can make it allocate, and fits packed frames.
pub const MAX_ID: u32 = (1 << 24) - 1;

/// Names under which vocabularies list their end-of-text token.
const END_OF_TEXT: [&str; 7] = ["<|endoftext|>", "</s>", "<|end_of_text|>", "<|im_end|>", "<eos>", "[EOS]", "<|end|>"];

/// What can go wrong with a vocabulary.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// A vocabulary file that cannot be used: which, why and what to do about it.
    #[error("{}: {problem}; {fix}", display::safe(&path.to_string_lossy()))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What the user can do.
        fix: &'static str,
    },
    /// Text was to be encoded by a vocabulary that can only decode.
    #[error("this vocabulary comes from a trace and cannot turn text into tokens; start with a model to use a prompt")]
    DecodeOnly,
    /// The tokenizer refused the text.
    #[error("the tokenizer cannot encode this text: {0}")]
    Encode(String),
}

/// The vocabulary of a model or of a trace.
///
/// Decoding needs only a table of bytes, which is read at once; the encoder behind [`Vocab::encode`] is far slower to
/// build and is made when first asked for (or ahead of time, on a thread, by [`Vocab::warm`]).
#[derive(Clone)]
pub struct Vocab {
    bytes: Vec<u8>,
    spans: HashMap<u32, (u32, u32)>,
    len: usize,
    eos: Option<u32>,
    mask: Option<u32>,
    encoder: Encoder,
}

/// Where the encoder comes from, and the encoder once built.
#[derive(Clone)]
struct Encoder {
    json: Option<Cow<'static, [u8]>>,
    merges: Option<Vec<u8>>,
    built: OnceLock<Result<Box<Tokenizer>, String>>,
}

impl Encoder {
    fn new(json: Option<Cow<'static, [u8]>>, merges: Option<Vec<u8>>) -> Self {
        Self { json, merges, built: OnceLock::new() }
    }
}

/// How a vocabulary file spells its tokens.
#[derive(Clone, Copy, PartialEq)]
enum Spelling {
    /// GPT-2's byte alphabet.
    ByteLevel,
    /// SentencePiece: `▁` is a space, `<0x0A>` a byte.
    Metaspace,
    /// BERT: a word starts a token, `##` continues one.
    WordPiece,
}

impl Vocab {
    /// Reads a Hugging Face `tokenizer.json` (byte-level, SentencePiece or WordPiece spelling).
    pub fn from_tokenizer(json: impl Into<Cow<'static, [u8]>>, path: &Path) -> Result<Self, TextError> {
        const FIX: &str = "take the tokenizer.json that belongs to the model";
        let json = json.into();
        let file: TokenizerFile =
            serde_json::from_slice(&json).map_err(|e| bad(path, format!("not a tokenizer.json: {e}"), FIX))?;
        let spelling = file.spelling();
        let mut vocab = Self::empty();
        for (id, token) in &file.model.vocab.0 {
            let bytes = match spelling {
                Spelling::ByteLevel => bytelevel::decode(token),
                Spelling::Metaspace => Some(metaspace(token)),
                Spelling::WordPiece => Some(word_piece(token)),
            };
            let bytes = bytes.unwrap_or_else(|| token.as_bytes().to_vec());
            vocab.insert_checked(*id, &bytes, path, FIX)?;
        }
        for added in &file.added_tokens {
            vocab.insert_checked(added.id, added.content.as_bytes(), path, FIX)?;
        }
        if vocab.spans.is_empty() {
            return Err(bad(path, "its vocabulary is empty", FIX));
        }
        let named = |name: &str| {
            let added = file.added_tokens.iter().find(|t| t.content == name);
            let listed = || file.model.vocab.0.iter().find(|(_, t)| t == name);
            added.map(|t| t.id).or_else(|| listed().map(|(id, _)| *id))
        };
        vocab.eos = END_OF_TEXT.iter().find_map(|name| named(name));
        vocab.encoder = Encoder::new(Some(json), None);
        Ok(vocab)
    }

    /// Reads GPT-2's pair of files, `vocab.json` and `merges.txt`; `path` is that of `vocab.json`.
    pub fn from_gpt2(vocab_json: Vec<u8>, merges: Vec<u8>, path: &Path) -> Result<Self, TextError> {
        const FIX: &str = "take the vocab.json and merges.txt that belong to the model";
        let tokens: Tokens =
            serde_json::from_slice(&vocab_json).map_err(|e| bad(path, format!("not a vocab.json: {e}"), FIX))?;
        let mut vocab = Self::empty();
        for (id, token) in &tokens.0 {
            let bytes = if END_OF_TEXT.contains(&token.as_str()) {
                vocab.eos = vocab.eos.or(Some(*id));
                None
            } else {
                bytelevel::decode(token)
            };
            let bytes = bytes.unwrap_or_else(|| token.as_bytes().to_vec());
            vocab.insert_checked(*id, &bytes, path, FIX)?;
        }
        if vocab.spans.is_empty() {
            return Err(bad(path, "its vocabulary is empty", FIX));
        }
        vocab.encoder = Encoder::new(Some(vocab_json.into()), Some(merges));
        Ok(vocab)
    }

    /// Opens the vocabulary at `path`: a `tokenizer.json`, or a folder with one or with `vocab.json` and `merges.txt`.
    pub fn open(path: &Path) -> Result<Self, TextError> {
        const FIX: &str = "give a tokenizer.json, or a folder with one or with vocab.json and merges.txt";
        let read = |p: &Path| std::fs::read(p).map_err(|e| bad(p, e.to_string(), FIX));
        if !path.is_dir() {
            return Self::from_tokenizer(read(path)?, path);
        }
        let json = path.join("tokenizer.json");
        let gpt2 = path.join("vocab.json");
        if json.exists() {
            Self::from_tokenizer(read(&json)?, &json)
        } else if gpt2.exists() {
            Self::from_gpt2(read(&gpt2)?, read(&path.join("merges.txt"))?, &gpt2)
        } else {
            Err(bad(path, "no tokenizer.json here", FIX))
        }
    }

    /// A vocabulary of the given texts, as traces carry it; ids beyond [`MAX_ID`] are left out. It can only decode.
    pub fn from_entries(entries: impl IntoIterator<Item = (u32, String)>) -> Self {
        let mut vocab = Self::empty();
        for (id, text) in entries {
            vocab.insert(id, text.as_bytes());
        }
        vocab
    }

    /// A vocabulary that knows nothing: ids show as numbers. [`Vocab::insert`] fills it.
    pub fn empty() -> Self {
        Self {
            bytes: Vec::new(),
            spans: HashMap::new(),
            len: 0,
            eos: None,
            mask: None,
            encoder: Encoder::new(None, None),
        }
    }

    /// Sets the bytes of one id. An id beyond [`MAX_ID`], or one that is known already, is left as it is.
    pub fn insert(&mut self, id: u32, bytes: &[u8]) {
        if id > MAX_ID || self.bytes.len() + bytes.len() > u32::MAX as usize {
            return;
        }
        self.spans.entry(id).or_insert_with(|| {
            let start = self.bytes.len() as u32;
            self.bytes.extend_from_slice(bytes);
            (start, bytes.len() as u32)
        });
        self.len = self.len.max(id as usize + 1);
    }

    fn insert_checked(&mut self, id: u32, bytes: &[u8], path: &Path, fix: &'static str) -> Result<(), TextError> {
        if id > MAX_ID {
            return Err(bad(path, format!("token id {id} is out of range"), fix));
        }
        // An added token may rename an id of the model's list: the later spelling wins, as in the tokenizer itself.
        if self.bytes(id).is_some_and(|known| known != bytes) {
            self.spans.remove(&id);
        }
        self.insert(id, bytes);
        Ok(())
    }

    /// Ids of the vocabulary: one more than the largest known (without the mask id), or what [`Vocab::set_len`] said.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no id is known.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Declares the size of a vocabulary of which only a part is known, such as a trace's.
    pub fn set_len(&mut self, len: usize) {
        self.len = len;
    }

    /// The raw bytes of a token; `None` for ids that are not known, and for the mask.
    pub fn bytes(&self, id: u32) -> Option<&[u8]> {
        let (start, len) = *self.spans.get(&id)?;
        self.bytes.get(start as usize..start as usize + len as usize)
    }

    /// The end-of-text id.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Sets the end-of-text id, where it is known better than by its name.
    pub fn set_eos(&mut self, id: Option<u32>) {
        self.eos = id;
    }

    /// Looks for the end-of-text token among entries just added, by its usual names.
    pub(crate) fn find_eos<'a>(&mut self, entries: impl Iterator<Item = (u32, &'a [u8])>) {
        let known = |bytes: &[u8]| END_OF_TEXT.iter().any(|name| name.as_bytes() == bytes);
        self.eos = self.eos.or_else(|| entries.into_iter().find(|(_, bytes)| known(bytes)).map(|(id, _)| id));
    }

    /// The mask id of a mask-source model.
    pub fn mask(&self) -> Option<u32> {
        self.mask
    }

    /// Sets the id that shows as a mask.
    pub fn set_mask(&mut self, id: Option<u32>) {
        self.mask = id;
    }

    /// The text of `ids` joined, without any escaping: not for terminals. Masks are left out; bytes that make no
    /// character become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let known = ids.iter().filter(|id| Some(**id) != self.mask);
        let bytes: Vec<u8> = known.filter_map(|id| self.bytes(*id)).flatten().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether [`Vocab::encode`] can work.
    pub fn can_encode(&self) -> bool {
        self.encoder.json.is_some()
    }

    /// The ids of a prompt.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let encoding = self
            .tokenizer()?
            .encode_fast(text, false)
            .map_err(|e| TextError::Encode(display::safe(&e.to_string()).into_owned()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Builds the encoder now (tens of milliseconds for 4,096 tokens, half a second for GPT-2's), so that the first
    /// prompt need not wait for it. Meant for a thread of its own.
    pub fn warm(&self) {
        // A failure is kept and reported by `encode`.
        self.tokenizer().ok();
    }

    fn tokenizer(&self) -> Result<&Tokenizer, TextError> {
        let json = self.encoder.json.as_deref().ok_or(TextError::DecodeOnly)?;
        let built = self.encoder.built.get_or_init(|| {
            let built = match &self.encoder.merges {
                None => Tokenizer::from_bytes(json),
                Some(merges) => Tokenizer::from_bytes(gpt2_tokenizer(json, merges, self.eos)),
            };
            built.map(Box::new).map_err(|e| display::safe(&e.to_string()).into_owned())
        });
        built.as_deref().map_err(|e| TextError::Encode(e.clone()))
    }
}

impl fmt::Debug for Vocab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocab")
            .field("len", &self.len)
            .field("known", &self.spans.len())
            .field("eos", &self.eos)
            .field("mask", &self.mask)
            .finish_non_exhaustive()
    }
}

fn bad(path: &Path, problem: impl AsRef<str>, fix: &'static str) -> TextError {
    TextError::File { path: path.to_owned(), problem: display::safe(problem.as_ref()).into_owned(), fix }
}

/// Bytes of a SentencePiece token.
fn metaspace(token: &str) -> Vec<u8> {
    let byte = token.strip_prefix("<0x").and_then(|t| t.strip_suffix('>'));
    match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
        Some(byte) => vec![byte],
        None => token.replace('▁', " ").into_bytes(),
    }
}

/// Bytes of a WordPiece token.
fn word_piece(token: &str) -> Vec<u8> {
    match token.strip_prefix("##") {
        Some(rest) => rest.as_bytes().to_vec(),
        None => format!(" {token}").into_bytes(),
    }
}

/// The `tokenizer.json` that GPT-2's two files amount to.
fn gpt2_tokenizer(vocab_json: &[u8], merges: &[u8], eos: Option<u32>) -> Vec<u8> {
    let merges = String::from_utf8_lossy(merges);
    let merges: Vec<&str> = merges.lines().filter(|l| !l.starts_with("#version") && l.contains(' ')).collect();
    let added: Vec<_> = eos
        .map(|id| {
            serde_json::json!({"id": id, "content": END_OF_TEXT[0], "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true})
        })
        .into_iter()
        .collect();
    let level = serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true});
    // The vocabulary is spliced in as text: it is valid JSON already, and large.
    let mut json = format!(
        r#"{{"version":"1.0","added_tokens":{},"pre_tokenizer":{level},"decoder":{level},"model":{{"type":"BPE","merges":{},"vocab":"#,
        serde_json::Value::from(added),
        serde_json::Value::from(merges),
    )
    .into_bytes();
    json.extend_from_slice(vocab_json);
    json.extend_from_slice(b"}}");
    json
}

/// The parts of a `tokenizer.json` that decoding needs.
#[derive(Deserialize)]
struct TokenizerFile {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    pre_tokenizer: serde_json::Value,
    #[serde(default)]
    decoder: serde_json::Value,
    model: ModelPart,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
}

#[derive(Deserialize)]
struct ModelPart {
    #[serde(rename = "type", default)]
    kind: String,
    vocab: Tokens,
}

impl TokenizerFile {
    fn spelling(&self) -> Spelling {
        let named = |name: &str| mentions(&self.pre_tokenizer, name) || mentions(&self.decoder, name);
        if named("ByteLevel") {
            Spelling::ByteLevel
        } else if self.model.kind == "WordPiece" {
            Spelling::WordPiece
        } else {
            Spelling::Metaspace
        }
    }
}

/// Whether a pre-tokenizer or decoder, or one inside it, is of this type.
fn mentions(value: &serde_json::Value, name: &str) -> bool {
    match value {
        serde_json::Value::Object(map) => {
            map.get("type").is_some_and(|t| t == name) || map.values().any(|v| mentions(v, name))
        }
        serde_json::Value::Array(list) => list.iter().any(|v| mentions(v, name)),
        _ => false,
    }
}

/// A vocabulary as files list it: `{token: id}`, or `[[token, score], …]` in the order of ids.
struct Tokens(Vec<(u32, String)>);

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TokensVisitor;
        impl<'de> Visitor<'de> for TokensVisitor {
            type Value = Tokens;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from tokens to ids, or a list of tokens with scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tokens, A::Error> {
                let mut tokens = Vec::new();
                while let Some((token, id)) = map.next_entry::<String, u32>()? {
                    tokens.push((id, token));
                }
                Ok(Tokens(tokens))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tokens, A::Error> {
                let mut tokens = Vec::new();
                while let Some((token, _)) = seq.next_element::<(String, IgnoredAny)>()? {
                    tokens.push((tokens.len() as u32, token));
                }
                Ok(Tokens(tokens))
            }
        }
        deserializer.deserialize_any(TokensVisitor)
    }
}
