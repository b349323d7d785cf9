//! Tapes: read, refused, and performed over traces and live.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use fewstep::app::state::Looks;
use fewstep::app::{Msg, State, update};
use fewstep::cli::Cli;
use fewstep::config::{Depth, Glyphs, Keymap, Theme};
use fewstep::flow::RunConfig;
use fewstep::model::fake::FakeNetwork;
use fewstep::model::{Network, Source};
use fewstep::record::digest::Digest;
use fewstep::record::solo::SoloEngine;
use fewstep::record::stage::{Camera, Screen, Stage};
use fewstep::record::tape::{Tape, perform};
use fewstep::record::transcript::Transcript;
use fewstep::record::{RecordError, screen};
use fewstep::run;
use fewstep::trace::io::{Header, WriteOptions, save};

use crate::runs;

fn parse(text: &str) -> Result<Tape, RecordError> {
    Tape::parse(text, Path::new("demo.tape"))
}

fn looks() -> Looks {
    Looks { theme: Theme::dark(Depth::True), glyphs: Glyphs::UNICODE, keymap: Arc::new(Keymap::default()) }
}

/// The screen over a trace of eight steps.
fn over_a_trace(size: (u16, u16)) -> Screen {
    let mut state = State::replay(looks(), "tiny".to_owned(), Arc::new(runs::vocab()));
    let effects = update(&mut state, Msg::Run(Box::new(runs::plain(60, 8))));
    Screen::new(state, None, size, effects).expect("a screen")
}

/// The screen with a network that computes in place.
fn live() -> Screen {
    let network = FakeNetwork::new(36, 64, Source::Uniform).towards(&[0, 1, 2, 3, 4, 5]);
    let spec = network.spec().clone();
    let engine = SoloEngine::new(Box::new(network), None, Duration::from_millis(60));
    let mut state = State::live(looks(), "fake".to_owned(), Some(Arc::new(runs::vocab())), spec, None);
    let effects = state.begin(RunConfig::new(7, 48, 8), "");
    Screen::new(state, Some(engine), (100, 30), effects).expect("a screen")
}

/// Performs a tape and returns its transcript, its digest and how long it took.
fn show(tape: &str, stage: &mut Screen) -> Result<(String, String, Duration), RecordError> {
    let tape = parse(tape)?;
    let (mut transcript, mut digest) = (Transcript::new(Vec::new(), None), Digest::default());
    let mut camera = Camera::new(vec![&mut transcript, &mut digest]);
    let end = perform(&tape, stage, &mut camera, &mut |_, _| Ok(()), &mut ())?;
    Ok((String::from_utf8(transcript.into_inner()).expect("UTF-8"), digest.hex(), end))
}

#[test]
fn mistakes_are_named_with_line_and_column() {
    for (tape, place, problem) in [
        ("Jump 3", "1:1", "is no command; expected Set, Output, Type"),
        ("Key right\n  Wait\n", "2:7", "expected step N, end, text"),
        ("Key rihgt", "1:5", "\"rihgt\" is no key"),
        ("Key a b", "1:7", "expected how many times"),
        ("Type hello", "1:6", "expected a text in quotes"),
        ("Type \"hel", "1:6", "not closed"),
        ("Type \"a\\x\"", "1:8", "after \\ expected"),
        ("Wait step x", "1:11", "expected a step"),
        ("Wait time 4", "1:11", "expected a time such as 400ms"),
        ("Wait time -1s", "1:11", "expected a time"),
        ("Wait time NaNs", "1:11", "expected a time"),
        ("Wait text \"\"", "1:11", "an empty text is everywhere"),
        ("Resize 80", "1:8", "expected a size such as 100x30"),
        ("Resize 0x4", "1:8", "expected a size"),
        ("Set Size 80x24 7", "1:16", "\"7\" is too much"),
        ("Set Colour red", "1:5", "is no setting; expected Size"),
        ("Set Speed 3", "1:11", "expected 0.25"),
        ("Key a\nSet Size 80x24", "2:1", "Set must come before"),
        ("Output a.mp4", "1:8", "ending in .gif, .cast, .txt"),
        ("Screenshot a.gif", "1:12", "ending in .txt, .svg, .png"),
        ("Set Size", "1:9", "expected a value"),
    ] {
        let error = parse(tape).expect_err(tape).to_string();
        assert!(error.starts_with(&format!("demo.tape:{place}: ")) && error.contains(problem), "{tape:?}: {error}");
        assert!(!error.contains('\n'));
    }
}

#[test]
fn comments_blank_lines_and_odd_keys_are_read() {
    let tape = parse("# a tape\n\nKey #  # the key itself\nKey \" 2\nKey ctrl-r\n  Type \"a # b \\\"c\\\"\"\r\n")
        .expect("a tape");
    assert_eq!(tape.commands.len(), 4);
}

#[test]
fn a_run_plays_on_the_tapes_clock() {
    let (text, _, end) =
        show("Set Size 100x30\nWait step 3\nWait end\n", &mut over_a_trace((100, 30))).expect("performed");
    // At least 400 ms a step, as on the real screen.
    assert_eq!(end, Duration::from_millis(8 * 400));
    for step in 0..=8 {
        assert!(text.contains(&format!("step {step}/8")), "step {step}");
    }
    assert!(text.contains("── 1.200 s · 100×30 ──"), "step 3 appears at its time");
}

#[test]
fn keys_scrub_and_screens_follow() {
    let mut stage = over_a_trace((100, 30));
    show("Key end\nWait step 8\nKey left 3\nWait step 5\nKey home\nWait step 0\n", &mut stage).expect("performed");
    assert_eq!(stage.step(), (0, 8));
}

#[test]
fn the_same_tape_shows_the_same_screens() {
    let tape = "Wait step 2\nKey right\nKey l 5\nResize 60x20\nWait time 1s\nKey ?\nKey esc\nKey space\nWait end\n";
    let first = show(tape, &mut over_a_trace((90, 30))).expect("performed");
    let second = show(tape, &mut over_a_trace((90, 30))).expect("performed");
    assert_eq!(first, second);
    let other = show(&tape.replace("1s", "2s"), &mut over_a_trace((90, 30))).expect("performed");
    assert_ne!(first.1, other.1, "the digest knows times");
}

#[test]
fn waits_that_cannot_come_true_say_where() {
    let error =
        show("Key end\nWait text \"no such text\"", &mut over_a_trace((90, 30))).expect_err("never").to_string();
    assert!(error.starts_with("demo.tape:2:1: \"no such text\" did not appear"), "{error}");
    let error = show("Wait step 99", &mut over_a_trace((90, 30))).expect_err("never").to_string();
    assert!(error.contains("step 99 did not come"), "{error}");
    let error =
        show("Set Timeout 1s\nKey L\nWait step 8", &mut over_a_trace((90, 30))).expect_err("too late").to_string();
    assert!(error.contains("within 1 s"), "{error}");
    let error = show("Key q\nKey a", &mut over_a_trace((90, 30))).expect_err("gone").to_string();
    assert!(error.starts_with("demo.tape:2:1: the program has quit"), "{error}");
}

#[test]
fn a_live_tape_computes_its_steps_on_the_tapes_clock() {
    let tape = "Wait end\nKey +\nWait step 0\nWait end\nKey left 2\nWait step 14\n";
    let mut stage = live();
    let first = show(tape, &mut stage).unwrap_or_else(|error| panic!("{error}\n{}", screen::text(stage.draw())));
    assert_eq!(stage.state().runs.all().len(), 2);
    assert_eq!(stage.step(), (14, 16));
    assert!(first.0.contains("60 ms"), "step times are injected: {}", first.0);
    assert_eq!(show(tape, &mut live()).expect("performed"), first);
}

#[test]
fn screenshots_show_the_moment() {
    let tape = parse("Wait step 2\nScreenshot a.txt\nKey end\nScreenshot b.txt\n").expect("a tape");
    let mut taken = Vec::new();
    let mut shutter = |path: &Path, buffer: &ratatui::buffer::Buffer| {
        taken.push((path.display().to_string(), screen::text(buffer)));
        Ok(())
    };
    perform(&tape, &mut over_a_trace((100, 30)), &mut Camera::new(Vec::new()), &mut shutter, &mut ())
        .expect("performed");
    assert!(taken[0].1.contains("step 2/8") && taken[1].1.contains("step 8/8"));
    assert_eq!((taken[0].0.as_str(), taken[1].0.as_str()), ("a.txt", "b.txt"));
}

#[test]
fn the_verb_writes_recordings_and_checks_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let run = runs::plain(60, 8);
    save(&path("a.fstrace"), false, &Header::default(), Arc::new(runs::vocab()), [&run], WriteOptions::FILE)
        .expect("saved");
    let tape = format!(
        "Set Trace \"{}\"\nSet Size 80x24\nSet FontSize 8\nOutput \"{}\"\nOutput \"{}\"\nOutput \"{}\"\nKey end\nWait step 8\nScreenshot \"{}\"\nKey left 2\nSleep 100ms\n",
        path("a.fstrace").display(),
        path("a.gif").display(),
        path("a.cast").display(),
        path("a.txt").display(),
        path("a.svg").display(),
    );
    fs::write(path("a.tape"), &tape).expect("written");
    let verb = |args: &[&str]| {
        let tape_path = path("a.tape").display().to_string();
        let argv = ["fewstep", "tape", &tape_path].into_iter().chain(args.iter().copied());
        run::dispatch(Cli::try_parse_from(argv).expect("arguments"))
    };
    let lock = path("a.lock").display().to_string();
    verb(&["--lock", &lock]).expect("performed");
    let bytes = |name: &str| fs::read(path(name)).expect(name);
    let first = ["a.gif", "a.cast", "a.txt", "a.svg"].map(bytes);
    assert!(first[0].starts_with(b"GIF89a") && first[1].starts_with(b"{\"term\":{") || first[1].starts_with(b"{"));
    assert!(String::from_utf8_lossy(&first[2]).starts_with("# a.tape · a.fstrace\n"));
    let error = verb(&[]).expect_err("they exist").to_string();
    assert!(error.contains("exists already"), "{error}");
    verb(&["--force"]).expect("replaced");
    assert_eq!(["a.gif", "a.cast", "a.txt", "a.svg"].map(bytes), first, "the same bytes again");
    verb(&["--check", &lock]).expect("nothing has changed");
    fs::write(path("a.tape"), tape.replace("left 2", "left 3")).expect("written");
    let error = verb(&["--check", &lock]).expect_err("changed").to_string();
    assert!(error.contains("the tape has changed"), "{error}");
    // The same tape over other screens.
    fs::write(path("a.tape"), &tape).expect("written");
    save(
        &path("a.fstrace"),
        true,
        &Header::default(),
        Arc::new(runs::vocab()),
        [&runs::hostile(60, 8)],
        WriteOptions::FILE,
    )
    .expect("saved");
    let error = verb(&["--check", &lock]).expect_err("changed").to_string();
    assert!(error.contains("what it shows has changed"), "{error}");
}

#[test]
fn demo_gif_was_made_by_the_demo_tape() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("assets/demo.tape")).expect("the demo tape");
    let tape = Tape::parse(&text, Path::new("assets/demo.tape")).expect("it has no mistakes");
    assert_eq!(tape.settings.outputs, [Path::new("demo.gif")]);
    let gif = root.join("demo.gif");
    if !gif.exists() {
        return;
    }
    assert!(fs::metadata(&gif).expect("demo.gif").len() <= 5 << 20, "demo.gif is larger than 5 MiB");
    let lock = fs::read_to_string(root.join("assets/demo.tape.lock")).expect("the lock beside the tape");
    let line = format!("tape {}", Digest::of(text.as_bytes()).hex());
    let again = "make demo.gif again: fewstep tape assets/demo.tape --force --lock assets/demo.tape.lock";
    assert!(lock.lines().any(|l| l == line), "assets/demo.tape has changed since demo.gif was made; {again}");
}
