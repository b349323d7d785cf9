//! A run as one page: text, scrub bar, gauges and legend in a file that needs nothing else.
//!
//! The data go in as JSON that no text can end, and come onto the page as text nodes; a content security policy
//! forbids everything but the page's own script and style, the network included. Frames are written as they are
//! computed: what is kept meanwhile is one frame and the tables of distinct texts. Without scripts the page still shows
//! the last frame.

use std::collections::HashMap;
use std::io::Write;

use ratatui::style::{Color, Style};
use serde_json::{Value, json};

use super::escape::{script_json, xml};
use super::figure::{Colours, about, swatches};
use super::look::Look;
use super::{Progress, RecordError};
use crate::config::theme::{LEVELS, Role, Token, level};
use crate::config::{Depth, Theme};
use crate::text::{Kind, Piece, Vocab, pieces, token_label};
use crate::trace::Timeline;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
const BODY: &str = include_str!("page/page.html");

/// Which colours a page begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// What the reader's system prefers.
    #[default]
    Auto,
    /// Light, until the reader switches.
    Light,
    /// Dark, until the reader switches.
    Dark,
}

/// Writes the page of these runs; `open` says which is on it at first (an index), and at which step if not the last.
pub fn write(
    out: &mut impl Write,
    vocab: &Vocab,
    runs: &[&Timeline],
    open: (usize, Option<u32>),
    scheme: Scheme,
    progress: &mut dyn Progress,
) -> Result<(), RecordError> {
    let Some(shown) = runs.get(open.0).or(runs.first()) else {
        return Err(RecordError::Request("the trace has no run".to_owned()));
    };
    let scheme = match scheme {
        Scheme::Auto => "",
        Scheme::Light => " data-theme=\"light\"",
        Scheme::Dark => " data-theme=\"dark\"",
    };
    let title = xml(&about(shown));
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"{scheme}>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"fewstep {}\">\n<title>fewstep: {title}</title>\n<style>\n{}{STYLE}</style>\n</head>\n",
        env!("CARGO_PKG_VERSION"),
        colours()
    )?;
    let (before, after) = BODY.split_once("<!-- text -->").unwrap_or((BODY, ""));
    write!(out, "<body>\n{before}")?;
    still(out, vocab, shown)?;
    writeln!(out, "{after}<script type=\"application/json\" id=\"data\">")?;
    data(out, vocab, runs, open, progress)?;
    write!(out, "</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n")?;
    Ok(())
}

/// The last frame as plain markup.
fn still(out: &mut impl Write, vocab: &Vocab, timeline: &Timeline) -> Result<(), RecordError> {
    let step = timeline.newest();
    let colours = Colours::new(timeline, step);
    for piece in pieces(vocab, &timeline.ids(step)) {
        let token = colours.token(piece.first, piece.count, piece.kind);
        let class = match token.level {
            _ if token.frozen => "frozen".to_owned(),
            Some(level) => format!("l{level}"),
            None => "l".to_owned(),
        };
        write!(out, "<span class=\"{class}\">{}</span>", xml(&piece.text))?;
        if piece.breaks {
            out.write_all(b"<br>")?;
        }
    }
    Ok(())
}

/// Numbers for texts, in the order they come up.
#[derive(Default)]
struct Table {
    places: HashMap<String, usize>,
}

impl Table {
    fn place(&mut self, text: String) -> usize {
        let next = self.places.len();
        *self.places.entry(text).or_insert(next)
    }

    fn into_list(self) -> Vec<String> {
        let mut list: Vec<(String, usize)> = self.places.into_iter().collect();
        list.sort_unstable_by_key(|(_, place)| *place);
        list.into_iter().map(|(text, _)| text).collect()
    }
}

/// Positions that show something together: from the first on, how many, and the entry of what they show.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Group {
    first: u32,
    count: u32,
    show: usize,
}

fn data(
    out: &mut impl Write,
    vocab: &Vocab,
    runs: &[&Timeline],
    (open, step): (usize, Option<u32>),
    progress: &mut dyn Progress,
) -> Result<(), RecordError> {
    let (mut labels, mut shows) = (Table::default(), Table::default());
    // A label is looked up once per id, however often the id comes up.
    let mut label_of: HashMap<u32, usize> = HashMap::new();
    let total = runs.iter().map(|run| u64::from(run.newest()) + 1).sum();
    let mut done = 0;
    write!(out, "{{\"open\":{},\"step\":{},\"runs\":[", open.min(runs.len() - 1), json!(step))?;
    for (index, timeline) in runs.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let head = run_head(timeline).to_string();
        // The head is an object; its frames follow inside it.
        write!(out, "{comma}\n{},\"frames\":[", script_json(head.trim_end_matches('}')))?;
        let mut before: Vec<Group> = Vec::new();
        for step in 0..=timeline.newest() {
            progress.at(done, total)?;
            done += 1;
            let ids = timeline.ids(step);
            let all: Vec<u32>;
            let changed = if step == 0 {
                all = (0..ids.len() as u32).collect();
                &all[..]
            } else {
                timeline.changed(step)
            };
            let mut flat_ids = Vec::with_capacity(2 * changed.len());
            for &position in changed {
                let Some(&id) = ids.get(position as usize) else { continue };
                let label = *label_of.entry(id).or_insert_with(|| labels.place(token_label(vocab, id)));
                flat_ids.extend([position as usize, label]);
            }
            let now = groups(&pieces(vocab, &ids), &mut shows);
            let flat_groups = differing(&before, &now);
            before = now;
            let detail = timeline.detail(step).map(|detail| {
                let of = |&position: &u32| detail.get(position as usize).map_or(0.0, |d| f64::from(d.prob));
                changed.iter().map(|position| round(of(position))).collect::<Vec<_>>()
            });
            let frame = json!({
                "t": round(timeline.t(step)),
                "ms": timeline.ms(step).map(round),
                "ppl": timeline.perplexity(step).map(round),
                "ent": round(timeline.entropy(step)),
                "rep": round(timeline.repeats(step)),
                "set": round(timeline.settled(step)),
                "ids": flat_ids,
                "groups": flat_groups,
                "p": detail,
            });
            let comma = if step == 0 { "" } else { "," };
            write!(out, "{comma}\n{frame}")?;
        }
        out.write_all(b"]}")?;
    }
    let shows: Vec<Value> =
        shows.into_list().into_iter().map(|text| serde_json::from_str(&text).unwrap_or(Value::Null)).collect();
    let labels = serde_json::to_string(&labels.into_list()).unwrap_or_default();
    write!(out, "],\n\"labels\":{},\n", script_json(&labels))?;
    writeln!(out, "\"shows\":{}}}", script_json(&Value::from(shows).to_string()))?;
    Ok(())
}

fn run_head(timeline: &Timeline) -> Value {
    let steps = timeline.steps();
    let frozen: Vec<u32> = timeline.meta().config.frozen.iter().map(|&(position, _)| position).collect();
    let levels: Vec<u8> = (1..=steps).map(|step| level(step, steps)).collect();
    json!({
        "about": about(timeline),
        "run": timeline.meta().run,
        "steps": steps,
        "tokens": timeline.tokens(),
        "frozen": frozen,
        "levels": levels,
        "swatches": swatches(steps),
    })
}

/// The pieces of a frame, those of one position together.
fn groups(pieces: &[Piece], shows: &mut Table) -> Vec<Group> {
    pieces
        .chunk_by(|a, b| a.first == b.first)
        .map(|chunk| {
            // Text, whether it stands in for something else, and whether the line ends after it.
            let parts: Vec<Value> = chunk
                .iter()
                .map(|piece| json!([piece.text, u8::from(piece.kind != Kind::Text), u8::from(piece.breaks)]))
                .collect();
            Group { first: chunk[0].first, count: chunk[0].count, show: shows.place(Value::from(parts).to_string()) }
        })
        .collect()
}

/// The groups of a frame that the frame before did not have, flat. Both cover every position once, so putting them over
/// the old ones gives the new ones.
fn differing(before: &[Group], now: &[Group]) -> Vec<usize> {
    let mut old = before.iter().peekable();
    let mut flat = Vec::new();
    for group in now {
        while old.next_if(|o| o.first < group.first).is_some() {}
        if old.peek() != Some(&group) {
            flat.extend([group.first as usize, group.count as usize, group.show]);
        }
    }
    flat
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The colours of both themes as CSS variables.
fn colours() -> String {
    let light = variables(&Theme::light(Depth::True));
    let dark = variables(&Theme::dark(Depth::True));
    format!(
        ":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n\
         :root[data-theme=light]{{{light}}}\n:root[data-theme=dark]{{{dark}}}\n"
    )
}

fn variables(theme: &Theme) -> String {
    let look = Look::of(theme);
    let hex = |color: Option<Color>| color.and_then(|color| look.rgb(color)).map(super::Rgb::hex);
    let fg = |style: Style| hex(style.fg).unwrap_or_else(|| look.fg.hex());
    let bg = |style: Style| hex(style.bg).unwrap_or_else(|| "transparent".to_owned());
    let frozen = theme.token(Token { frozen: true, ..Token::default() });
    let never = theme.token(Token::default());
    let mut values = vec![
        ("fg".to_owned(), look.fg.hex()),
        ("bg".to_owned(), look.bg.hex()),
        ("raised".to_owned(), bg(theme.raised())),
        ("muted".to_owned(), fg(theme.role(Role::Muted))),
        ("faint".to_owned(), fg(theme.role(Role::Faint))),
        ("accent".to_owned(), fg(theme.role(Role::Accent))),
        ("frozen".to_owned(), fg(frozen)),
        ("never".to_owned(), fg(never)),
    ];
    for level in 0..LEVELS as u8 {
        let token = Token { level: Some(level), ..Token::default() };
        let (then, now) = (theme.token(token), theme.token(Token { now: true, ..token }));
        values.extend([
            // Ramp; letters and paper of tokens that changed earlier, and of those that did now.
            (format!("r{level}"), fg(theme.ramp(level))),
            (format!("f{level}"), fg(then)),
            (format!("b{level}"), bg(then)),
            (format!("nf{level}"), fg(now)),
            (format!("nb{level}"), bg(now)),
        ]);
    }
    values.into_iter().map(|(name, value)| format!("--{name}:{value};")).collect::<Vec<_>>().concat()
}
