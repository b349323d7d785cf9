//! Traces of other programs: what they say is shown, and what they do not say is not made up.

use std::sync::Arc;
use std::time::Duration;

use fewstep::app::{Msg, Session, State};
use fewstep::config::{Depth, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::family::replayed;
use crate::fixture::looks;

const HEADER: &str = "{\"type\":\"header\",\"format\":\"fewstep-trace\",\"version\":1,\"tokens\":2}\n";

/// A run of one step, with what else its line and its last frame say.
fn trace(run: &str, frame: &str) -> Vec<u8> {
    let begin = format!("{{\"type\":\"run\",\"steps\":1{run}}}\n{{\"type\":\"frame\",\"ids\":[0,1]}}\n");
    format!("{HEADER}{begin}{{\"type\":\"frame\",\"ids\":[1,1]{frame}}}\n").into_bytes()
}

/// The screen at the end of the run after some keys, line by line, and its cells.
fn screen(trace: &[u8], keys: &[&str]) -> (Vec<String>, Buffer) {
    let mut session = replayed(trace);
    for key in ["end"].iter().chain(keys) {
        let chord = fewstep::config::Chord::parse(key).expect("a key");
        session.input(Duration::ZERO, &crossterm::event::Event::Key(chord.event()));
    }
    let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 36));
    session.draw(&mut buffer);
    let line = |y| (0..120).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    ((0..36).map(line).collect(), buffer)
}

/// The styles of the names of the three rules.
fn rules(lines: &[String], buffer: &Buffer) -> [Style; 3] {
    let at = |(line, y): (&String, u16)| line.find("dfm euler").map(|at| (line[..at].chars().count() as u16, y));
    let (x, y) = lines.iter().zip(0..).find_map(at).unwrap_or_else(|| panic!("the jumps in {lines:#?}"));
    [y - 2, y - 1, y].map(|y| buffer[(x, y)].style())
}

#[test]
fn a_sampler_of_its_own_is_named_and_no_rule_is_marked_as_its() {
    let jumps = ",\"jumps\":{\"cumulative\":1,\"euler\":1,\"dfm\":1,\"actual\":1}";
    let (lines, buffer) = screen(&trace(",\"solver\":\"ddim \\u001b[2J\"", jumps), &["J"]);
    assert!(lines[0].contains("ddim ") && !lines[0].contains("cumulative"), "{}", lines[0]);
    assert!(!lines[0].contains('\u{1b}'));
    let [cumulative, euler, dfm] = rules(&lines, &buffer);
    assert!(cumulative == dfm && euler == dfm);
    let (lines, buffer) = screen(&trace(",\"solver\":\"euler\"", jumps), &["J"]);
    let [cumulative, euler, dfm] = rules(&lines, &buffer);
    assert!(cumulative == dfm && euler != dfm);
}

#[test]
fn what_is_waited_for_is_said_and_a_message_stays() {
    let vocab = Arc::new(fewstep::text::Vocab::empty());
    let mut state = State::replay(looks(Theme::dark(Depth::True)), String::new(), vocab);
    state.waiting = Some("a\u{1b}.fstrace".to_owned());
    let mut session = Session::new(state, 120, 36);
    let text = |session: &mut Session| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 36));
        session.draw(&mut buffer);
        buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect::<String>()
    };
    let shown = text(&mut session);
    assert!(shown.contains("waiting for a") && !shown.contains('\u{1b}'));
    let trace = fewstep::trace::Trace::read(trace("", "").as_slice()).expect("a trace");
    session.handle(Duration::ZERO, Msg::Run(Box::new(trace.runs[0].clone())));
    assert!(!text(&mut session).contains("waiting for"));
    let message = Msg::Message { title: "broken".to_owned(), text: "line 3: no id".to_owned() };
    session.handle(Duration::ZERO, message);
    session.handle(Duration::from_secs(60), Msg::Tick(Duration::from_secs(60)));
    assert!(text(&mut session).contains("line 3: no id"));
}

#[test]
fn what_a_trace_does_not_tell_is_no_zero() {
    let (lines, _) = screen(&trace("", ""), &[]);
    assert!(!lines[0].contains("seed"), "{}", lines[0]);
    let bar = lines.iter().find(|line| line.contains("1/1")).expect("the bar");
    assert!(bar.contains("–") && !bar.contains("ms"), "{bar}");
    let (lines, _) = screen(&trace("", ""), &["u"]);
    let row = lines.iter().find(|line| line.contains(" 1   ") && line.contains("cumulative")).expect("a row");
    assert_eq!(row.matches('–').count(), 3, "seed, perplexity and time: {row}");

    let (lines, _) = screen(&trace(",\"seed\":0", ",\"ms\":0.25"), &[]);
    assert!(lines[0].contains("seed 0"), "{}", lines[0]);
    assert!(lines.iter().any(|line| line.contains("0.2 ms/step") || line.contains("0.3 ms/step")), "{lines:#?}");
}

#[test]
fn the_perplexity_of_stopping_here_is_replayed() {
    let score = "{\"type\":\"score\",\"step\":0,\"ghost_perplexity\":77.7}\n";
    let detail = ",\"detail\":{\"top\":[[[1,0.5]],[[0,0.5]]]}";
    let trace = [trace("", detail), score.as_bytes().to_vec()].concat();
    let (lines, _) = screen(&trace, &["home", "f"]);
    assert!(lines.iter().any(|line| line.contains("if the sampler stopped here")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("perplexity") && line.contains("77.7")), "{lines:#?}");
    let (lines, _) = screen(&trace, &["home"]);
    assert!(!lines.iter().any(|line| line.contains("77.7")));
}
