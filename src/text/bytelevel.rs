//! The byte alphabet of GPT-2's tokenizer: every byte is written as one printable character in vocabulary files.

/// The byte a character of a byte-level vocabulary stands for.
///
/// Bytes that are printable Latin-1 stand for themselves; the other 68 are numbered from U+0100 in order.
fn byte_of(c: char) -> Option<u8> {
    let code = c as u32;
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => Some(code as u8),
        0x100..=0x120 => Some((code - 0x100) as u8),        // 0x00..=0x20
        0x121..=0x142 => Some((code - 0x121 + 0x7F) as u8), // 0x7F..=0xA0
        0x143 => Some(0xAD),
        _ => None,
    }
}

/// The bytes of a token as a byte-level vocabulary spells it; `None` when it is not spelled in that alphabet.
pub(super) fn decode(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_spelling() {
        let mut seen = [false; 256];
        for c in ('\0'..='\u{143}').filter_map(byte_of) {
            assert!(!std::mem::replace(&mut seen[c as usize], true), "byte {c:#x} twice");
        }
        assert!(seen.iter().all(|s| *s));
    }

    #[test]
    fn known_tokens() {
        assert_eq!(decode("Ġgarden").unwrap(), b" garden");
        assert_eq!(decode("Ċ").unwrap(), b"\n");
        assert_eq!(decode("âĢĻ").unwrap(), "’".as_bytes());
        assert_eq!(decode("▁garden"), None);
    }
}
