//! From ids to pieces: safe, visible text that knows which positions it came from.
//!
//! Newline → `⏎`, end of text → `¶`, mask → `░`, an id outside the vocabulary → `⟨123⟩`, bytes that are not a
//! character → `▯`; how everything else is made safe is listed in `text/clean.rs`. Spaces stay spaces.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::clean::{Found, Glyphs, clean, is_plain, width};
use super::vocab::Vocab;

/// What a [`Piece`] shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Ordinary text.
    #[default]
    Text,
    /// `⏎`, where the text breaks the line.
    Newline,
    /// `¶`, the end-of-text id.
    Eos,
    /// Bytes that are not a whole character, perhaps with text around them.
    Byte,
    /// Nothing but placeholders for control, format or other characters that cannot be shown.
    Control,
    /// The mask id.
    Mask,
    /// An id that is not in the vocabulary.
    Unknown,
}

/// Safe text of one position, or of a few whose bytes make a character together.
///
/// Pieces come in the order of positions and cover each one. A token that holds newlines becomes several pieces with
/// the same `first`: one up to each newline, one for each newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First position covered.
    pub first: u32,
    /// Number of positions covered: more than one where byte tokens complete a character together.
    pub count: u32,
    /// Safe text, never empty, never with a line break in it.
    pub text: String,
    /// Width of `text` in cells; always this many, however the text is measured as a whole.
    pub width: u16,
    /// What it shows.
    pub kind: Kind,
    /// Whether the line ends after this piece.
    pub breaks: bool,
}

/// Any foreign text (a path, an error, a name, a prompt) made harmless for a terminal, on one line.
pub fn safe(text: &str) -> Cow<'_, str> {
    safe_with(text, Glyphs::Unicode)
}

/// [`safe`] for a terminal that can show `glyphs`.
pub fn safe_with(text: &str, glyphs: Glyphs) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    clean(text, glyphs, &mut out);
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// The pieces of a sequence, for a UTF-8 terminal.
pub fn pieces(vocab: &Vocab, ids: &[u32]) -> Vec<Piece> {
    pieces_with(vocab, ids, Glyphs::Unicode)
}

/// The pieces of a sequence.
pub fn pieces_with(vocab: &Vocab, ids: &[u32], glyphs: Glyphs) -> Vec<Piece> {
    let mut out = Vec::with_capacity(ids.len() + 8);
    let mut at = 0;
    while at < ids.len() {
        let first = at as u32;
        let mut special = |text: String, kind: Kind| {
            out.push(Piece { first, count: 1, width: width(&text), text, kind, breaks: kind == Kind::Eos });
        };
        match token(vocab, ids[at]) {
            Token::Eos => special(glyphs.eos().into(), Kind::Eos),
            Token::Mask => special(glyphs.mask().into(), Kind::Mask),
            Token::Unknown => special(glyphs.unknown(ids[at]), Kind::Unknown),
            Token::Bytes(bytes) => {
                let count = joined(vocab, &ids[at..], bytes);
                if count == 1 {
                    split(bytes, first, 1, glyphs, &mut out);
                } else {
                    let all: Vec<u8> =
                        ids[at..at + count].iter().filter_map(|id| vocab.bytes(*id)).flatten().copied().collect();
                    split(&all, first, count as u32, glyphs, &mut out);
                }
                at += count - 1;
            }
        }
        at += 1;
    }
    out
}

enum Token<'a> {
    Eos,
    Mask,
    Unknown,
    Bytes(&'a [u8]),
}

fn token(vocab: &Vocab, id: u32) -> Token<'_> {
    if vocab.mask() == Some(id) {
        Token::Mask
    } else if vocab.eos() == Some(id) {
        Token::Eos
    } else {
        vocab.bytes(id).map_or(Token::Unknown, Token::Bytes)
    }
}

/// How many tokens from the first on share characters: each ends inside a character that the next one completes.
fn joined(vocab: &Vocab, ids: &[u32], first: &[u8]) -> usize {
    let mut count = 1;
    let mut last = first;
    // Bytes of `last` that belong to the character before it.
    let mut used = 0;
    'chain: loop {
        let mut pending = unfinished(&last[used..]).to_vec();
        if pending.is_empty() {
            return count;
        }
        for (ahead, id) in ids[count..].iter().enumerate() {
            let Token::Bytes(bytes) = token(vocab, *id) else {
                return count;
            };
            for (i, byte) in bytes.iter().enumerate() {
                pending.push(*byte);
                match std::str::from_utf8(&pending) {
                    Ok(_) => {
                        count += ahead + 1;
                        (last, used) = (bytes, i + 1);
                        continue 'chain;
                    }
                    Err(e) if e.error_len().is_some() => return count,
                    Err(_) => {}
                }
            }
        }
        return count;
    }
}

/// The bytes at the end that begin a character without finishing it.
fn unfinished(bytes: &[u8]) -> &[u8] {
    for len in 1..=bytes.len().min(3) {
        let tail = &bytes[bytes.len() - len..];
        match std::str::from_utf8(tail) {
            Err(e) if e.error_len().is_none() && e.valid_up_to() == 0 => return tail,
            Ok(_) => break,
            Err(_) => {}
        }
    }
    &[]
}

/// Pushes the pieces of one token's bytes: one, or more around newlines.
fn split(bytes: &[u8], first: u32, count: u32, glyphs: Glyphs, out: &mut Vec<Piece>) {
    let mut rest = bytes;
    loop {
        let newline = rest.iter().position(|b| *b == b'\n');
        let line = &rest[..newline.unwrap_or(rest.len())];
        // A token without any text still shows where it is.
        if !line.is_empty() || bytes.is_empty() {
            out.push(shown(line, first, count, glyphs));
        }
        let Some(newline) = newline else { return };
        let text = glyphs.newline().to_owned();
        out.push(Piece { first, count, width: width(&text), text, kind: Kind::Newline, breaks: true });
        rest = &rest[newline + 1..];
        if rest.is_empty() {
            return;
        }
    }
}

fn shown(line: &[u8], first: u32, count: u32, glyphs: Glyphs) -> Piece {
    let mut text = String::with_capacity(line.len());
    let mut found = Found::default();
    let mut broken = false;
    for chunk in line.utf8_chunks() {
        let part = clean(chunk.valid(), glyphs, &mut text);
        found.shown |= part.shown;
        found.replaced |= part.replaced;
        if !chunk.invalid().is_empty() {
            broken = true;
            text.push_str(glyphs.byte());
        }
    }
    if text.is_empty() {
        text.push_str(if glyphs == Glyphs::Unicode { "‹›" } else { "<>" });
        found.replaced = true;
    }
    let kind = if broken {
        Kind::Byte
    } else if found.replaced && !found.shown {
        Kind::Control
    } else {
        Kind::Text
    };
    Piece { first, count, width: width(&text), text, kind, breaks: false }
}

/// A token's name for lists and the inspector: white space is visible (`·`, `⏎`, `⇥`), stray bytes show as `<0xE2>`.
pub fn token_label(vocab: &Vocab, id: u32) -> String {
    let bytes = match (token(vocab, id), vocab.bytes(id)) {
        (Token::Mask, None) => return Glyphs::Unicode.mask().into(),
        (_, None) => return Glyphs::Unicode.unknown(id),
        (_, Some([])) => return "‹›".into(),
        (_, Some(bytes)) => bytes,
    };
    let mut out = String::with_capacity(bytes.len() + 2);
    for chunk in bytes.utf8_chunks() {
        for (i, part) in chunk.valid().split(' ').enumerate() {
            if i > 0 {
                out.push('·');
            }
            clean(part, Glyphs::Unicode, &mut out);
        }
        for byte in chunk.invalid() {
            write!(out, "<0x{byte:02X}>").ok();
        }
    }
    out
}

/// A sequence as plain text: real newlines, everything else as on screen.
pub fn plain(vocab: &Vocab, ids: &[u32]) -> String {
    let mut out = String::with_capacity(ids.len() * 5);
    for piece in pieces(vocab, ids) {
        if piece.kind != Kind::Newline {
            out.push_str(&piece.text);
        }
        if piece.breaks {
            out.push('\n');
        }
    }
    out
}
