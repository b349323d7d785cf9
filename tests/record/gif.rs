//! GIFs, read by a decoder that shares no code path with the writer, frame by frame.

use std::time::Duration;

use fewstep::record::gif::{Gif, Options};
use fewstep::record::{RecordError, Recorder, Rgb, screen};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use crate::screens;

/// A decoded picture: what a viewer shows after each frame, and for how long.
struct Decoded {
    width: usize,
    frames: Vec<(Vec<Rgb>, u16)>,
    /// Number of colours of the widest palette.
    palette: usize,
}

fn decode(bytes: &[u8]) -> Decoded {
    let mut options = ::gif::DecodeOptions::new();
    options.set_color_output(::gif::ColorOutput::Indexed);
    options.check_lzw_end_code(true);
    let mut decoder = options.read_info(bytes).expect("a GIF");
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    assert_eq!(decoder.repeat(), ::gif::Repeat::Infinite);
    let global = decoder.global_palette().map(<[u8]>::to_vec);
    let mut canvas = vec![Rgb(0, 0, 0); width * height];
    let (mut frames, mut widest) = (Vec::new(), 0);
    while let Some(frame) = decoder.read_next_frame().expect("a frame") {
        let palette = frame.palette.clone().or_else(|| global.clone()).expect("a palette");
        widest = widest.max(palette.len() / 3);
        assert_eq!(frame.dispose, ::gif::DisposalMethod::Keep);
        for (i, &index) in frame.buffer.iter().enumerate() {
            if Some(index) == frame.transparent {
                continue;
            }
            let x = usize::from(frame.left) + i % usize::from(frame.width);
            let y = usize::from(frame.top) + i / usize::from(frame.width);
            let entry = &palette[usize::from(index) * 3..];
            canvas[y * width + x] = Rgb(entry[0], entry[1], entry[2]);
        }
        frames.push((canvas.clone(), frame.delay));
    }
    Decoded { width, frames, palette: widest }
}

fn options() -> Options {
    Options { px: 14, margin: 0, ..Options::default() }
}

fn record(options: Options, screens: &[(u64, Buffer)], end: u64) -> Vec<u8> {
    let mut gif = Gif::new(Vec::new(), options, screens::dark());
    for (ms, screen) in screens {
        gif.frame(Duration::from_millis(*ms), screen).expect("recorded");
    }
    gif.finish(Duration::from_millis(end)).expect("finished");
    gif.into_inner().expect("the bytes")
}

/// Checks a picture against a screen: cells of space show their background, full blocks their foreground, and every
/// other cell only mixes of the two, with the background at a corner where the glyph leaves it free.
fn compare(decoded: &Decoded, frame: usize, buffer: &Buffer) {
    let look = screens::dark();
    let (pixels, _) = &decoded.frames[frame];
    let cell_w = decoded.width / usize::from(buffer.area.width);
    let cell_h = pixels.len() / decoded.width / usize::from(buffer.area.height);
    for y in 0..buffer.area.height {
        for spot in screen::row(buffer, y) {
            let paint = screen::paint(spot.cell, &look);
            let (left, top) = (usize::from(spot.x) * cell_w, usize::from(y) * cell_h);
            let at = |dx: usize, dy: usize| pixels[(top + dy) * decoded.width + left + dx];
            let place = format!("{:?} at column {} of row {y}, frame {frame}", spot.cell.symbol(), spot.x);
            let centre = at(cell_w / 2, cell_h / 2);
            match spot.cell.symbol() {
                " " if !paint.underline => assert_eq!(centre, paint.bg, "{place}"),
                "█" => assert_eq!(centre, paint.fg, "{place}"),
                "│" | "─" => {
                    let w = cell_w * usize::from(spot.width);
                    let ink = (0..w * cell_h).filter(|i| at(i % w, i / w) == paint.fg).count();
                    assert!(ink >= cell_w.min(cell_h), "{place}");
                }
                _ => {}
            }
            let near = |a: u8, b: u8, c: u8| c >= a.min(b) && c <= a.max(b);
            for i in 0..cell_w * usize::from(spot.width) * cell_h {
                let w = cell_w * usize::from(spot.width);
                let Rgb(r, g, b) = at(i % w, i / w);
                let (f, k) = (paint.fg, paint.bg);
                assert!(near(f.0, k.0, r) && near(f.1, k.1, g) && near(f.2, k.2, b), "{place}: {r} {g} {b}");
            }
        }
    }
}

#[test]
fn every_frame_shows_its_screen() {
    let screens: Vec<_> =
        screens::sequence(24, 6, 9).into_iter().enumerate().map(|(i, s)| (i as u64 * 100, s)).collect();
    let decoded = decode(&record(options(), &screens, 1000));
    assert_eq!(decoded.frames.len(), screens.len());
    for (i, (_, screen)) in screens.iter().enumerate() {
        compare(&decoded, i, screen);
    }
    let delays: Vec<u16> = decoded.frames.iter().map(|f| f.1).collect();
    assert_eq!(delays, [10, 10, 10, 10, 10, 10, 10, 10, 300]);
    assert!(decoded.palette <= 256);
}

#[test]
fn equal_screens_are_one_frame_and_delays_do_not_drift() {
    let screens = screens::sequence(10, 3, 2);
    // 1/30 s is no whole number of 1/100 s; over 3 s the sum still is right.
    let frames: Vec<_> = (0..90).map(|i| (i * 1000 / 30, screens[(i / 2 % 2) as usize].clone())).collect();
    let decoded = decode(&record(options(), &frames, 3000));
    assert_eq!(decoded.frames.len(), 45);
    let sum: u64 = decoded.frames[..44].iter().map(|f| u64::from(f.1)).sum();
    assert_eq!(sum, 293, "the 45th screen appears at 2.933 s");
}

#[test]
fn the_frame_rate_is_capped_and_the_newest_screen_wins() {
    let screens = screens::sequence(10, 3, 100);
    let frames: Vec<_> = screens.into_iter().enumerate().map(|(i, s)| (i as u64 * 10, s)).collect();
    let decoded = decode(&record(Options { fps: 10, ..options() }, &frames, 1000));
    assert!(decoded.frames.len() <= 10, "{}", decoded.frames.len());
    assert!(decoded.frames.iter().all(|f| f.1 >= 10));
    compare(&decoded, decoded.frames.len() - 1, &frames[99].1);
}

#[test]
fn long_pauses_are_cut_and_the_last_frame_holds() {
    let screens = screens::sequence(10, 3, 2);
    let frames = [(0, screens[0].clone()), (3_600_000, screens[1].clone())];
    let decoded = decode(&record(options(), &frames, 3_600_100));
    assert_eq!(decoded.frames.iter().map(|f| f.1).collect::<Vec<_>>(), [500, 300]);
}

#[test]
fn more_than_256_colours_are_merged_not_refused() {
    let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 20));
    for i in 0..800_u16 {
        let colour = Color::Rgb((i % 256) as u8, (i / 4) as u8, (i * 7 % 256) as u8);
        buffer.content[usize::from(i)].set_symbol("█").set_style(Style::new().fg(colour));
    }
    let decoded = decode(&record(options(), &[(0, buffer.clone())], 10));
    assert!(decoded.palette <= 256);
    let cell_w = decoded.width / 40;
    let cell_h = decoded.frames[0].0.len() / decoded.width / 20;
    for i in 0..800 {
        let (x, y) = (i % 40 * cell_w + 2, i / 40 * cell_h + 2);
        let got = decoded.frames[0].0[y * decoded.width + x];
        let want = screen::paint(&buffer.content[i], &screens::dark()).fg;
        let off = [got.0.abs_diff(want.0), got.1.abs_diff(want.1), got.2.abs_diff(want.2)];
        assert!(off.into_iter().all(|d| d < 48), "{got:?} {want:?}");
    }
}

#[test]
fn other_sizes_are_cut_or_padded_to_the_canvas() {
    let small = screens::sequence(6, 2, 1).remove(0);
    let large = screens::sequence(30, 9, 1).remove(0);
    let options = Options { canvas: Some((12, 4)), ..options() };
    let decoded = decode(&record(options, &[(0, small), (500, large)], 1000));
    assert_eq!(decoded.frames.len(), 2);
    // Beyond the small screen there is background.
    assert_eq!(*decoded.frames[0].0.last().expect("pixels"), screens::dark().bg);
}

#[test]
fn a_margin_of_background_surrounds_the_screen() {
    let screen = screens::build(4, 2, &[(8, 3, 0, 0)]);
    let plain = decode(&record(options(), &[(0, screen.clone())], 10));
    let framed = decode(&record(Options { margin: 5, ..options() }, &[(0, screen)], 10));
    assert_eq!(framed.width, plain.width + 10);
    let at = |x: usize, y: usize| framed.frames[0].0[y * framed.width + x];
    assert_eq!((at(4, 4), at(framed.width - 5, 5)), (screens::dark().bg, screens::dark().bg));
    assert_ne!(at(5, 5), screens::dark().bg);
}

#[test]
fn sizes_nobody_can_show_are_refused_with_a_way_out() {
    let huge = Buffer::empty(Rect::new(0, 0, 60_000, 1));
    let mut gif = Gif::new(Vec::new(), options(), screens::dark());
    gif.frame(Duration::ZERO, &huge).expect("held");
    let error = gif.finish(Duration::ZERO).expect_err("too wide");
    assert!(matches!(&error, RecordError::Size(text) if text.contains("--size")), "{error}");
    let mut gif = Gif::new(Vec::new(), Options { px: 500, ..Options::default() }, screens::dark());
    gif.frame(Duration::ZERO, &screens::sequence(4, 2, 1)[0]).expect("held");
    assert!(matches!(gif.finish(Duration::ZERO), Err(RecordError::Size(_))));
}

#[test]
fn the_byte_limit_ends_the_recording_but_not_the_file() {
    let frames: Vec<_> =
        screens::sequence(30, 9, 40).into_iter().enumerate().map(|(i, s)| (i as u64 * 100, s)).collect();
    let bytes = record(Options { max_bytes: 20_000, ..options() }, &frames, 5000);
    let decoded = decode(&bytes);
    assert!(bytes.len() < 60_000 && decoded.frames.len() > 1 && decoded.frames.len() < 40, "{}", bytes.len());
}

#[test]
fn the_same_screens_give_the_same_bytes() {
    let frames: Vec<_> =
        screens::sequence(24, 6, 5).into_iter().enumerate().map(|(i, s)| (i as u64 * 100, s)).collect();
    assert_eq!(record(options(), &frames, 900), record(options(), &frames, 900));
}
