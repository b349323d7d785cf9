//! Scripted sessions: each key, what it does, and what the engine is told.

use std::time::Duration;

use crossterm::event::{MouseButton, MouseEventKind};
use fewstep::app::state::{Load, Popup};
use fewstep::app::{Action, Effect, Msg, Overlay, Side, State, Target};
use fewstep::config::{Depth, Mode, Theme};
use fewstep::engine::{Command, Event, Part};
use fewstep::flow::SolverKind;

use crate::fixture::{World, looks, vocab};

/// A finished run of eight steps on a wide screen.
pub(crate) fn finished() -> World {
    let mut world = World::new(120, 36, 8);
    world.ready();
    world.finish();
    world
}

fn engine(effects: &[Effect]) -> Vec<&Command> {
    effects.iter().filter_map(|e| if let Effect::Engine(c) = e { Some(c) } else { None }).collect()
}

#[test]
fn budgets_start_at_once_from_the_same_noise_and_old_runs_stay() {
    let mut world = finished();
    let noise = |w: &World| w.session.state().run().expect("a run").timeline.ids(0);
    let first = noise(&world);
    for (key, steps, runs) in [("+", 16, 2), ("-", 8, 3), ("]", 9, 4), ("[", 8, 5), ("=", 16, 6)] {
        let effects = world.key(key).to_vec();
        let commands = engine(&effects);
        let [Command::Start(start)] = commands[..] else { panic!("{key}: {commands:?}") };
        assert_eq!((start.config.steps(), start.upto as usize), (steps, steps));
        assert_eq!(world.session.state().runs.all().len(), runs);
        assert_eq!((world.playhead(), noise(&world)), (0, first.clone()));
        assert!(world.session.state().play.on);
    }
    assert!(world.text().contains("run 6 of 6"));
    world.keys("{ { { { {");
    assert!(world.text().contains("run 1 of 6") && world.session.state().run().expect("a run").is_complete());
    assert_eq!(world.playhead(), 8, "where it was left");
    world.key("}");
    assert!(world.text().contains("run 2 of 6"));
}

#[test]
fn budgets_stay_between_1_and_1024() {
    let mut world = World::new(80, 24, 1);
    world.key("-");
    assert!(world.effects.is_empty() && world.text().contains("one step is the least"));
    world.key("[");
    assert!(world.effects.is_empty());
    let mut world = World::new(80, 24, 1000);
    world.key("+");
    assert_eq!(world.session.state().run().expect("a run").steps(), 1024);
    world.key("+");
    assert!(world.effects.is_empty() && world.text().contains("1024 steps are the most"));
}

#[test]
fn solver_reroll_and_restart() {
    let mut world = finished();
    let config = |w: &World| w.session.state().run().expect("a run").config.clone();
    let before = config(&world);
    world.key("s");
    assert_eq!(config(&world).solver, SolverKind::Euler);
    world.key("s");
    assert_eq!(config(&world).solver, SolverKind::DfmEuler);
    world.key("s");
    assert_eq!(config(&world), before);
    world.key("r");
    assert_eq!(config(&world).seed, before.seed + 1);
    for key in ["R", "ctrl-r"] {
        let runs = world.session.state().runs.all().len();
        world.key(key);
        assert_eq!(config(&world).seed, before.seed + 1);
        assert_eq!(world.session.state().runs.all().len(), runs + 1);
    }
}

#[test]
fn an_unfinished_run_goes_on_from_its_newest_frame() {
    let mut world = World::new(120, 36, 8);
    world.compute();
    world.compute();
    world.key("+");
    world.compute();
    world.key("{");
    assert_eq!(world.session.state().run().expect("a run").newest(), 2);
    world.keys("end space");
    let job = world.job.clone().expect("a job");
    assert_eq!((job.run, job.from.as_ref().map(|f| f.0), job.upto), (0, Some(2), 8));
    while world.compute() {}
    assert!(world.session.state().run().expect("a run").is_complete());
}

#[test]
fn frames_of_runs_that_are_gone_and_frames_out_of_turn_are_dropped() {
    let mut world = World::new(120, 36, 8);
    world.compute();
    let run = world.session.state().run().expect("a run");
    let old = run.timeline.frame(1);
    world.event(Event::Frame { run: 99, frame: old.clone() });
    world.event(Event::Frame { run: 0, frame: old });
    assert_eq!(world.newest(0), 1);
}

#[test]
fn the_prompt_is_edited_frozen_and_remembered() {
    let mut world = finished();
    world.key("e");
    assert_eq!(world.session.state().mode(), Mode::Prompt);
    // Letters are letters here, not commands.
    world.type_text("Oncq");
    world.keys("backspace");
    world.type_text("e upon");
    world.send(Msg::Paste(" a\ntime".to_owned()));
    assert_eq!(world.session.state().prompt.text(), "Once upon a\ntime");
    world.keys("esc");
    assert_eq!(world.session.state().mode(), Mode::Main);
    assert_eq!(world.session.state().runs.all().len(), 1, "escape starts nothing");
}

#[test]
fn a_prompt_that_cannot_be_encoded_says_so_and_stays_open() {
    // This vocabulary comes from a list of words, as a trace's does: it cannot encode.
    let mut world = finished();
    world.key("e");
    world.type_text("x");
    world.key("enter");
    assert!(world.session.state().prompt.is_open());
    assert!(world.session.state().prompt.error.is_some());
    world.key("alt-enter");
    world.type_text("y");
    assert_eq!(world.session.state().prompt.text(), "x\ny");
    world.keys("up up down ctrl-j esc");
    assert!(!world.session.state().prompt.is_open());
}

#[test]
fn the_cursor_moves_by_token_and_line_and_stays_in_sight() {
    let mut world = World::new(80, 24, 8);
    world.ready();
    world.finish();
    let at = |w: &World| w.session.state().cursor;
    assert_eq!(at(&world), None);
    world.key("l");
    assert_eq!(at(&world), Some(0));
    world.keys("l l h");
    assert_eq!(at(&world), Some(1));
    world.key("j");
    let below = at(&world).expect("a cursor");
    assert!(below > 5);
    world.key("k");
    assert_eq!(at(&world), Some(1));
    for _ in 0..40 {
        world.key("j");
    }
    assert!(world.session.state().passage.scroll() > 0);
    let (line, _) = world.session.state().passage.wrapped().locate(at(&world).expect("a cursor")).expect("a place");
    let scroll = world.session.state().passage.scroll();
    assert!((scroll..scroll + usize::from(world.session.state().layout.passage.height)).contains(&line));
    world.keys("pageup pageup pageup pageup pageup pageup pageup pageup");
    assert_eq!(world.session.state().passage.scroll(), 0);
    world.key("pagedown");
    assert!(world.session.state().passage.scroll() > 0);
    world.key("esc");
    assert_eq!(at(&world), None);
}

#[test]
fn panels_and_overlays_are_switched() {
    let mut world = finished();
    assert!(world.session.state().layout.map.is_some());
    world.key("v");
    assert!(world.session.state().layout.map.is_none());
    world.key("i");
    assert_eq!(world.session.state().side, Side::Off);
    assert!(world.session.state().layout.lower.is_none());
    let mut seen = vec![];
    for _ in Overlay::ALL {
        world.key("o");
        seen.push(world.session.state().overlay);
        world.buffer();
    }
    assert_eq!(seen.last(), Some(&Overlay::LastChange));
    seen.dedup();
    assert_eq!(seen.len(), Overlay::ALL.len());
}

#[test]
fn copy_save_record_suspend_and_quit_are_effects() {
    let mut world = finished();
    let copied = world.key("c").to_vec();
    let [Effect::Copy(text)] = &copied[..] else { panic!("{copied:?}") };
    assert!(text.starts_with("Once upon a time, there was a little girl named Lily.\n"), "{text}");
    assert_eq!(world.key("w"), [Effect::Save(0)]);
    assert_eq!(world.key("g"), [Effect::Record]);
    assert_eq!(world.key("ctrl-z"), [Effect::Suspend]);
    for key in ["q", "ctrl-c"] {
        assert_eq!(world.key(key), [Effect::Quit]);
    }
    // From inside windows too.
    world.key("?");
    assert_eq!(world.key("ctrl-c"), [Effect::Quit]);
    world.keys("esc e");
    assert_eq!(world.key("ctrl-c"), [Effect::Quit]);
}

#[test]
fn help_opens_scrolls_and_closes_and_names_every_key() {
    let mut world = World::new(80, 24, 8);
    world.key("?");
    assert_eq!(world.session.state().popup, Some(Popup::Help));
    let mut pages = String::new();
    for _ in 0..12 {
        pages.push_str(&world.text());
        world.key("pagedown");
    }
    let keymap = world.session.state().looks.keymap.clone();
    for bind in keymap.sections().iter().flat_map(|s| &s.binds).filter(|b| !b.text.is_empty()) {
        let words: Vec<&str> = bind.text.split(' ').take(3).collect();
        assert!(pages.contains(&words.join(" ")), "{} is explained", bind.action.name());
    }
    world.keys("end home up down k j pageup space");
    let left = world.key("q").contains(&Effect::Quit);
    assert!(left, "q leaves, whatever is open");
    world.key("esc");
    assert_eq!(world.session.state().popup, None, "esc closes what is open");
    for key in ["esc", "enter", "?", "f1"] {
        world.key("f1");
        assert!(world.session.state().popup.is_some());
        world.key(key);
        assert!(world.session.state().popup.is_none());
    }
}

#[test]
fn every_key_of_the_keymap_does_what_its_action_does() {
    let keymap = fewstep::config::Keymap::default();
    let main = keymap.sections().iter().filter(|s| s.mode == Mode::Main);
    for bind in main.flat_map(|s| &s.binds) {
        for chord in &bind.chords {
            let (mut pressed, mut asked) = (finished(), finished());
            let by_key = pressed.key(&chord.to_string()).to_vec();
            let by_action = asked.act(bind.action).to_vec();
            assert_eq!(by_key, by_action, "{chord}");
            assert_eq!(pressed.text(), asked.text(), "{chord}");
        }
    }
}

#[test]
fn a_failed_run_shows_why_and_the_last_good_run_stays() {
    let mut world = finished();
    world.key("+");
    let failed = world.run();
    let message = "the model gave a logit that is not a number at position 3".to_owned();
    world.event(Event::Failed { run: Some(failed), part: Part::Model, message });
    assert!(world.text().contains("the run failed") && world.text().contains("not a number at"));
    world.key("esc");
    assert!(world.session.state().run().expect("a run").is_complete());
    assert_eq!(world.session.state().runs.all().len(), 1);
    // A run that got somewhere keeps what it has.
    world.key("+");
    world.compute();
    let failed = world.run();
    world.event(Event::Failed { run: Some(failed), part: Part::Model, message: "no".to_owned() });
    assert_eq!(world.session.state().run().expect("a run").newest(), 1);
    world.keys("esc space");
    assert!(world.effects.is_empty(), "a failed run is not asked for more");
}

#[test]
fn a_model_that_cannot_be_loaded_is_a_message_over_the_noise() {
    let mut world = World::new(80, 24, 8);
    world.event(Event::Failed { run: None, part: Part::Model, message: "model.safetensors: truncated".to_owned() });
    assert!(world.text().contains("the model cannot be used") && world.text().contains("truncated"));
    assert_eq!(world.session.wake_at(), None);
}

#[test]
fn gauges_never_show_a_number_they_do_not_have() {
    let mut world = World::new(120, 36, 8);
    assert!(world.text().contains("judge 0 %"));
    world.event(Event::Loading { part: Part::Judge, fraction: 0.4 });
    assert!(world.text().contains("judge 40 %"));
    world.ready();
    assert!(world.text().contains("scoring…"));
    world.event(Event::Score { run: 0, step: 0, perplexity: None, nll: Vec::new().into() });
    assert!(world.text().contains("undefined"));
    world.event(Event::Score { run: 0, step: 0, perplexity: Some(f64::NAN), nll: Vec::new().into() });
    assert!(world.text().contains("undefined"));
    world.event(Event::Score { run: 0, step: 0, perplexity: Some(f64::INFINITY), nll: Vec::new().into() });
    assert!(world.text().contains("infinite"));
    world.event(Event::Score { run: 0, step: 0, perplexity: Some(4096.0), nll: Vec::new().into() });
    assert!(world.text().contains("4096"));
    world.event(Event::Failed { run: None, part: Part::Judge, message: "out of memory".to_owned() });
    assert!(matches!(world.session.state().judge, Load::Failed(_)));
    world.compute();
    world.key("end");
    assert!(world.text().contains("judge failed"));
}

#[test]
fn the_mouse_does_what_keys_do() {
    let mut world = finished();
    world.click(Target::Step(3));
    assert_eq!((world.playhead(), world.session.state().play.on), (3, false));
    // A drag along the timeline scrubs, also where it leaves the line.
    let (x, y) = world.place(Target::Step(2));
    world.mouse(MouseEventKind::Down(MouseButton::Left), x, y);
    assert_eq!(world.playhead(), 2);
    let (to, _) = world.place(Target::Step(6));
    world.mouse(MouseEventKind::Drag(MouseButton::Left), to, y);
    assert_eq!(world.playhead(), 6);
    let (token_x, token_y) = world.place(Target::Token(9));
    world.mouse(MouseEventKind::Drag(MouseButton::Left), token_x, token_y);
    world.mouse(MouseEventKind::Up(MouseButton::Left), token_x, token_y);
    assert_eq!((world.playhead(), world.session.state().cursor), (6, None));
    world.click(Target::Token(9));
    assert_eq!(world.session.state().cursor, Some(9));
    assert!(world.text().contains("token 9"));
    world.mouse(MouseEventKind::ScrollUp, to, y);
    assert_eq!(world.playhead(), 5);
    world.click(Target::Key(Action::Help));
    assert!(world.session.state().popup.is_some());
    world.mouse(MouseEventKind::ScrollDown, 60, 18);
    assert_eq!(world.session.state().popup_scroll, 3);
    world.mouse(MouseEventKind::Down(MouseButton::Left), 0, 0);
    assert!(world.session.state().popup.is_none());
    let cell = Target::Cell { position: 0, step: 4 };
    world.click(cell);
    assert_eq!((world.playhead(), world.session.state().cursor), (4, Some(0)));
}

#[test]
fn the_wheel_scrolls_a_long_text() {
    let mut world = World::new(60, 12, 8);
    world.ready();
    world.finish();
    let area = world.session.state().layout.passage;
    world.mouse(MouseEventKind::ScrollDown, area.x + 1, area.y + 1);
    assert_eq!(world.session.state().passage.scroll(), 3);
    world.mouse(MouseEventKind::ScrollUp, area.x + 1, area.y + 1);
    assert_eq!(world.session.state().passage.scroll(), 0);
}

#[test]
fn notices_go_away_by_themselves() {
    let mut world = finished();
    world.send(Msg::Notice(fewstep::app::Level::Info, "saved run.fstrace".to_owned()));
    assert!(world.text().contains("saved run.fstrace"));
    let due = world.session.wake_at().expect("a timer");
    world.now = due;
    world.wait(0);
    assert!(!world.text().contains("saved run.fstrace") && world.session.wake_at().is_none());
}

#[test]
fn colours_are_those_of_the_playheads_past() {
    let mut world = finished();
    let (x, y) = world.place(Target::Token(0));
    let at = |w: &mut World, step: &str| {
        w.key(step);
        let buffer = w.buffer();
        (buffer[(x, y)].fg, buffer[(x, y)].bg)
    };
    let seen: Vec<_> = ["0", "8", "0", "8"].iter().map(|s| at(&mut world, s)).collect();
    assert_ne!(seen[0], seen[1]);
    assert_eq!((seen[0], seen[1]), (seen[2], seen[3]));
}

#[test]
fn a_replayed_trace_needs_no_engine() {
    let mut live = finished();
    live.key("+");
    while live.compute() {}
    let (vocab, _) = vocab();
    let looks = looks(Theme::dark(Depth::True));
    let state = State::replay(looks, "stories-33M".to_owned(), std::sync::Arc::new(vocab));
    let mut session = fewstep::app::Session::new(state, 120, 36);
    for run in live.session.state().runs.all() {
        let effects = session.handle(Duration::ZERO, Msg::Run(Box::new(run.timeline.clone())));
        assert!(effects.is_empty());
    }
    assert_eq!((session.state().runs.all().len(), session.state().runs.index()), (2, 0));
    session.handle(Duration::from_millis(400), Msg::Tick(Duration::from_millis(400)));
    assert_eq!(session.state().run().expect("a run").playhead, 1);
    for action in [Action::BudgetDouble, Action::Reroll, Action::Prompt, Action::Restart] {
        let effects = session.handle(Duration::from_secs(1), Msg::Action(action));
        assert!(effects.is_empty() && session.state().notice.is_some(), "{action:?}");
    }
}

#[test]
fn old_runs_are_let_go_when_memory_is_short() {
    let mut world = finished();
    for _ in 0..4 {
        world.key("r");
        while world.compute() {}
    }
    let runs = world.session.state().runs.all();
    let each = runs[0].timeline.memory();
    let mut state_runs = fewstep::app::Runs::default();
    for run in runs {
        state_runs.push(fewstep::app::Run::new(run.id, run.timeline.clone(), ""));
    }
    let gone = state_runs.trim(each * 2 + each / 2);
    assert!(gone >= 2 && state_runs.all().len() == 5 - gone);
    assert_eq!(state_runs.current().expect("a run").id, 4, "the run on screen stays");
    assert!(state_runs.trim(0) > 0 && state_runs.all().len() == 1);
}
