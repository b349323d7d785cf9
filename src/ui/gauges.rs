//! How good the text is: numbers at the playhead, and how they came about.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::number;
use super::spark::{self, Bars};
use crate::app::state::Load;
use crate::app::{Run, State};
use crate::config::theme::Role;

/// A number at the playhead.
struct Gauge<'a> {
    name: &'static str,
    /// `Err`: it is not known, and this is why.
    value: Result<String, String>,
    /// By step, for the sparkline.
    series: Option<Box<dyn Fn(u32) -> Option<f64> + 'a>>,
}

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let Some(run) = state.run() else { return };
    let gauges = gauges(state, run);
    if let Some(area) = state.layout.gauges {
        panel(run, &gauges, area, canvas);
    } else if let Some(area) = state.layout.numbers {
        numbers(&gauges, area, canvas);
    }
}

fn gauges<'a>(state: &State, run: &'a Run) -> [Gauge<'a>; 5] {
    let (line, at) = (&run.timeline, run.playhead);
    let moved = at > 0;
    let tokens = run.config.tokens;
    [
        Gauge {
            name: "perplexity",
            value: perplexity(state, run),
            // A logarithm, or the noise would flatten everything after it.
            series: Some(Box::new(move |s| score_of(run, s).filter(|p| *p > 0.0).map(f64::ln))),
        },
        Gauge {
            name: "entropy",
            value: Ok(format!("{} bits", number::fixed(line.entropy(at), 2))),
            series: Some(Box::new(move |s| Some(line.entropy(s)))),
        },
        Gauge {
            name: "changed",
            value: known(moved, format!("{}/{tokens}", line.changed_count(at))),
            series: Some(Box::new(move |s| (s > 0).then(|| line.changed_count(s) as f64))),
        },
        Gauge {
            name: "settled",
            value: known(moved, number::percent(line.settled(at), 0)),
            series: Some(Box::new(move |s| (s > 0).then(|| line.settled(s)))),
        },
        Gauge { name: "repeats", value: Ok(number::percent(line.repeats(at), 1)), series: None },
    ]
}

/// At the noise nothing has changed, and nothing is settled.
fn known(known: bool, value: String) -> Result<String, String> {
    if known { Ok(value) } else { Err("noise".to_owned()) }
}

fn score_of(run: &Run, step: u32) -> Option<f64> {
    run.timeline.perplexity(step)
}

fn perplexity(state: &State, run: &Run) -> Result<String, String> {
    if let Some(score) = run.timeline.score(run.playhead) {
        return score.perplexity.map(number::perplexity).ok_or_else(|| "undefined".to_owned());
    }
    Err(match &state.judge {
        Load::Absent if state.live.is_none() => "not scored".to_owned(),
        Load::Absent => "no judge".to_owned(),
        Load::Loading(f) => format!("judge {:.0} %", f * 100.0),
        Load::Failed(_) => "judge failed".to_owned(),
        Load::Ready(_) => format!("scoring{}", state.looks.glyphs.ellipsis),
    })
}

fn panel(run: &Run, gauges: &[Gauge<'_>], area: Rect, canvas: &mut Canvas<'_>) {
    let (muted, text) = (canvas.theme().role(Role::Muted), canvas.theme().role(Role::Text));
    const NAME: u16 = 12;
    const VALUE: u16 = 11;
    for (gauge, y) in gauges.iter().zip(area.top()..area.bottom()) {
        canvas.text(area.x + 1, y, NAME, gauge.name, muted);
        let x = area.x + 1 + NAME;
        let (value, style) = match &gauge.value {
            Ok(value) => (value, text),
            Err(reason) => (reason, muted),
        };
        canvas.text(x, y, VALUE + 1, value, style);
        let x = x + VALUE + 1;
        let cells = area.right().saturating_sub(x + 1);
        if let Some(series) = &gauge.series {
            sparkline(run, (x, y, cells), series, canvas);
        }
    }
}

fn sparkline(run: &Run, place: (u16, u16, u16), series: &dyn Fn(u32) -> Option<f64>, canvas: &mut Canvas<'_>) {
    // Scaled over the whole run, so that moving the playhead moves nothing else.
    let known = (0..=run.newest()).filter_map(series).filter(|v| v.is_finite());
    let (low, high) = known.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return;
    }
    let bars = Bars { steps: run.steps(), playhead: run.playhead, later: false, rows: 1 };
    spark::draw(canvas, place, &bars, |step| {
        let value = (step <= run.newest()).then(|| series(step)).flatten()?;
        Some(if high > low { (value - low) / (high - low) } else { 0.5 })
    });
}

/// The same numbers in a line.
fn numbers(gauges: &[Gauge<'_>], area: Rect, canvas: &mut Canvas<'_>) {
    let (muted, text) = (canvas.theme().role(Role::Muted), canvas.theme().role(Role::Text));
    let narrow = area.width < 72;
    let end = area.right();
    let mut x = area.x + 1;
    for gauge in gauges {
        let name = match (narrow, gauge.name) {
            (true, "perplexity") => "ppl",
            (true, "entropy") => "ent",
            (true, "changed") => "chg",
            (true, "settled") => "set",
            (true, _) => "rep",
            (false, name) => name,
        };
        let (value, style) = match &gauge.value {
            Ok(value) => (value, text),
            Err(reason) => (reason, muted),
        };
        let value = if narrow { value.replace(" bits", "").replace(" %", "%") } else { value.clone() };
        let width = name.len() + 1 + value.chars().count();
        if usize::from(x) + width > usize::from(end) {
            break;
        }
        x = canvas.text(x, area.y, end - x, name, muted) + 1;
        x = canvas.text(x, area.y, end - x, &value, style) + if narrow { 1 } else { 3 };
    }
}
