//! Lines of cells.

use fewstep::text::{Kind, Piece, Vocab, Wrapped, pieces, wrap};
use proptest::prelude::*;

use crate::support::{byte_vocab, vocab};

fn lines(wrapped: &Wrapped) -> Vec<String> {
    wrapped.lines.iter().map(|l| l.glyphs.iter().map(|g| g.text.as_str()).collect()).collect()
}

fn words(tokens: &[&str], width: u16) -> Vec<String> {
    let tokens: Vec<&[u8]> = tokens.iter().map(|t| t.as_bytes()).collect();
    let ids: Vec<u32> = (0..tokens.len() as u32).collect();
    lines(&wrap(&pieces(&vocab(&tokens), &ids), width))
}

#[test]
fn words_stay_whole_whatever_their_tokens() {
    assert_eq!(words(&["Once", " upon", " a", " t", "ime", ","], 10), ["Once upon ", "a time,"]);
    // The space of a full line is dropped, one that is a token of its own is not.
    assert_eq!(words(&["Once", " upon"], 4), ["Once", "upon"]);
    assert_eq!(words(&["Once", " ", "upon"], 4), ["Once", " ", "upon"]);
    assert_eq!(words(&["Once", "   upon"], 5), ["Once ", "  ", "upon"]);
}

#[test]
fn long_words_break_between_characters() {
    assert_eq!(words(&["a", " abcdefgh"], 4), ["a ", "abcd", "efgh"]);
    assert_eq!(words(&["日本語日本語"], 5), ["日本", "語日", "本語"]);
    assert_eq!(words(&["日a"], 1), ["?", "a"]);
    assert_eq!(words(&[&"x".repeat(100_000)], 80).len(), 1250);
}

#[test]
fn breaks_end_lines() {
    let v = byte_vocab();
    let wrapped = wrap(&pieces(&v, &[65, 10, 10, 66, 256, 67]), 10);
    assert_eq!(lines(&wrapped), ["A⏎", "⏎", "B¶", "C"]);
    assert_eq!(wrapped.lines[2].glyphs[1].kind, Kind::Eos);
    assert!(wrap(&pieces(&v, &[]), 10).lines.is_empty());
    assert!(wrap(&pieces(&v, &[65]), 0).lines.is_empty());
}

#[test]
fn positions_and_cells_map_both_ways() {
    let v = vocab(&[b"Once", b" upon", b" \xE2\x80", b"\x9C", b" "]);
    let wrapped = wrap(&pieces(&v, &[0, 1, 2, 3, 4]), 10);
    assert_eq!(lines(&wrapped), ["Once upon ", "“ "]);
    assert_eq!(wrapped.locate(0), Some((0, 0)));
    // A token is where its word is, not where its space is.
    assert_eq!(wrapped.locate(1), Some((0, 5)));
    assert_eq!(wrapped.at(0, 4), Some(1));
    assert_eq!((wrapped.locate(2), wrapped.locate(3)), (Some((1, 0)), Some((1, 0))));
    assert_eq!(wrapped.at(0, 9), Some(2));
    assert_eq!(wrapped.locate(4), Some((1, 1)));
    assert_eq!((wrapped.at(1, 2), wrapped.at(7, 0), wrapped.locate(5)), (None, None, None));
    assert_eq!((wrapped.nearest(1, 40), wrapped.nearest(9, 0)), (Some(4), None));
}

fn token() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => " ?[a-z]{1,9}".prop_map(String::into_bytes),
        1 => "[ \n]{1,3}".prop_map(String::into_bytes),
        1 => "[日本é🙂]{1,4}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 1..4),
        1 => any::<String>().prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn every_position_is_somewhere_and_every_cell_is_someones(
        tokens in prop::collection::vec(token(), 0..40),
        width in 1u16..30,
    ) {
        let tokens: Vec<&[u8]> = tokens.iter().map(Vec::as_slice).collect();
        let vocab: Vocab = vocab(&tokens);
        let ids: Vec<u32> = (0..tokens.len() as u32).collect();
        let made: Vec<Piece> = pieces(&vocab, &ids);
        let wrapped = wrap(&made, width);
        for (l, line) in wrapped.lines.iter().enumerate() {
            let mut col = 0;
            for glyph in &line.glyphs {
                prop_assert_eq!(glyph.col, col);
                prop_assert!(glyph.width > 0 && !glyph.text.is_empty());
                for cell in 0..glyph.width {
                    prop_assert_eq!(wrapped.at(l, col + cell), Some(glyph.pos));
                }
                col += glyph.width;
            }
            prop_assert!(col <= width);
            prop_assert_eq!(line.width(), col);
        }
        for &pos in &ids {
            let (line, col) = wrapped.locate(pos).expect("every position shows");
            let at = wrapped.at(line, col).unwrap();
            let piece = made.iter().find(|p| p.first == at).unwrap();
            prop_assert!((piece.first..piece.first + piece.count).contains(&pos));
        }
        // Nothing is lost but single spaces at the ends of lines, and what is wider than the screen.
        let before: String = made.iter().flat_map(|p| p.text.chars()).filter(|c| *c != ' ').collect();
        let after: String = lines(&wrapped).concat().chars().filter(|c| *c != ' ').collect();
        if width > 8 {
            prop_assert_eq!(before, after);
        }
    }
}
