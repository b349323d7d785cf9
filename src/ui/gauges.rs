//! How good the text is: numbers at the playhead, and how they came about.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::number;
use super::series::{Series, share};
use super::spark::{self, Bars};
use crate::app::state::Load;
use crate::app::{Run, State};
use crate::config::theme::Role;
use crate::flow::metrics;

/// Columns of a gauge's name and of its value.
const NAME: u16 = 12;
const VALUE: u16 = 12;

/// A number at the playhead.
struct Gauge {
    name: &'static str,
    /// `Err`: it is not known, and this is why.
    value: Result<String, String>,
    /// By step, for the sparkline.
    series: Option<Series>,
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

fn gauges(state: &State, run: &Run) -> [Gauge; 5] {
    let (line, at) = (&run.timeline, run.playhead);
    let moved = at > 0;
    let tokens = run.config.tokens;
    // The ghost has a perplexity, an entropy and repeats of its own; how the run got here stays the run's.
    let ghost = state.ghost.then(|| run.ghost()).flatten();
    let (entropy, repeats) = match &ghost {
        Some(ids) => (metrics::entropy_bits(ids), metrics::repeats(ids, 4)),
        None => (line.entropy(at), line.repeats(at)),
    };
    let perplexity = if ghost.is_some() { ghost_perplexity(state, run) } else { perplexity(state, run) };
    let gauge = |name, value, series| Gauge { name, value, series };
    [
        gauge("perplexity", perplexity, Some(Series::Perplexity)),
        gauge("entropy", Ok(format!("{} bits", number::fixed(entropy, 2))), Some(Series::Entropy)),
        gauge("changed", known(moved, format!("{}/{tokens}", line.changed_count(at))), Some(Series::Changed)),
        gauge("settled", known(moved, number::percent(line.settled(at), 0)), Some(Series::Settled)),
        gauge("repeats", Ok(number::percent(repeats, 1)), None),
    ]
}

/// At the noise nothing has changed, and nothing is settled.
fn known(known: bool, value: String) -> Result<String, String> {
    if known { Ok(value) } else { Err("noise".to_owned()) }
}

fn perplexity(state: &State, run: &Run) -> Result<String, String> {
    if let Some(score) = run.timeline.score(run.playhead) {
        return score.perplexity.map(number::perplexity).ok_or_else(|| "undefined".to_owned());
    }
    Err(unscored(state))
}

fn ghost_perplexity(state: &State, run: &Run) -> Result<String, String> {
    if run.playhead == run.steps() {
        return perplexity(state, run);
    }
    match run.timeline.ghost_perplexity(run.playhead) {
        Some(undefined) if undefined.is_nan() => Err("undefined".to_owned()),
        Some(perplexity) => Ok(number::perplexity(perplexity)),
        None => Err(unscored(state)),
    }
}

/// Why there is no score.
fn unscored(state: &State) -> String {
    match &state.judge {
        Load::Absent if state.live.is_none() => "not scored".to_owned(),
        Load::Absent => "no judge".to_owned(),
        Load::Loading(f) => format!("judge {:.0} %", f * 100.0),
        Load::Failed(_) => "judge failed".to_owned(),
        Load::Ready(_) => format!("scoring{}", state.looks.glyphs.ellipsis),
    }
}

fn panel(run: &Run, gauges: &[Gauge], area: Rect, canvas: &mut Canvas<'_>) {
    let (muted, text) = (canvas.theme().role(Role::Muted), canvas.theme().role(Role::Text));
    for (gauge, y) in gauges.iter().zip(area.top()..area.bottom()) {
        canvas.text(area.x + 1, y, NAME, gauge.name, muted);
        let x = area.x + 1 + NAME;
        let (value, style) = match &gauge.value {
            Ok(value) => (value, text),
            Err(reason) => (reason, muted),
        };
        canvas.text(x, y, VALUE, value, style);
        let x = x + VALUE;
        let cells = area.right().saturating_sub(x + 1);
        if let Some(series) = gauge.series {
            sparkline(run, (x, y, cells), series, canvas);
        }
    }
}

fn sparkline(run: &Run, place: (u16, u16, u16), series: Series, canvas: &mut Canvas<'_>) {
    // Scaled over the whole run, so that moving the playhead moves nothing else.
    let Some(range) = series.range([run]) else { return };
    let bars = Bars { steps: run.steps(), playhead: run.playhead, later: false, rows: 1 };
    spark::draw(canvas, place, &bars, |step| Some(share(series.height(run, step)?, range)));
}

/// The same numbers in a line.
fn numbers(gauges: &[Gauge], area: Rect, canvas: &mut Canvas<'_>) {
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
