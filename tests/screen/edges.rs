//! Corners of keys and panels: traces that do not tell, marks that meet, screens with little room.

use std::sync::Arc;

use fewstep::app::{Msg, Overlay, Session, State};
use fewstep::config::{Depth, Theme};
use fewstep::engine::Event;
use fewstep::flow::{Preset, RunConfig};
use fewstep::trace::Frame;

use crate::fixture::{World, lines, looks, vocab};

fn finished(width: u16, height: u16, steps: usize) -> World {
    let mut world = World::new(width, height, steps);
    world.ready();
    world.finish();
    world
}

fn perplexities(world: &mut World, values: &[f64]) {
    for (step, perplexity) in (0..).zip(values) {
        world.event(Event::Score { run: 0, step, perplexity: Some(*perplexity), nll: Vec::new().into() });
    }
}

#[test]
fn escape_drops_edits_and_what_was_said_of_them_at_once() {
    let mut world = finished(120, 36, 8);
    world.keys("2 l p");
    assert!(world.text().contains("1 pinned"));
    world.key("esc");
    assert!(world.session.state().edits.is_empty() && world.session.state().notice.is_none());
    assert!(!world.text().contains("1 pinned") && world.session.state().cursor.is_some());
}

#[test]
fn finish_now_says_where_a_trace_will_never_tell() {
    let mut world = World::new(120, 36, 8);
    world.ready();
    let ids = world.session.state().run().expect("a run").timeline.ids(0);
    let frame =
        Frame { step: 1, t: 0.125, h: 0.125, ids, changed: Vec::new().into(), jumps: None, detail: None, ms: None };
    world.event(Event::Frame { run: 0, frame });
    world.keys("0 f");
    assert!(world.text().contains("this trace does not tell (write it with --detail)"));
    assert!(!world.session.state().ghost);
    world.keys("1 f");
    assert!(world.text().contains("not known yet") && world.session.state().ghost);
}

#[test]
fn the_last_redraw_keeps_its_place_on_the_timeline() {
    let mut world = finished(120, 36, 8);
    // Perplexity falls most in the very last step.
    perplexities(&mut world, &[900.0, 900.0, 900.0, 900.0, 900.0, 900.0, 900.0, 900.0, 100.0]);
    let bar = lines(&world.buffer())[34].clone();
    assert!(bar.contains("▾↻▏"), "{bar}");
}

#[test]
fn a_swap_never_comes_back_to_the_token_that_is_there() {
    let mut world = finished(120, 36, 8);
    world.keys("4 l");
    for _ in 0..12 {
        world.key("a");
        let state = world.session.state();
        let (&at, &id) = state.edits.replaced.iter().next().expect("a swap");
        let run = state.run().expect("a run");
        assert_ne!(run.timeline.ids(4)[at as usize], id);
    }
    assert!(!world.text().contains("nothing is changed"));
}

#[test]
fn a_preset_and_the_told_step_sizes_go_with_the_budget() {
    let mut config = RunConfig::new(7, 256, 8);
    config.grid = Preset::Cosine.grid(8).expect("a grid");
    config.told_dt = Some(config.grid.windows(2).map(|w| 2.0 * (w[1] - w[0])).collect());
    let mut world = World::with(120, 36, config, looks(Theme::dark(Depth::True)));
    world.key("+");
    let run = world.session.state().run().expect("a run").config.clone();
    assert_eq!(run.grid, Preset::Cosine.grid(16).expect("a grid"));
    let told = run.told_dt.expect("told step sizes");
    assert!((told[3] - 2.0 * (run.grid[4] - run.grid[3])).abs() < 1e-9 && told.len() == 16);
    assert!(world.session.state().notice.is_none());
    // Times of one's own fit one budget only, and that is said.
    world.keys("t right enter ]");
    let run = world.session.state().run().expect("a run").config.clone();
    assert_eq!(run.grid, Preset::Uniform.grid(17).expect("a grid"));
    assert!(world.text().contains("the edited times fit the other budget only"));
}

#[test]
fn the_bottom_line_of_a_trace_offers_only_what_works_there() {
    let timeline = finished(200, 40, 8).session.state().run().expect("a run").timeline.clone();
    let state = State::replay(looks(Theme::dark(Depth::True)), "stories".to_owned(), Arc::new(vocab().0));
    let mut replay = World::new(200, 40, 8);
    let hints = |world: &mut World| lines(&world.buffer())[39].clone();
    let live = hints(&mut replay);
    for hint in
        ["+- budget", "s solver", "r reroll", "e prompt", "b branch", "i token", "C charts", "f finish now", "v map"]
    {
        assert!(live.contains(hint), "{hint}: {live}");
    }
    replay.session = Session::new(state, 200, 40);
    replay.send(Msg::Run(Box::new(timeline)));
    let shown = hints(&mut replay);
    for hint in ["budget", "solver", "reroll", "prompt", "branch"] {
        assert!(!shown.contains(hint), "{hint}: {shown}");
    }
    assert!(shown.contains("f finish now") && shown.contains("space play"));
}

#[test]
fn search_says_which_of_how_many_places() {
    let mut world = finished(120, 36, 8);
    world.key("N");
    assert!(world.text().contains("search first: /"));
    world.key("/");
    world.type_text("lily");
    world.key("enter");
    let said = |w: &World| w.session.state().notice.as_ref().map(|n| n.text.clone()).unwrap_or_default();
    let first = said(&world);
    let count: usize = first.strip_prefix("place 1 of ").and_then(|n| n.parse().ok()).expect("a count");
    assert!(count > 2, "{first}");
    world.key("n");
    assert_eq!(said(&world), format!("place 2 of {count}"));
    world.keys("N N");
    assert_eq!(said(&world), format!("place {count} of {count}"));
}

#[test]
fn every_chart_can_be_reached_on_a_small_screen() {
    let mut world = finished(40, 10, 8);
    for name in ["perplexity", "entropy", "changed", "settled", "posterior entropy"] {
        world.key("C");
        assert!(lines(&world.buffer())[1].starts_with(&format!("  {name} ")), "{name}");
    }
    world.key("C");
    assert!(world.session.state().layout.lower.is_none());
    // With two columns there is room for all.
    let mut wide = finished(80, 24, 8);
    wide.key("C");
    let text = wide.text();
    assert!(
        ["perplexity", "entropy", "changed", "settled", "posterior entropy"].iter().all(|name| text.contains(name))
    );
}

#[test]
fn another_overlay_moves_nothing_and_has_a_legend_everywhere() {
    let mut world = finished(120, 36, 8);
    world.key("5");
    let mut small = finished(40, 10, 8);
    small.key("5");
    let bar = |w: &mut World| lines(&w.buffer())[34].split("step").next().map(str::to_owned);
    let before = bar(&mut world);
    for _ in 1..Overlay::ALL.len() {
        world.key("o");
        assert_eq!(bar(&mut world), before);
        small.key("o");
        small.key("esc");
        let keys = lines(&small.buffer())[9].clone();
        assert!(keys.contains('▇') && keys.contains("q quit"), "{keys}");
    }
}

#[test]
fn a_map_of_many_steps_uses_its_whole_height() {
    let mut world = finished(120, 36, 256);
    let map: String = lines(&world.buffer())[20..32].join("");
    assert!(map.contains('█') && map.contains('▂'), "{map}");
}

#[test]
fn the_history_of_a_token_is_whole_on_a_long_run() {
    let mut world = finished(120, 36, 256);
    world.keys("l l l l");
    let state = world.session.state();
    let run = state.run().expect("a run");
    let changes = run.timeline.history(state.cursor.expect("a cursor"));
    assert!(changes.len() < 10, "a token that changed now and then");
    let text = world.text();
    for change in changes {
        assert!(text.contains(&format!("▇ {:>3} ", change.step)), "step {}: {text}", change.step);
    }
    assert!(text.contains("· 256 ") && text.contains('–'));
}
