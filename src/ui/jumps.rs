//! The jumps of a step: how many each rule expects for this very posterior, and how many there were.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::Canvas;
use super::number;
use crate::app::{Run, Side, State};
use crate::config::theme::Role;
use crate::flow::SolverKind;
use crate::trace::Jumps;

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let (Some(area), Some(run), Side::Jumps) = (state.layout.lower, state.run(), state.side) else {
        return;
    };
    let muted = canvas.theme().role(Role::Muted);
    let Some(jumps) = run.timeline.jumps(run.playhead) else {
        let why = if run.playhead == 0 { "the noise: no step was taken yet" } else { "this trace does not tell" };
        canvas.text(area.x + 1, area.y, area.width.saturating_sub(2), why, muted);
        return;
    };
    let mut y = area.y;
    let mut line = |canvas: &mut Canvas<'_>, text: &str, style: Style| {
        if y < area.bottom() {
            canvas.text(area.x + 1, y, area.width.saturating_sub(2), text, style);
        }
        y += 1;
    };
    let text = canvas.theme().role(Role::Text);
    let arrow = canvas.glyphs().arrow;
    let from = run.timeline.t(run.playhead.saturating_sub(1));
    let times = format!("t {from:.3} {arrow} {:.3}", run.timeline.t(run.playhead));
    line(canvas, &format!("step {}   {times}", run.playhead), text);
    // A low panel keeps to what the others compare.
    if area.height < 10 {
        let left = Rect { y, height: area.bottom().saturating_sub(y), ..area };
        return bars(run, &jumps, left, canvas);
    }
    let kappa = (number::fixed(jumps.kappa.into(), 3), number::fixed(jumps.kappa_next.into(), 3));
    line(canvas, &format!("schedule {} {arrow} {}", kappa.0, kappa.1), muted);
    line(canvas, &format!("cumulative scalar {}", number::fixed(jumps.scalar.into(), 3)), muted);
    line(canvas, &format!("posterior entropy {} bits", number::fixed(jumps.mean_entropy.into(), 2)), muted);
    line(canvas, "", muted);
    let left = Rect { y, height: area.bottom().saturating_sub(y), ..area };
    bars(run, &jumps, left, canvas);
}

/// Columns of a name and of a number.
const NAME: u16 = 18;
const VALUE: u16 = 7;

fn bars(run: &Run, jumps: &Jumps, area: Rect, canvas: &mut Canvas<'_>) {
    let theme = canvas.theme();
    let (text, muted, accent) = (theme.role(Role::Text), theme.role(Role::Muted), theme.role(Role::Accent));
    let editable = run.config.tokens.saturating_sub(run.config.frozen.len()).max(1) as f64;
    let last = run.playhead == run.steps();
    let expected = |solver| match solver {
        SolverKind::CumulativeScalar => jumps.cumulative,
        SolverKind::Euler => jumps.euler,
        SolverKind::DfmEuler => jumps.dfm,
    };
    // None of them is the rule of another program's sampler.
    let own = run.timeline.meta().sampler.is_none().then_some(run.config.solver);
    let mut rows: Vec<(&str, f64, bool)> =
        SolverKind::ALL.iter().map(|s| (s.label(), f64::from(expected(*s)), own == Some(*s))).collect();
    rows.push(("jumped", f64::from(jumps.actual), true));
    let cells = area.width.saturating_sub(NAME + VALUE + 3);
    for ((name, value, mine), y) in rows.iter().zip(area.top()..area.bottom()) {
        canvas.text(area.x + 1, y, NAME, name, if *mine { text } else { muted });
        let share = if value.is_finite() { (value / editable).clamp(0.0, 1.0) } else { 0.0 };
        let filled = (share * f64::from(cells)).ceil() as u16;
        for cell in 0..filled {
            let style = if *mine { accent } else { muted };
            canvas.text(area.x + 1 + NAME + cell, y, 1, canvas.glyphs().swatch, style);
        }
        let decimals = usize::from(*name != "jumped");
        canvas.right(area.x, area.right().saturating_sub(1), y, &number::fixed(*value, decimals), text);
    }
    let notes = note(jumps, last);
    for (line, y) in
        super::popup::wrap(&notes, usize::from(area.width.saturating_sub(2))).iter().zip(area.y + 5..area.bottom())
    {
        canvas.text(area.x + 1, y, area.width.saturating_sub(2), line, muted);
    }
}

/// What the numbers say.
fn note(jumps: &Jumps, last: bool) -> String {
    if last {
        return "The last step does not ask whether to jump: it draws every free position afresh from the posterior."
            .to_owned();
    }
    let ratio = f64::from(jumps.euler) / f64::from(jumps.cumulative).max(1e-6);
    if ratio > 1.15 && ratio.is_finite() {
        return format!(
            "Plain Euler would move {ratio:.1} times as many: its rate does not know how much of the way is left, and \
             few large steps overshoot."
        );
    }
    "The rules agree on a step this small.".to_owned()
}
