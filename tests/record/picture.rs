//! PNG and SVG pictures of a screen, and what the bundled font can draw.

use fewstep::record::raster::Raster;
use fewstep::record::{png, screen, svg};
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Style};

use crate::screens;

#[test]
fn a_png_shows_the_same_pixels_as_the_raster() {
    let screen = screens::sequence(24, 6, 1).remove(0);
    let mut bytes = Vec::new();
    png::write(&mut bytes, &screen, &screens::light(), 15).expect("written");
    let mut decoder = ::png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(::png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("pixels");
    let mut raster = Raster::new(screens::light(), 15, png::margin(15), (24, 6)).expect("a raster");
    raster.draw(&screen);
    assert_eq!((info.width as usize, info.height as usize), raster.size());
    let want: Vec<u8> = raster.pixels().iter().flat_map(|&p| [(p >> 16) as u8, (p >> 8) as u8, p as u8]).collect();
    assert_eq!(&pixels[..info.buffer_size()], want);
}

#[test]
fn drawing_only_what_changed_gives_the_same_picture_as_drawing_all() {
    let screens = screens::sequence(18, 5, 8);
    let mut kept = Raster::new(screens::dark(), 13, 0, (18, 5)).expect("a raster");
    for screen in &screens {
        kept.draw(screen);
        let mut fresh = Raster::new(screens::dark(), 13, 0, (18, 5)).expect("a raster");
        fresh.draw(screen);
        assert_eq!(kept.pixels(), fresh.pixels());
    }
    assert_eq!(kept.draw(&screens[7]), None, "nothing changed");
}

#[test]
fn the_font_covers_what_the_screen_draws() {
    let raster = Raster::new(screens::dark(), 16, 0, (1, 1)).expect("a raster");
    let drawn = "─│┌┐└┘├┤┬┴┼╭╮╯╰━┃▁▂▃▄▅▆▇█▏▎▍▌▋▊▉▔▕░▒▓⏎¶▯⟨⟩·→←↑↓⇥␀␛␡…–—×≤≥κ∞●○◆▶▸◂■□✓✗⣿⠁“”‘’�";
    let missing: String = drawn.chars().filter(|&c| !raster.covers(c)).collect();
    assert_eq!(missing, "");
    for c in (' '..='~').chain('¡'..='ſ').chain('Α'..='ώ').chain('А'..='я') {
        assert!(
            raster.covers(c) || c == '\u{ad}' || c.is_control() || "\u{378}\u{379}\u{38b}\u{38d}\u{3a2}".contains(c),
            "{c:?}"
        );
    }
}

#[test]
fn svg_is_well_formed_and_holds_the_text() {
    let mut screen = Buffer::with_lines(["say <b>&\"hi\"</b>  now", "┌─╮ ▒ ⣿", "漢字 ok"]);
    screen.set_style(ratatui::layout::Rect::new(4, 0, 3, 1), Style::new().bg(Color::Rgb(1, 2, 3)).fg(Color::Red));
    let document = svg::render(&screen, &screens::dark(), "a <title> & more");
    let text = crate::xml::text_of(&document);
    assert!(text.contains("<b>") && text.contains("a <title> & more") && text.contains("now"), "{text}");
    assert!(document.contains("fill=\"#010203\""));
    assert_eq!(document.matches("<use ").count(), 5, "each line, block and dot is a shape");
}

#[test]
fn the_text_of_a_screen_has_no_trailing_spaces() {
    assert_eq!(screen::text(&Buffer::with_lines(["漢字 a  ", "   ", " b"])), "漢字 a\n\n b\n");
}
