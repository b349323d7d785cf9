//! Vocabularies, names and messages that try to speak to the terminal.

use std::sync::Arc;

use fewstep::app::{Level, Msg, Session, State};
use fewstep::config::{Depth, Glyphs, Theme};
use fewstep::engine::{Event, Part};
use fewstep::flow::RunConfig;
use fewstep::text::Vocab;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthChar;

use crate::fixture::{World, looks, spec};

/// Nothing a terminal would act upon: no controls, no characters without a width of their own, no bidi controls.
fn assert_harmless(buffer: &Buffer) {
    for (i, cell) in buffer.content().iter().enumerate() {
        let mut width = 0;
        for c in cell.symbol().chars() {
            let bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(!c.is_control() && !bidi, "cell {i} holds {:?}", cell.symbol());
            width += c.width().unwrap_or(0);
        }
        assert!((1..=2).contains(&width), "cell {i} holds {:?}, {width} columns", cell.symbol());
    }
}

const NASTY: &[&str] = &[
    "\u{1b}]0;title\u{7}",
    "\u{1b}[2J",
    "\u{9b}31m",
    "\r",
    "\n\n\n",
    "\t",
    "\u{0}",
    "\u{7f}",
    "\u{202e}evil",
    "\u{200b}",
    "\u{200d}",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}",
    "\u{e0041}",
    "\u{2028}",
    "\u{feff}",
    "👨\u{200d}👩\u{200d}👧",
    "日本語",
    "\u{ad}",
    "\u{1f1e9}\u{1f1ea}",
    "   ",
    "",
    "a",
    "\u{fffd}",
    "\u{301}",
];

fn nasty_vocab() -> Vocab {
    let mut vocab = Vocab::from_entries((0..).zip(NASTY.iter().map(|s| (*s).to_owned())));
    for byte in 0..=255_u8 {
        vocab.insert((NASTY.len() + usize::from(byte)) as u32, &[byte]);
    }
    vocab
}

#[test]
fn a_vocabulary_of_control_sequences_stays_on_the_page() {
    for glyphs in [Glyphs::UNICODE, Glyphs::ASCII] {
        for seed in 0..12 {
            let vocab = nasty_vocab();
            let mut looks = looks(Theme::dark(Depth::True));
            looks.glyphs = glyphs;
            let spec = spec(vocab.len());
            let mut state = State::live(looks, "m\u{1b}[31m\u{202e}".to_owned(), Some(Arc::new(vocab)), spec, None);
            state.begin(RunConfig::new(seed, 300, 8), "once \u{1b}]52;c;x\u{7}\u{202e}");
            let mut session = Session::new(state, 110, 30);
            let mut buffer = Buffer::empty(Rect::new(0, 0, 110, 30));
            session.draw(&mut buffer);
            assert_harmless(&buffer);
        }
    }
}

#[test]
fn messages_prompts_and_names_are_made_harmless() {
    for nasty in NASTY {
        let mut world = World::new(100, 24, 8);
        world.send(Msg::Notice(Level::Error, format!("x{nasty}y")));
        assert_harmless(&world.buffer());
        world.keys("e");
        world.send(Msg::Paste(format!("x{nasty}y")));
        assert_harmless(&world.buffer());
        world.key("esc");
        let message = format!("x{nasty}y");
        world.event(Event::Failed { run: Some(0), part: Part::Model, message });
        assert_harmless(&world.buffer());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_vocabulary_at_any_width(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 1..40), width in 40_u16..140) {
        let mut vocab = Vocab::empty();
        for (id, bytes) in entries.iter().enumerate() {
            vocab.insert(id as u32, bytes);
        }
        vocab.set_len(entries.len());
        let spec = spec(entries.len());
        let mut state = State::live(looks(Theme::dark(Depth::True)), String::new(), Some(Arc::new(vocab)), spec, None);
        state.begin(RunConfig::new(1, 200, 4), "");
        let mut session = Session::new(state, width, 24);
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 24));
        session.draw(&mut buffer);
        assert_harmless(&buffer);
    }
}
