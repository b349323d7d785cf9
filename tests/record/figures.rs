//! The figure of a run: as a screen, as SVG, as TeX.

use fewstep::config::theme::Token;
use fewstep::config::{Depth, Theme};
use fewstep::record::figure::{Figure, spread, swatches};
use fewstep::record::{Look, screen, svg, tex};
use fewstep::text::pieces;

use crate::{runs, xml};

#[test]
fn the_figure_shows_every_token_in_the_colour_of_its_last_change() {
    let (vocab, run, theme) = (runs::vocab(), runs::plain(40, 8), Theme::light(Depth::True));
    let figure = Figure { vocab: &vocab, timeline: &run, theme: &theme, width: 60 };
    for step in [0, 3, 8] {
        let buffer = figure.bare(step);
        let text: String = (0..buffer.area.height).map(|y| screen::row_text(&buffer, y)).collect();
        let squeeze = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
        let want: String = pieces(&vocab, &run.ids(step)).iter().map(|p| p.text.as_str()).collect();
        assert_eq!(squeeze(&text), squeeze(&want), "step {step}");
        let ramp: Vec<_> = (0..8).map(|l| theme.token(Token { level: Some(l), ..Token::default() }).bg).collect();
        let late = buffer.content.iter().filter(|cell| ramp.contains(&Some(cell.bg)));
        assert_eq!(late.count() > 0, step > 0, "only changed tokens are coloured");
    }
}

#[test]
fn title_legend_and_numbers_are_there() {
    let (vocab, run, theme) = (runs::vocab(), runs::plain(40, 8), Theme::dark(Depth::True));
    let figure = Figure { vocab: &vocab, timeline: &run, theme: &theme, width: 100 };
    let text = screen::text(&figure.strip(&[0, 4, 8]));
    for want in
        ["tiny <model> · cumulative scalar · seed 7 · 40 tokens", "step 4/8   perplexity 100   ", "early", "late"]
    {
        assert!(text.contains(want), "{want}: {text}");
    }
    assert!(text.contains("step 0/8   entropy"), "no perplexity where there is none: {text}");
}

#[test]
fn legends_name_the_steps_of_each_colour() {
    let labels = |steps| swatches(steps).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
    assert_eq!(labels(1), ["1"]);
    assert_eq!(labels(4), ["1", "2", "3", "4"]);
    assert_eq!(labels(8).len(), 8);
    let many = labels(1024);
    assert_eq!((many.len(), many[0].as_str(), many[7].as_str()), (8, "1–128", "897–1024"));
}

#[test]
fn a_strip_spreads_its_steps() {
    assert_eq!(spread(&runs::plain(4, 8), 5), [0, 2, 4, 6, 8]);
    assert_eq!(spread(&runs::plain(4, 1), 5), [0, 1]);
    assert_eq!(spread(&runs::plain(4, 3), 64), [0, 1, 2, 3]);
}

#[test]
fn hostile_texts_leave_the_svg_well_formed() {
    let (vocab, run, theme) = (runs::vocab(), runs::hostile(200, 5), Theme::light(Depth::True));
    let figure = Figure { vocab: &vocab, timeline: &run, theme: &theme, width: 70 };
    let document = svg::render(&figure.at(5), &Look::of(&theme), "</title><script>");
    let text = xml::text_of(&document);
    assert!(!document.contains("<script") && !document.contains("<img"), "{document}");
    assert!(text.contains("onerror=alert(1)"), "the text is there as text");
}

#[test]
fn hostile_texts_leave_the_tex_alone() {
    let (vocab, run, theme) = (runs::vocab(), runs::hostile(200, 5), Theme::light(Depth::True));
    let figure = Figure { vocab: &vocab, timeline: &run, theme: &theme, width: 70 };
    let fragment = tex::render(&figure, 5);
    let ours = [
        "begingroup",
        "char",
        "colorbox",
        "definecolor",
        "endgroup",
        "ensuremath",
        "fboxsep",
        "footnotesize",
        "fsfrozen",
        "fsplain",
        "fsreturn",
        "fstoken",
        "hookleftarrow",
        "hskip",
        "itshape",
        "langle",
        "rangle",
        "mbox",
        "noindent",
        "par",
        "providecommand",
        "raggedright",
        "relax",
        "rule",
        "setlength",
        "strut",
        "textasciicircum",
        "textasciigrave",
        "textasciitilde",
        "textbackslash",
        "textbar",
        "textcolor",
        "textgreater",
        "textless",
        "textquotedbl",
        "ttfamily",
        "usepackage",
        "P",
        "textperiodcentered",
    ];
    let mut depth = 0_i32;
    for line in fragment.lines() {
        let line = if line.starts_with('%') { "" } else { line };
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    let mut name = String::new();
                    while let Some(letter) = chars.next_if(char::is_ascii_alphabetic) {
                        name.push(letter);
                    }
                    if name.is_empty() {
                        let escaped = chars.next().expect("something is escaped");
                        assert!("{}$&#%_ \\".contains(escaped), "\\{escaped}");
                    } else {
                        assert!(ours.contains(&name.as_str()), "a command that is not ours: \\{name}");
                    }
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                '%' => assert!(chars.next().is_none(), "a comment only ends a line: {line}"),
                // `#` is only an argument of our own definitions.
                '#' => assert!(line.contains("\\providecommand") && chars.peek().is_some_and(char::is_ascii_digit)),
                '$' | '&' | '^' | '_' | '~' => panic!("{c} is special: {line}"),
                _ => {}
            }
            assert!(depth >= 0, "{line}");
        }
    }
    assert_eq!(depth, 0);
}
