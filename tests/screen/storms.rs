//! Any messages in any order: nothing panics, and what must hold holds.

use std::time::Duration;

use crossterm::event::MouseEventKind;
use fewstep::app::{Action, Level, Msg};
use fewstep::engine::{Event, Part};
use fewstep::trace::Frame;
use proptest::prelude::*;

use crate::fixture::World;

#[derive(Clone, Debug)]
enum Storm {
    Act(Action),
    Compute,
    Score(u32, f64),
    Stale(u32, u32),
    Broken(u32, u32),
    Failed(Option<u32>, bool),
    Loading(f32),
    Wait(u64),
    Resize(u16, u16),
    Mouse(u8, u16, u16),
    Paste(String),
    Type(char),
}

fn storm() -> impl Strategy<Value = Storm> {
    let actions: Vec<Action> = Action::all().filter(|a| !matches!(a, Action::Quit | Action::Suspend)).collect();
    prop_oneof![
        12 => prop::sample::select(actions).prop_map(Storm::Act),
        8 => Just(Storm::Compute),
        3 => (0_u32..12, prop::num::f64::ANY).prop_map(|(s, p)| Storm::Score(s, p)),
        1 => (0_u32..9, 0_u32..9).prop_map(|(r, s)| Storm::Stale(r, s)),
        1 => (0_u32..3, 0_u32..9).prop_map(|(r, s)| Storm::Broken(r, s)),
        1 => (prop::option::of(0_u32..4), any::<bool>()).prop_map(|(r, j)| Storm::Failed(r, j)),
        1 => any::<f32>().prop_map(Storm::Loading),
        5 => (0_u64..900).prop_map(Storm::Wait),
        4 => (0_u16..300, 0_u16..100).prop_map(|(w, h)| Storm::Resize(w, h)),
        4 => (0_u8..5, 0_u16..300, 0_u16..100).prop_map(|(k, x, y)| Storm::Mouse(k, x, y)),
        1 => ".{0,20}".prop_map(Storm::Paste),
        2 => any::<char>().prop_map(Storm::Type),
    ]
}

fn blow(world: &mut World, storm: &Storm) {
    match storm {
        Storm::Act(action) => drop(world.act(*action).len()),
        Storm::Compute => drop(world.compute()),
        Storm::Score(step, perplexity) => {
            let (run, step) = (world.run(), *step);
            let nll = vec![f32::NAN; 3].into();
            world.event(Event::Score { run, step, perplexity: Some(*perplexity), nll });
        }
        Storm::Stale(run, step) => {
            let frame = Frame { step: *step, ids: vec![1; 256].into(), ..Frame::default() };
            world.event(Event::Frame { run: 1000 + run, frame });
        }
        Storm::Broken(run, step) => {
            let frame = Frame { step: *step, t: f64::NAN, ids: vec![1; 3].into(), ..Frame::default() };
            world.event(Event::Frame { run: *run, frame });
        }
        Storm::Failed(run, judge) => {
            let part = if *judge { Part::Judge } else { Part::Model };
            world.event(Event::Failed { run: *run, part, message: "it broke\nbadly".to_owned() });
        }
        Storm::Loading(fraction) => world.event(Event::Loading { part: Part::Model, fraction: *fraction }),
        Storm::Wait(ms) => world.wait(*ms),
        Storm::Resize(width, height) => world.resize(*width, *height),
        Storm::Mouse(kind, x, y) => {
            use crossterm::event::MouseButton::Left;
            let kind = [
                MouseEventKind::Down(Left),
                MouseEventKind::Drag(Left),
                MouseEventKind::Up(Left),
                MouseEventKind::ScrollUp,
                MouseEventKind::ScrollDown,
            ][usize::from(*kind)];
            world.mouse(kind, *x, *y);
        }
        Storm::Paste(text) => drop(world.send(Msg::Paste(text.clone())).len()),
        Storm::Type(c) => world.type_text(&c.to_string()),
    }
}

fn check(world: &mut World) {
    world.buffer();
    let state = world.session.state();
    let run = state.run().expect("there is always a run");
    assert!(run.playhead <= run.newest() && run.newest() <= run.steps());
    assert!((1..=1024).contains(&run.steps()));
    assert!(state.runs.index() < state.runs.all().len());
    assert!(state.cursor.is_none_or(|c| (c as usize) < run.config.tokens));
    // Nothing due may be due in the past: the loop would spin.
    assert!(state.wake_at().is_none_or(|at| at > state.now), "{:?} at {:?}", state.wake_at(), state.now);
    let ids: Vec<_> = state.runs.all().iter().map(|r| r.id).collect();
    assert!(ids.windows(2).all(|w| w[0] < w[1]), "{ids:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_storm_is_weathered(storms in prop::collection::vec(storm(), 1..60)) {
        let mut world = World::new(120, 36, 8);
        for storm in &storms {
            blow(&mut world, storm);
            check(&mut world);
        }
    }
}

#[test]
fn every_size_from_nothing_to_a_wall() {
    let mut world = World::new(120, 36, 8);
    world.ready();
    world.finish();
    world.key("4");
    for open in ["esc", "?", "e"] {
        world.key(open);
        for height in (0..=100).step_by(3) {
            for width in (0..=300).step_by(11) {
                world.resize(width, height);
                world.buffer();
            }
        }
        world.resize(120, 36);
        world.key("esc");
    }
}

#[test]
fn a_buffer_smaller_or_larger_than_the_state_says_is_drawn_all_the_same() {
    use ratatui::{buffer::Buffer, layout::Rect};
    let mut world = World::new(120, 36, 8);
    world.send(Msg::Notice(Level::Info, "x".to_owned()));
    for (width, height) in [(0, 0), (1, 1), (60, 20), (200, 80)] {
        world.session.draw(&mut Buffer::empty(Rect::new(0, 0, width, height)));
    }
    assert!(world.session.wake_at().expect("a notice goes away") >= Duration::from_secs(3));
}

/// Not a test of anything: how long drawing takes, for the largest run on a large screen.
#[test]
#[ignore = "measures time"]
fn draw_time() {
    let config = fewstep::flow::RunConfig::new(7, 1024, 1024);
    let theme = fewstep::config::Theme::dark(fewstep::config::Depth::True);
    let mut world = World::with(200, 60, config, crate::fixture::looks(theme));
    world.ready();
    while world.compute() {}
    for (name, keys) in [("token", "5 l"), ("jumps", "J"), ("charts", "C"), ("diff", "r { d"), ("ghost", "f")] {
        world.keys(keys);
        let start = std::time::Instant::now();
        for _ in 0..50 {
            world.buffer();
        }
        let draw = start.elapsed() / 50;
        let start = std::time::Instant::now();
        for _ in 0..25 {
            world.keys("left right");
        }
        eprintln!("{name}: draw {draw:?}, a step of the playhead {:?}", start.elapsed() / 50);
    }
    let memory: usize = world.session.state().runs.all().iter().map(|run| run.timeline.memory()).sum();
    eprintln!("{} MiB of frames", memory >> 20);
}
