//! Snapshots of the screen at several sizes, texts and styles.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fewstep::app::Target;
use fewstep::config::{Depth, Glyphs, Theme};
use fewstep::flow::RunConfig;
use ratatui::buffer::Buffer;
use ratatui::style::Style;

use crate::fixture::{World, lines, looks};

/// The screen's text, then its styles: a letter a cell, the letters explained below.
fn shot(buffer: &Buffer) -> String {
    let mut out = lines(buffer).join("\n");
    out.push_str("\n\n");
    let mut names: BTreeMap<String, char> = BTreeMap::new();
    let mut letters = ('a'..='z').chain('A'..='Z').chain('0'..='9');
    for y in 0..buffer.area.height {
        let mut row = String::new();
        for x in 0..buffer.area.width {
            let style = buffer[(x, y)].style();
            let name = name(style);
            let letter = *names.entry(name).or_insert_with(|| letters.next().unwrap_or('*'));
            row.push(letter);
        }
        let _ = writeln!(out, "{}", runs(&row));
    }
    for (name, letter) in names {
        let _ = writeln!(out, "{letter} = {name}");
    }
    out
}

/// `aaab` → `3a b`.
fn runs(row: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut chars = row.chars().peekable();
    while let Some(c) = chars.next() {
        let mut count = 1;
        while chars.next_if_eq(&c).is_some() {
            count += 1;
        }
        out.push(if count > 1 { format!("{count}{c}") } else { c.to_string() });
    }
    out.join(" ")
}

fn name(style: Style) -> String {
    let colour = |c: Option<ratatui::style::Color>| c.map_or("-".to_owned(), |c| c.to_string());
    format!("{} on {} {:?}", colour(style.fg), colour(style.bg), style.add_modifier)
}

fn world(width: u16, height: u16) -> World {
    let mut world = World::new(width, height, 8);
    world.ready();
    world
}

#[test]
fn wide_at_the_noise() {
    let mut world = World::new(120, 36, 8);
    insta::assert_snapshot!(shot(&world.buffer()));
}

#[test]
fn wide_at_step_3() {
    let mut world = world(120, 36);
    world.finish();
    world.keys("3 j j l");
    insta::assert_snapshot!(shot(&world.buffer()));
}

#[test]
fn wide_at_the_end() {
    let mut world = world(120, 36);
    world.finish();
    insta::assert_snapshot!(shot(&world.buffer()));
}

#[test]
fn ordinary_at_step_3() {
    let mut world = world(80, 24);
    world.finish();
    world.key("3");
    insta::assert_snapshot!(shot(&world.buffer()));
}

#[test]
fn ordinary_at_the_end() {
    let mut world = world(80, 24);
    world.finish();
    insta::assert_snapshot!(lines(&world.buffer()).join("\n"));
}

#[test]
fn small_at_the_noise_and_at_the_end() {
    let mut world = world(40, 10);
    insta::assert_snapshot!("small_at_the_noise", lines(&world.buffer()).join("\n"));
    world.finish();
    insta::assert_snapshot!("small_at_the_end", lines(&world.buffer()).join("\n"));
}

#[test]
fn too_small() {
    insta::assert_snapshot!(lines(&world(39, 9).buffer()).join("\n"));
}

#[test]
fn help_at_two_sizes() {
    for (width, height) in [(120, 36), (80, 24)] {
        let mut world = world(width, height);
        world.key("?");
        insta::assert_snapshot!(format!("help_{width}x{height}"), lines(&world.buffer()).join("\n"));
    }
}

#[test]
fn the_prompt_editor() {
    let mut world = world(80, 24);
    world.key("e");
    world.type_text("Once upon a time");
    insta::assert_snapshot!(lines(&world.buffer()).join("\n"));
}

#[test]
fn revisions_and_changed_now() {
    let mut world = world(80, 24);
    world.finish();
    world.keys("5 o");
    insta::assert_snapshot!("revisions", shot(&world.buffer()));
    world.key("o");
    insta::assert_snapshot!("changed_now", shot(&world.buffer()));
}

#[test]
fn in_ascii_without_colours() {
    let mut looks = looks(Theme::dark(Depth::None));
    looks.glyphs = Glyphs::ASCII;
    let mut world = World::with(120, 30, RunConfig::new(7, 256, 8), looks);
    world.ready();
    world.finish();
    world.key("5");
    let buffer = world.buffer();
    let text = lines(&buffer).join("\n");
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(shot(&buffer));
}

#[test]
fn light_and_few_colours() {
    for (name, theme) in [
        ("light", Theme::light(Depth::True)),
        ("indexed", Theme::dark(Depth::Indexed)),
        ("sixteen", Theme::dark(Depth::Sixteen)),
    ] {
        let mut world = World::with(80, 24, RunConfig::new(7, 256, 8), looks(theme));
        world.ready();
        world.finish();
        world.key("4");
        insta::assert_snapshot!(name, shot(&world.buffer()));
    }
}

#[test]
fn a_thousand_steps() {
    let mut world = World::new(120, 36, 1024);
    world.ready();
    world.finish();
    world.key("5");
    insta::assert_snapshot!(lines(&world.buffer()).join("\n"));
}

#[test]
fn a_click_finds_what_is_drawn() {
    let mut world = world(120, 36);
    world.finish();
    world.click(Target::Step(5));
    assert_eq!(world.playhead(), 5);
    world.click(Target::Token(12));
    assert_eq!(world.session.state().cursor, Some(12));
}

/// Not a test of anything: writes the cells of some screens, for looking at them as pictures.
#[test]
#[ignore = "writes files to look at"]
fn dump() {
    let Some(folder) = std::env::var_os("FEWSTEP_SHOTS").map(std::path::PathBuf::from) else { return };
    let write = |name: &str, world: &mut World| {
        let buffer = world.buffer();
        let cells: Vec<_> = buffer
            .content()
            .iter()
            .map(|c| serde_json::json!([c.symbol(), c.fg.to_string(), c.bg.to_string(), c.modifier.bits()]))
            .collect();
        let json = serde_json::json!({"w": buffer.area.width, "h": buffer.area.height, "cells": cells});
        std::fs::write(folder.join(format!("{name}.json")), json.to_string()).unwrap();
    };
    for theme in [Theme::dark(Depth::True), Theme::light(Depth::True), Theme::dark(Depth::Indexed)] {
        let name = format!("{}-{:?}", theme.name(), theme.depth());
        let mut world = World::with(120, 36, RunConfig::new(7, 256, 8), looks(theme));
        world.ready();
        write(&format!("{name}-0"), &mut world);
        world.finish();
        write(&format!("{name}-8"), &mut world);
        world.keys("3 j j l l");
        write(&format!("{name}-3"), &mut world);
        world.key("?");
        write(&format!("{name}-help"), &mut world);
    }
    let mut world = World::new(120, 36, 8);
    world.ready();
    world.finish();
    for (name, keys) in [
        ("token", "3 j j l l"),
        ("jumps", "J"),
        ("charts", "C"),
        ("ghost", "f"),
        ("entropy", "f o o o"),
        ("surprise", "o o"),
        ("times", "o o t p down"),
        ("what-if", "esc l p l a b right down right"),
    ] {
        world.keys(keys);
        write(name, &mut world);
    }
    world.keys("enter");
    world.finish();
    world.keys("6 i");
    write("branch", &mut world);
    world.key("u");
    write("runs", &mut world);
    for (width, height) in [(80, 24), (40, 10), (200, 60)] {
        let mut world = World::new(width, height, 8);
        world.ready();
        world.finish();
        world.key("5");
        write(&format!("{width}x{height}"), &mut world);
    }
}
