//! Panels, overlays, branches, lists and editors: what keys do, and how it looks at four sizes.

use crossterm::event::{MouseButton, MouseEventKind};
use fewstep::app::state::Popup;
use fewstep::app::{Effect, Msg, Overlay, Side, Target};
use fewstep::config::Mode;
use fewstep::engine::{Command, Event};
use fewstep::flow::{Preset, SolverKind};

use crate::fixture::{World, lines};

const SIZES: [(u16, u16); 4] = [(160, 50), (120, 36), (80, 24), (40, 10)];

fn finished(width: u16, height: u16) -> World {
    let mut world = World::new(width, height, 8);
    world.ready();
    world.finish();
    world
}

/// Snapshots of something at every size.
fn at_every_size(name: &str, keys: &str) {
    for (width, height) in SIZES {
        let mut world = finished(width, height);
        world.keys(keys);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), lines(&world.buffer()).join("\n"));
    }
}

#[test]
fn the_inspector() {
    // On screens without a side the key brings it; with one it is there, and the key would hide it.
    for (width, height) in SIZES {
        let mut world = finished(width, height);
        world.keys("5 l l l l");
        if width < 100 {
            world.key("i");
        }
        insta::assert_snapshot!(format!("inspector_{width}x{height}"), lines(&world.buffer()).join("\n"));
    }
}

#[test]
fn the_jump_view() {
    at_every_size("jumps", "3 J");
}

#[test]
fn the_charts() {
    at_every_size("charts", "+ { 5 C");
    let mut world = finished(160, 50);
    world.key("]");
    world.finish();
    world.keys("4 C");
    insta::assert_snapshot!("charts_of_two_runs", lines(&world.buffer()).join("\n"));
}

#[test]
fn the_run_list() {
    for (width, height) in SIZES {
        let mut world = finished(width, height);
        world.key("+");
        world.finish();
        world.keys("{ 3 z");
        world.finish();
        world.key("u");
        insta::assert_snapshot!(format!("runs_{width}x{height}"), lines(&world.buffer()).join("\n"));
    }
}

#[test]
fn what_if_and_the_editor_of_times() {
    at_every_size("what_if", "4 b right down right");
    at_every_size("times", "t p down left");
}

#[test]
fn every_overlay_has_its_legend() {
    let mut world = finished(120, 36);
    world.key("5");
    let mut legends = vec![];
    for _ in Overlay::ALL {
        world.key("o");
        let line = lines(&world.buffer())[34].clone();
        legends.push(format!("{}: {}", world.session.state().overlay.label(), line.rsplit("  ").next().unwrap_or("")));
    }
    insta::assert_snapshot!(legends.join("\n"));
    // At the noise there is no posterior, and the legend says so.
    world.keys("0 o o o");
    assert_eq!(world.session.state().overlay, Overlay::Entropy);
    assert!(world.text().contains("not known here"));
}

#[test]
fn overlays_colour_by_their_numbers() {
    let mut world = finished(120, 36);
    world.key("5");
    let place = world.place(Target::Token(4));
    let mut seen = vec![];
    for _ in Overlay::ALL {
        let buffer = world.buffer();
        seen.push((buffer[place].fg, buffer[place].bg));
        world.key("o");
    }
    seen.dedup();
    assert!(seen.len() > 3, "{seen:?}");
}

#[test]
fn panels_are_shown_hidden_and_cycled() {
    let mut world = finished(120, 36);
    assert_eq!(world.session.state().side, Side::Token);
    world.key("J");
    assert_eq!(world.session.state().side, Side::Jumps);
    world.key("C");
    assert_eq!(world.session.state().side, Side::Charts);
    world.key("C");
    assert_eq!(world.session.state().side, Side::Off);
    world.keys("tab tab tab tab");
    assert_eq!(world.session.state().side, Side::Token);
    // Without room beside the text a panel takes the map's place, and escape gives it back.
    let mut small = finished(80, 24);
    assert!(small.session.state().layout.map.is_some());
    small.key("J");
    assert!(small.session.state().layout.map.is_none() && small.session.state().layout.lower.is_some());
    small.keys("esc");
    small.key("esc");
    assert!(small.session.state().layout.map.is_some() && small.session.state().layout.lower.is_none());
}

#[test]
fn the_cursor_jumps_to_words_changes_and_late_tokens() {
    let mut world = finished(120, 36);
    let at = |w: &World| w.session.state().cursor.expect("a cursor");
    world.key("W");
    let first = at(&world);
    world.key("W");
    assert!(at(&world) > first);
    world.key("B");
    assert_eq!(at(&world), first);
    world.key("6");
    let changed = world.session.state().run().expect("a run").timeline.changed(6).to_vec();
    world.key(")");
    assert!(changed.contains(&at(&world)));
    let here = at(&world);
    world.keys(") (");
    assert_eq!(at(&world), here);
    world.key("8");
    for key in ["*", "*", "#"] {
        world.key(key);
        let frame = world.session.state().passage.frame().expect("a frame").clone();
        assert!(frame.last_change[at(&world) as usize] >= 6);
    }
    world.keys("0 )");
    assert!(world.text().contains("nothing changed in this frame"));
}

#[test]
fn search_finds_as_it_is_typed_and_goes_round() {
    let mut world = finished(120, 36);
    world.key("n");
    assert!(world.text().contains("search first: /"));
    world.key("/");
    assert_eq!(world.session.state().mode(), Mode::Line);
    world.type_text("gaRDen");
    let first = world.session.state().cursor.expect("found while typing");
    assert!(world.text().contains("search gaRDen"));
    world.key("enter");
    assert_eq!((world.session.state().mode(), world.session.state().query.as_str()), (Mode::Main, "gaRDen"));
    world.key("n");
    let second = world.session.state().cursor.expect("a cursor");
    assert!(second > first);
    world.key("n");
    assert_eq!(world.session.state().cursor, Some(first), "around the end");
    world.key("N");
    assert_eq!(world.session.state().cursor, Some(second));
    // A phrase over several tokens is found at its first.
    world.key("/");
    world.send(Msg::Paste("little girl".to_owned()));
    world.key("enter");
    assert!(world.session.state().cursor.is_some_and(|c| c < first));
    world.keys("/ x esc n");
    assert_eq!(world.session.state().query, "little girl", "escape searches for nothing");
    world.key("/");
    world.type_text("zebra");
    world.key("enter");
    assert!(world.text().contains("no “zebra” in this frame"));
}

#[test]
fn the_ghost_is_what_the_next_step_was_drawn_from() {
    let mut world = finished(120, 36);
    world.key("3");
    let effects = world.key("f").to_vec();
    let run = world.session.state().run().expect("a run");
    let likely = run.timeline.most_likely(4).expect("numbers");
    assert_eq!(world.session.state().passage.ids(), &likely);
    assert!(world.text().contains("if the sampler stopped here") && world.text().contains("scoring…"));
    let asked = effects.iter().any(|e| matches!(e, Effect::Engine(Command::Score(ask)) if ask.ghost && ask.step == 3));
    assert!(asked, "{effects:?}");
    assert!(world.key("l").is_empty(), "asked once");
    world.event(Event::GhostScore { run: 0, step: 3, perplexity: Some(77.7) });
    assert!(world.text().contains("77.7"));
    // At the end it is the text itself.
    world.key("end");
    assert_eq!(world.session.state().passage.ids(), &world.session.state().run().expect("a run").timeline.ids(8));
    world.keys("esc 3");
    assert!(!world.session.state().ghost);
    // Where the next step is not taken yet there is none, and that is said.
    let mut world = World::new(120, 36, 8);
    world.keys("left f");
    assert!(world.text().contains("not known yet"));
}

#[test]
fn a_step_rerolled_is_a_branch_that_shares_what_came_before() {
    let mut world = finished(120, 36);
    world.key("3");
    let effects = world.key("z").to_vec();
    let start = effects.iter().find_map(|e| if let Effect::Engine(Command::Start(s)) = e { Some(s) } else { None });
    let start = start.expect("the engine is told");
    assert_eq!(start.config.salts, [0, 0, 1]);
    let state = world.session.state();
    let (parent, branch) = (&state.runs.all()[0], state.run().expect("a branch"));
    assert_eq!(start.from, Some((2, parent.timeline.ids(2).to_vec())));
    let from = branch.timeline.meta().parent.expect("a parent");
    assert_eq!((from.run, from.step, branch.playhead, branch.newest()), (0, 2, 2, 2));
    assert_eq!(branch.timeline.ids(1), parent.timeline.ids(1));
    assert!(state.diff && state.play.on);
    world.finish();
    assert!(world.session.state().run().expect("a branch").is_complete());
    world.keys("0 z");
    assert!(world.text().contains("changes with the seed"));
}

#[test]
fn tokens_are_pinned_swapped_replaced_by_noise_and_branched_from() {
    let mut world = finished(120, 36);
    world.keys("8 l p");
    assert!(world.text().contains("after the last step nothing follows"));
    world.key("4");
    world.key("p");
    let at = world.session.state().cursor.expect("a cursor");
    assert!(world.session.state().edits.pinned.contains(&at) && world.text().contains("1 pinned"));
    world.key("p");
    assert!(world.session.state().edits.is_empty());
    world.keys("p l a l delete");
    let edits = world.session.state().edits.clone();
    assert_eq!((edits.pinned.len(), edits.replaced.len()), (1, 2));
    let shown = world.session.state().passage.ids().clone();
    assert!(edits.replaced.iter().all(|(p, id)| shown[*p as usize] == *id));
    let effects = world.key("enter").to_vec();
    let start = effects.iter().find_map(|e| if let Effect::Engine(Command::Start(s)) = e { Some(s) } else { None });
    let start = start.expect("the engine is told");
    let (step, ids) = start.from.clone().expect("from a frame");
    assert_eq!((step, &ids[..]), (4, &shown[..]));
    assert_eq!(start.config.frozen, [(at, ids[at as usize])]);
    assert!(world.session.state().edits.is_empty(), "they are the branch's now");
    world.finish();
    let branch = world.session.state().run().expect("a branch");
    assert_eq!(branch.timeline.ids(8)[at as usize], ids[at as usize], "pinned is pinned");
    // Leaving the frame drops edits; so does escape.
    world.keys("4 p right");
    assert!(world.session.state().edits.is_empty());
    world.keys("p esc");
    assert!(world.session.state().edits.is_empty());
    world.key("enter");
    assert!(world.text().contains("change something first"));
}

#[test]
fn a_typed_token_needs_a_tokenizer_and_says_so() {
    let mut world = finished(120, 36);
    world.keys("4 l A");
    world.type_text("dog");
    assert!(world.text().contains("instead of token"));
    world.key("enter");
    assert!(
        world.session.state().line.as_ref().is_some_and(|l| l.error.is_some()),
        "the vocabulary is a list of words"
    );
    world.key("esc");
    assert_eq!(world.session.state().mode(), Mode::Main);
}

#[test]
fn what_if_changes_solver_temperature_top_p_and_noise() {
    let mut world = finished(120, 36);
    world.keys("4 b");
    assert_eq!(world.session.state().popup, Some(Popup::WhatIf));
    world.keys("right down right down left left down left");
    let edits = world.session.state().edits.clone();
    assert!(edits.reroll && edits.solver == Some(SolverKind::Euler));
    assert_eq!((edits.temperature, edits.top_p), (Some(0.8), Some(0.95)));
    // Back to what the run has is no edit.
    world.keys("right up right right");
    assert_eq!((world.session.state().edits.temperature, world.session.state().edits.top_p), (None, None));
    let effects = world.key("enter").to_vec();
    let start = effects.iter().find_map(|e| if let Effect::Engine(Command::Start(s)) = e { Some(s) } else { None });
    let start = start.expect("the engine is told");
    assert_eq!((start.config.solver, start.config.salts.clone()), (SolverKind::Euler, vec![0, 0, 0, 0, 1]));
}

#[test]
fn the_diff_is_against_the_parent_or_the_run_before() {
    let mut world = finished(120, 36);
    world.key("d");
    assert!(world.text().contains("no other run"));
    world.key("d");
    world.key("r");
    world.finish();
    world.key("d");
    assert!(world.text().contains("differs from run 1"));
    let state = world.session.state();
    let (before, now) = (state.runs.all()[0].timeline.ids(8), state.runs.all()[1].timeline.ids(8));
    for position in 0..256 {
        let differs = before[position as usize] != now[position as usize];
        assert_eq!(state.passage.differs(position), differs, "{position}");
    }
    world.key("d");
    assert!(!world.session.state().passage.differs(0));
}

#[test]
fn the_run_list_is_a_tree_to_walk() {
    let mut world = finished(120, 36);
    world.key("+");
    world.finish();
    world.keys("{ 5 z");
    world.finish();
    world.keys("4 z");
    world.finish();
    // 1 → 3 → 4, and 2 by itself.
    assert_eq!(world.session.state().runs.tree(), [(0, 0), (2, 1), (3, 2), (1, 0)]);
    world.key("u");
    assert_eq!((world.session.state().mode(), world.session.state().row), (Mode::List, 2));
    world.keys("up up up enter");
    assert_eq!(world.session.state().runs.index(), 0);
    world.keys("u end enter");
    assert_eq!(world.session.state().runs.index(), 1);
    world.key("u");
    world.click(Target::Row(1));
    assert_eq!((world.session.state().runs.index(), world.session.state().mode()), (2, Mode::Main));
    world.keys("u u");
    assert_eq!(world.session.state().mode(), Mode::Main, "its key closes it");
}

#[test]
fn times_are_dragged_preset_told_and_run() {
    let mut world = finished(120, 36);
    world.key("t");
    let editor = |w: &World| match &w.session.state().popup {
        Some(Popup::Grid(editor)) => editor.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((editor(&world).steps(), editor(&world).preset), (8, Some(Preset::Uniform)));
    world.key("p");
    assert_eq!(editor(&world).preset, Some(Preset::Halving));
    world.keys("p p p down down right >");
    assert_eq!((editor(&world).at, editor(&world).told), (3, 1));
    assert!(editor(&world).times[3] > 0.375 && editor(&world).preset.is_none());
    // The mouse takes the nearest time and drags it.
    let (x, y) = world.place(Target::Time(494));
    world.mouse(MouseEventKind::Down(MouseButton::Left), x, y);
    assert_eq!(editor(&world).at, 4);
    world.mouse(MouseEventKind::Drag(MouseButton::Left), x + 3, y);
    world.mouse(MouseEventKind::Up(MouseButton::Left), x + 3, y);
    assert!(editor(&world).times[4] > 0.51);
    let times = editor(&world).times.clone();
    let effects = world.key("enter").to_vec();
    let start = effects.iter().find_map(|e| if let Effect::Engine(Command::Start(s)) = e { Some(s) } else { None });
    let start = start.expect("the engine is told");
    assert_eq!(start.config.grid, times);
    let told = start.config.told_dt.clone().expect("another step size");
    assert!((told[0] - 2.0 * times[1]).abs() < 1e-9);
    // Another budget has times of its own again; what is told stays twice the step.
    world.key("+");
    let config = &world.session.state().run().expect("a run").config;
    assert!((config.told_dt.as_ref().expect("another step size")[0] - 2.0 * config.grid[1]).abs() < 1e-9);
}

#[test]
fn older_runs_are_scored_when_they_are_looked_at() {
    let mut world = World::new(120, 36, 8);
    world.ready();
    while world.compute() {}
    world.key("r");
    let effects = world.key("{").to_vec();
    let asked: Vec<_> = effects.iter().filter(|e| matches!(e, Effect::Engine(Command::Score(_)))).collect();
    assert_eq!(asked.len(), 1);
    world.score(0, 0);
    assert!(world.key("l").is_empty());
}

#[test]
fn perplexity_jumps_and_the_last_redraw_are_marked() {
    let mut world = finished(120, 36);
    for (step, perplexity) in [900.0, 800.0, 100.0, 90.0, 130.0, 80.0, 70.0, 60.0, 55.0].into_iter().enumerate() {
        world.event(Event::Score { run: 0, step: step as u32, perplexity: Some(perplexity), nll: Vec::new().into() });
    }
    let bar = lines(&world.buffer())[34].clone();
    assert!(bar.contains('▾') && bar.contains('▲') && bar.contains('↻'), "{bar}");
    let column = |c: char| bar.chars().position(|x| x == c).expect("a mark");
    assert!(column('▾') < column('▲') && column('▲') < column('↻'));
}
