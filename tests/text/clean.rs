//! Nothing that could steer a terminal, hide, or upset the grid gets through.

use fewstep::text::{Glyphs, Kind, Piece, Vocab, pieces, pieces_with, plain, safe, safe_with, token_label};
use proptest::prelude::*;
use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthChar as _;

use crate::support::{byte_vocab, vocab};

/// What every safe text keeps to.
fn assert_safe(text: &str) {
    for c in text.chars() {
        assert!(!c.is_control(), "control {c:?} in {text:?}");
        let format = matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0000}'..='\u{E0FFF}');
        assert!(!format, "format character {c:?} in {text:?}");
    }
    for cluster in text.graphemes(true) {
        let width = cluster.cell_width() as usize;
        assert!(width > 0, "{cluster:?} takes no cell in {text:?}");
        let sum: usize = cluster.chars().map(|c| c.width().unwrap_or(0)).sum();
        assert_eq!(width, sum, "{cluster:?} is disputed");
        let marks = cluster.chars().filter(|c| c.width() == Some(0)).count();
        assert!(marks <= 7, "{marks} marks in {cluster:?}");
    }
    // No character may join the cell before it, which another token may have written.
    let after = format!("◌{text}");
    assert_eq!(after.graphemes(true).count(), text.graphemes(true).count() + 1, "{text:?} joins what stands before it");
}

fn shown(text: &str) -> String {
    let out = safe(text).into_owned();
    assert_safe(&out);
    out
}

#[test]
fn plain_text_is_left_alone() {
    for text in ["", "Once upon a time.", "naïve café", "日本語", "한국어", "Привет", "שלום", "🙂 ok", "e\u{301}", "🇫🇷"]
    {
        assert!(matches!(safe(text), std::borrow::Cow::Borrowed(t) if t == text), "{text:?} became {:?}", safe(text));
    }
}

#[test]
fn controls_become_pictures() {
    assert_eq!(shown("\x1b[31mred\x1b[0m"), "␛[31mred␛[0m");
    assert_eq!(shown("\x1b]52;c;aGk=\x07"), "␛]52;c;aGk=␇");
    assert_eq!(shown("a\r\nb\tc\0\x7f"), "a␍⏎b⇥c␀␡");
    assert_eq!(shown("\u{9b}2J\u{85}\u{9d}"), "‹9B›2J‹85›‹9D›");
}

#[test]
fn hidden_characters_show_their_code() {
    assert_eq!(shown("a\u{202e}b\u{2066}c"), "a‹202E›b‹2066›c");
    assert_eq!(shown("a\u{200b}b\u{feff}\u{ad}"), "a‹200B›b‹FEFF›‹AD›");
    assert_eq!(shown("x\u{2028}y\u{2029}"), "x‹2028›y‹2029›");
    assert_eq!(shown("hi\u{E0041}\u{E007F}"), "hi‹E0041›‹E007F›");
    assert_eq!(shown("\u{e0b0}\u{f0001}\u{ffff}"), "‹E0B0›‹F0001›‹FFFF›");
    assert_eq!(shown("\u{3164}\u{115f}"), "‹3164›‹115F›");
}

#[test]
fn marks_are_capped_and_never_lean_on_a_neighbour() {
    assert_eq!(shown("\u{301}"), "◌\u{301}");
    let stack: String = std::iter::once('a').chain(std::iter::repeat_n('\u{301}', 1000)).collect();
    assert_eq!(shown(&stack), "a\u{301}\u{301}\u{301}‹+997›");
    assert_eq!(shown("\u{200b}\u{301}"), "‹200B›◌\u{301}");
}

#[test]
fn emoji_lose_what_terminals_disagree_about() {
    assert_eq!(shown("👨‍👩‍👧"), "👨👩👧");
    assert_eq!(shown("👍🏽"), "👍");
    assert_eq!(shown("❤\u{fe0f}"), "❤");
    assert_eq!(shown("\u{1F3FD}"), "‹1F3FD›");
    assert_eq!(shown("\u{fe0f}"), "‹FE0F›");
    assert_eq!(shown("\u{1F1EB}"), "‹1F1EB›");
    assert_eq!(shown("\u{200d}🙂"), "‹200D›🙂");
    assert_eq!(shown("1\u{fe0f}\u{20e3}"), "1\u{20e3}");
}

#[test]
fn ascii_terminals_get_ascii() {
    let ascii = |t: &str| safe_with(t, Glyphs::Ascii).into_owned();
    assert_eq!(ascii("a\x1b[0m\n\t\x7f"), "a^[[0m\\n\\t^?");
    assert_eq!(ascii("é日\u{202e}"), "??<202E>");
    let vocab = byte_vocab();
    let all: Vec<u32> = (0..259).collect();
    for piece in pieces_with(&vocab, &all, Glyphs::Ascii) {
        assert!(piece.text.bytes().all(|b| (0x20..0x7f).contains(&b)), "{piece:?}");
    }
}

#[test]
fn byte_tokens_join_when_the_character_is_whole() {
    let v = vocab(&[b"\xE2", b"\x80", b"\x9C", b" \xE2\x80", b"\x9CHi\xE2\x80", b"\x9D", b"x"]);
    let texts = |ids: &[u32]| -> Vec<(u32, u32, String, Kind)> {
        pieces(&v, ids).into_iter().map(|p| (p.first, p.count, p.text, p.kind)).collect()
    };
    assert_eq!(
        texts(&[6, 0, 1, 2, 6]),
        [(0, 1, "x".into(), Kind::Text), (1, 3, "“".into(), Kind::Text), (4, 1, "x".into(), Kind::Text)]
    );
    assert_eq!(texts(&[3, 4, 5]), [(0, 3, " “Hi”".into(), Kind::Text)]);
    assert_eq!(
        texts(&[0, 1, 6]),
        [(0, 1, "▯".into(), Kind::Byte), (1, 1, "▯".into(), Kind::Byte), (2, 1, "x".into(), Kind::Text)]
    );
    assert_eq!(texts(&[3, 6]), [(0, 1, " ▯".into(), Kind::Byte), (1, 1, "x".into(), Kind::Text)]);
}

#[test]
fn two_byte_tokens_cannot_make_a_control_sequence() {
    let v = vocab(&[b"\xC2", b"\x9B", b"2J"]);
    let made = pieces(&v, &[0, 1, 2]);
    assert_eq!(made[0].text, "‹9B›");
    assert_eq!((made[0].count, made[0].kind), (2, Kind::Control));
}

#[test]
fn newlines_split_a_token_and_break_the_line() {
    let v = vocab(&[b"\n\n", b"end.\nNext", b"\r\n"]);
    let flat = |ids: &[u32]| -> Vec<(u32, String, bool)> {
        pieces(&v, ids).into_iter().map(|p| (p.first, p.text, p.breaks)).collect()
    };
    assert_eq!(flat(&[0]), [(0, "⏎".into(), true), (0, "⏎".into(), true)]);
    assert_eq!(flat(&[1]), [(0, "end.".into(), false), (0, "⏎".into(), true), (0, "Next".into(), false)]);
    assert_eq!(flat(&[2]), [(0, "␍".into(), false), (0, "⏎".into(), true)]);
}

#[test]
fn special_ids_have_their_own_marks() {
    let v = byte_vocab();
    let made = pieces(&v, &[256, 257, 258, 999]);
    let kinds: Vec<Kind> = made.iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [Kind::Eos, Kind::Mask, Kind::Unknown, Kind::Unknown]);
    assert_eq!(made[0].text, "¶");
    assert!(made[0].breaks);
    assert_eq!(made[3].text, "⟨999⟩");
    assert_eq!(plain(&v, &[72, 105, 10, 256, 66]), "Hi\n¶\nB");
    let empty = vocab(&[b""]);
    assert_eq!(pieces(&empty, &[0])[0].text, "‹›");
    assert_eq!(pieces(&Vocab::empty(), &[3])[0].text, "⟨3⟩");
}

#[test]
fn labels_show_white_space_and_bytes() {
    let v = vocab(&[b" garden", b"\n", b"\t", b"\xE2\x80", b"\x1b", b"", b"  "]);
    let labels: Vec<String> = (0..8).map(|id| token_label(&v, id)).collect();
    assert_eq!(labels, ["·garden", "⏎", "⇥", "<0xE2><0x80>", "␛", "‹›", "··", "⟨7⟩"]);
    assert_eq!(token_label(&byte_vocab(), 256), "<|endoftext|>");
}

/// Text made of what terminals choke on, and ordinary text between.
fn hostile() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        '\u{1b}',
        '\u{9b}',
        '\u{7}',
        '\r',
        '\n',
        '\t',
        '\u{0}',
        '\u{7f}',
        '\u{85}',
        '\u{200d}',
        '\u{200b}',
        '\u{202e}',
        '\u{2069}',
        '\u{fe0f}',
        '\u{fe0e}',
        '\u{301}',
        '\u{20dd}',
        '\u{1f3fd}',
        '👍',
        '👩',
        '❤',
        '\u{1f1eb}',
        '\u{1f1f7}',
        '\u{e0067}',
        'ক',
        '्',
        'क',
        'ष',
        'ि',
        'ﾞ',
        'ｶ',
        '日',
        'ل',
        'ا',
        '\u{1100}',
        '\u{1161}',
        '\u{11a8}',
        '\u{17d2}',
        '\u{1780}',
        '\u{ad}',
        '\u{34f}',
        '\u{2028}',
        '\u{600}',
        '\u{d4e}',
        '\u{e01ef}',
        'a',
        ' ',
        'é',
        '#',
    ]);
    prop_oneof![
        prop::collection::vec(nasty.clone(), 0..24).prop_map(|c| c.into_iter().collect()),
        prop::collection::vec(prop_oneof![nasty, any::<char>()], 0..12).prop_map(|c| c.into_iter().collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn safe_text_is_safe(text in hostile()) {
        let out = safe(&text);
        assert_safe(&out);
        // Made safe once is safe for good, and always says something about something.
        prop_assert_eq!(safe(&out), out.clone());
        prop_assert_eq!(out.is_empty(), text.is_empty());
        prop_assert!(safe_with(&text, Glyphs::Ascii).bytes().all(|b| (0x20..0x7f).contains(&b)));
    }

    #[test]
    fn pieces_of_any_bytes_cover_every_position(tokens in prop::collection::vec(prop_oneof![
        hostile().prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..4),
        Just(vec![0xE2]), Just(vec![0x80]), Just(vec![0x9C]), Just(vec![0xF0, 0x9F]), Just(vec![0x98, 0x80]),
    ], 1..24)) {
        let tokens: Vec<&[u8]> = tokens.iter().map(Vec::as_slice).collect();
        let vocab = vocab(&tokens);
        let ids: Vec<u32> = (0..tokens.len() as u32).collect();
        let made: Vec<Piece> = pieces(&vocab, &ids);
        let mut next = 0;
        for piece in &made {
            assert_safe(&piece.text);
            prop_assert!(!piece.text.is_empty() && piece.count > 0);
            let width: u16 = piece.text.graphemes(true).map(CellWidth::cell_width).sum();
            prop_assert_eq!(piece.width, width);
            prop_assert!(piece.first == next || (piece.first + piece.count == next), "{:?}", made);
            next = piece.first + piece.count;
        }
        prop_assert_eq!(next, ids.len() as u32);
        // Bytes that make characters together are shown so: nothing is left out that the whole text has.
        let whole: usize = vocab.decode(&ids).chars().filter(char::is_ascii_graphic).count();
        let kept: usize = made.iter().flat_map(|p| p.text.chars()).filter(char::is_ascii_graphic).count();
        prop_assert!(kept >= whole);
        for id in ids {
            assert_safe(&token_label(&vocab, id));
        }
    }
}
