//! Casts, read by a parser of our own and two terminal emulators.

use std::io::{self, Write};
use std::time::Duration;

use fewstep::record::cast::{Cast, Header, Version};
use fewstep::record::{RecordError, Recorder, screen};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use serde_json::Value;

use crate::screens;

/// A parsed cast: the header and the events with their absolute times in seconds.
struct Parsed {
    header: Value,
    events: Vec<(f64, String, String)>,
}

/// Reads a cast as its specification says, strictly.
fn parse(bytes: &[u8]) -> Parsed {
    let text = std::str::from_utf8(bytes).expect("a cast is UTF-8");
    assert!(text.ends_with('\n'), "the last line is whole");
    let mut lines = text.lines();
    let header: Value = serde_json::from_str(lines.next().expect("a header")).expect("the header is JSON");
    let version = header["version"].as_u64().expect("a version");
    let mut clock = 0.0;
    let events = lines
        .map(|line| {
            let event: Value = serde_json::from_str(line).expect("an event is JSON");
            let event = event.as_array().expect("an event is an array");
            assert_eq!(event.len(), 3);
            let time = event[0].as_f64().expect("a time");
            assert!(time >= 0.0);
            clock = if version == 3 { clock + time } else { time };
            (clock, event[1].as_str().expect("a code").to_owned(), event[2].as_str().expect("data").to_owned())
        })
        .collect::<Vec<_>>();
    assert!(events.windows(2).all(|pair| pair[0].0 <= pair[1].0), "time never goes back");
    Parsed { header, events }
}

/// Records screens a second apart and returns the bytes.
fn record(version: Version, screens: &[Buffer]) -> Vec<u8> {
    let mut cast = Cast::new(Vec::new(), version, Header::default(), screens::dark());
    for (i, screen) in screens.iter().enumerate() {
        cast.frame(Duration::from_secs(i as u64), screen).expect("recorded");
        cast.marker(Duration::from_secs(i as u64), &format!("step {i}")).expect("marked");
    }
    cast.finish(Duration::from_secs(screens.len() as u64)).expect("finished");
    cast.into_inner()
}

fn avt_color(color: Color) -> Option<avt::Color> {
    match color {
        Color::Reset => None,
        Color::Rgb(r, g, b) => Some(avt::Color::rgb(r, g, b)),
        Color::Indexed(index) => Some(avt::Color::Indexed(index)),
        named => {
            let order = [
                Color::Black,
                Color::Red,
                Color::Green,
                Color::Yellow,
                Color::Blue,
                Color::Magenta,
                Color::Cyan,
                Color::Gray,
                Color::DarkGray,
                Color::LightRed,
                Color::LightGreen,
                Color::LightYellow,
                Color::LightBlue,
                Color::LightMagenta,
                Color::LightCyan,
                Color::White,
            ];
            order.iter().position(|&c| c == named).map(|index| avt::Color::Indexed(index as u8))
        }
    }
}

fn compare_avt(terminal: &avt::Terminal, buffer: &Buffer) {
    assert_eq!(terminal.size(), (usize::from(buffer.area.width), usize::from(buffer.area.height)));
    for (y, line) in terminal.screen().visible_lines().enumerate() {
        let cells = line.cells();
        for spot in screen::row(buffer, y as u16) {
            let (cell, want) = (&cells[usize::from(spot.x)], spot.cell);
            let place = format!("column {} of row {y}", spot.x);
            assert_eq!(cell.char().to_string(), want.symbol(), "{place}");
            let pen = cell.pen();
            assert_eq!(pen.foreground(), avt_color(want.fg), "foreground, {place}");
            assert_eq!(pen.background(), avt_color(want.bg), "background, {place}");
            let modifiers = [
                (pen.is_bold(), Modifier::BOLD),
                (pen.is_italic(), Modifier::ITALIC),
                (pen.is_underline(), Modifier::UNDERLINED),
                (pen.is_inverse(), Modifier::REVERSED),
            ];
            for (is, modifier) in modifiers {
                assert_eq!(is, want.modifier.contains(modifier), "{modifier:?}, {place}");
            }
        }
    }
}

fn vt100_color(color: Color) -> vt100::Color {
    match avt_color(color) {
        None => vt100::Color::Default,
        Some(avt::Color::Indexed(index)) => vt100::Color::Idx(index),
        Some(avt::Color::RGB(rgb)) => vt100::Color::Rgb(rgb.r, rgb.g, rgb.b),
    }
}

fn compare_vt100(terminal: &vt100::Screen, buffer: &Buffer) {
    assert_eq!(terminal.size(), (buffer.area.height, buffer.area.width));
    for y in 0..buffer.area.height {
        for spot in screen::row(buffer, y) {
            let cell = terminal.cell(y, spot.x).expect("inside");
            let place = format!("column {} of row {y}", spot.x);
            let contents = if cell.contents().is_empty() { " " } else { cell.contents() };
            assert_eq!(contents, spot.cell.symbol(), "{place}");
            assert_eq!(cell.fgcolor(), vt100_color(spot.cell.fg), "foreground, {place}");
            assert_eq!(cell.bgcolor(), vt100_color(spot.cell.bg), "background, {place}");
            assert_eq!(cell.bold(), spot.cell.modifier.contains(Modifier::BOLD), "bold, {place}");
            assert_eq!(cell.inverse(), spot.cell.modifier.contains(Modifier::REVERSED), "reversed, {place}");
        }
    }
}

/// Plays a cast in both emulators and compares what each shows, at the time of each screen, with that screen.
fn check(bytes: &[u8], screens: &[Buffer]) {
    let parsed = parse(bytes);
    let (cols, rows) = (screens[0].area.width, screens[0].area.height);
    let mut avt = avt::Terminal::new(usize::from(cols), usize::from(rows)).expect("a size");
    let mut vt = vt100::Parser::new(rows, cols, 0);
    let mut events = parsed.events.iter().peekable();
    for (i, screen) in screens.iter().enumerate() {
        while let Some((_, code, data)) = events.next_if(|(time, ..)| *time < i as f64 + 0.5) {
            match code.as_str() {
                "o" => {
                    avt.feed(data.as_str());
                    vt.process(data.as_bytes());
                }
                "r" => {
                    let (cols, rows) = data.split_once('x').expect("COLSxROWS");
                    let (cols, rows): (u16, u16) = (cols.parse().expect("cols"), rows.parse().expect("rows"));
                    avt.resize(usize::from(cols), usize::from(rows));
                    vt.screen_mut().set_size(rows, cols);
                }
                _ => {}
            }
        }
        compare_avt(&avt, screen);
        compare_vt100(vt.screen(), screen);
    }
}

#[test]
fn both_versions_play_back_cell_by_cell() {
    let screens = screens::sequence(37, 11, 12);
    for version in [Version::V2, Version::V3] {
        check(&record(version, &screens), &screens);
    }
}

#[test]
fn a_resize_is_an_event_and_a_fresh_screen() {
    let mut screens = screens::sequence(20, 5, 2);
    screens.extend(screens::sequence(31, 9, 2));
    screens.extend(screens::sequence(7, 3, 2));
    for version in [Version::V2, Version::V3] {
        let bytes = record(version, &screens);
        let resizes: Vec<_> = parse(&bytes).events.into_iter().filter(|e| e.1 == "r").map(|e| e.2).collect();
        assert_eq!(resizes, ["31x9", "7x3"]);
        check(&bytes, &screens);
    }
}

#[test]
fn the_headers_are_those_of_the_specification() {
    let screens = screens::sequence(20, 5, 1);
    let v2 = parse(&record(Version::V2, &screens)).header;
    assert_eq!((v2["version"].as_u64(), v2["width"].as_u64(), v2["height"].as_u64()), (Some(2), Some(20), Some(5)));
    assert!(v2["term"].is_null() && v2["timestamp"].is_null());
    let v3 = parse(&record(Version::V3, &screens)).header;
    assert_eq!((v3["version"].as_u64(), v3["term"]["cols"].as_u64()), (Some(3), Some(20)));
    assert_eq!(v3["term"]["rows"].as_u64(), Some(5));
    assert!(v3["width"].is_null() && v3["height"].is_null());
    for theme in [&v2["theme"], &v3["term"]["theme"]] {
        let palette = theme["palette"].as_str().expect("a palette");
        assert_eq!(palette.split(':').count(), 16);
        let all = palette.split(':').chain([theme["fg"].as_str().expect("fg"), theme["bg"].as_str().expect("bg")]);
        for colour in all {
            assert!(colour.len() == 7 && colour.starts_with('#'), "{colour}");
        }
    }
}

#[test]
fn markers_and_the_exit_status_are_there() {
    let screens = screens::sequence(20, 5, 3);
    let v3 = parse(&record(Version::V3, &screens)).events;
    let markers: Vec<_> = v3.iter().filter(|e| e.1 == "m").map(|e| (e.0, e.2.as_str())).collect();
    assert_eq!(markers, [(0.0, "step 0"), (1.0, "step 1"), (2.0, "step 2")]);
    assert_eq!(v3.last().map(|e| (e.1.as_str(), e.2.as_str())), Some(("x", "0")));
    let v2 = parse(&record(Version::V2, &screens)).events;
    assert!(v2.iter().all(|e| e.1 != "x"), "version 2 has no exit event");
}

#[test]
fn equal_screens_cost_nothing() {
    let screen = screens::sequence(20, 5, 1).remove(0);
    let bytes = record(Version::V3, &vec![screen; 50]);
    assert_eq!(parse(&bytes).events.iter().filter(|e| e.1 == "o").count(), 2, "the screen, and the end");
}

#[test]
fn rounded_intervals_do_not_drift() {
    let screens = screens::sequence(3, 2, 2);
    let mut cast = Cast::new(Vec::new(), Version::V3, Header::default(), screens::dark());
    let at = |i: u64| Duration::from_nanos(i * 33_333_333);
    for i in 0..30_000 {
        cast.frame(at(i), &screens[(i % 2) as usize]).expect("recorded");
    }
    cast.finish(at(30_000)).expect("finished");
    let end = parse(&cast.into_inner()).events.last().expect("events").0;
    assert!((end - at(30_000).as_secs_f64()).abs() <= 0.000_6, "{end}");
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let screens = screens::sequence(8, 3, 3);
    for version in [Version::V2, Version::V3] {
        let mut cast = Cast::new(Vec::new(), version, Header::default(), screens::dark());
        for (seconds, screen) in [5, 2, 6].into_iter().zip(&screens) {
            cast.frame(Duration::from_secs(seconds), screen).expect("recorded");
        }
        cast.finish(Duration::from_secs(1)).expect("finished");
        let times: Vec<f64> = parse(&cast.into_inner()).events.iter().map(|e| e.0).collect();
        assert_eq!(times[..3], [5.0, 5.0, 6.0]);
    }
}

#[test]
fn every_prefix_of_whole_lines_plays() {
    let screens = screens::sequence(16, 4, 6);
    let bytes = record(Version::V3, &screens);
    let mut cut = 0;
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        cut += line.len();
        let _ = parse(&bytes[..cut]);
    }
}

#[test]
fn no_color_does_not_empty_the_recording() {
    // The encoder knows nothing of the environment, so no variable can; this fails if that ever changes to a backend
    // that reads it, because the test runner of the project sets NO_COLOR.
    let screens = screens::sequence(16, 4, 1);
    let bytes = record(Version::V3, &screens);
    assert!(String::from_utf8_lossy(&bytes).contains("38;2;12;200;97"), "true colours are there");
}

#[test]
fn no_cells_or_no_screens_are_refused() {
    let mut cast = Cast::new(Vec::new(), Version::V3, Header::default(), screens::dark());
    assert!(matches!(cast.finish(Duration::ZERO), Err(RecordError::Request(_))));
    let empty = Buffer::empty(ratatui::layout::Rect::new(0, 0, 0, 4));
    assert!(matches!(cast.frame(Duration::ZERO, &empty), Err(RecordError::Size(_))));
}

/// A writer on a disk with room for so many bytes.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = bytes.len().min(self.0);
        self.0 -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_that_says_so() {
    let screens = screens::sequence(16, 4, 4);
    for room in [0, 10, 700] {
        let mut cast = Cast::new(Disk(room), Version::V3, Header::default(), screens::dark());
        let failed = screens.iter().find_map(|screen| cast.frame(Duration::ZERO, screen).err());
        let error = failed.expect("no room").at(std::path::Path::new("demo.cast"));
        assert!(error.to_string().starts_with("demo.cast: the disk is full; "), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_screens_play_back(
        width in 1_u16..12,
        height in 1_u16..6,
        picks in prop::collection::vec(prop::collection::vec(screens::pick(), 1..60), 1..5),
        v3 in any::<bool>(),
    ) {
        let screens: Vec<Buffer> = picks.iter().map(|picks| screens::build(width, height, picks)).collect();
        check(&record(if v3 { Version::V3 } else { Version::V2 }, &screens), &screens);
    }
}
