//! The line at the top: what is running, and how far its parts are.

use ratatui::style::Modifier;

use super::canvas::Canvas;
use crate::app::State;
use crate::app::state::Load;
use crate::config::theme::Role;
use crate::model::Source;
use crate::text::safe;

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let area = state.layout.header;
    let theme = canvas.theme();
    let (name, text, muted) =
        (theme.role(Role::Accent).add_modifier(Modifier::BOLD), theme.role(Role::Text), theme.role(Role::Muted));
    let right = status(state);
    let end = area.right().saturating_sub(1);
    let room = end.saturating_sub(area.x + right.chars().count() as u16 + 2);
    let x = canvas.text(area.x + 1, area.y, room, "fewstep", name);
    let mut x = x + 2;
    for (i, part) in parts(state).iter().enumerate() {
        let dot = if i == 0 { String::new() } else { format!(" {} ", canvas.glyphs().dot) };
        let width = unicode_width::UnicodeWidthStr::width(part.as_str()) + dot.chars().count();
        // A part that does not fit is left out whole.
        if usize::from(x) + width > usize::from(area.x + room) {
            break;
        }
        x = canvas.text(x, area.y, room, &dot, muted);
        x = canvas.text(x, area.y, room, part, if i == 0 { text } else { muted });
    }
    canvas.right(area.x + 9, end, area.y, &right, muted);
    if state.recording {
        let width = right.chars().count() as u16;
        let style = canvas.theme().role(Role::Error);
        canvas.right(x + 1, end.saturating_sub(width + 2), area.y, "● rec", style);
    }
}

fn parts(state: &State) -> Vec<String> {
    let mut parts = vec![safe(&state.model).into_owned()];
    if let Some(live) = &state.live {
        parts.push(
            match live.spec.source {
                Source::Uniform => "uniform",
                Source::Mask => "mask",
            }
            .to_owned(),
        );
    }
    if let Some(run) = state.run() {
        parts.push(safe(run.timeline.meta().solver_label()).into_owned());
        parts.extend(run.timeline.meta().seed().map(|seed| format!("seed {seed}")));
        parts.push(format!("{} tokens", run.config.tokens));
        if run.config.temperature != 1.0 {
            parts.push(format!("temperature {}", run.config.temperature));
        }
        if run.config.top_p != 1.0 {
            parts.push(format!("top-p {}", run.config.top_p));
        }
    }
    parts
}

/// Loading while something loads, else which run this is.
fn status(state: &State) -> String {
    let count = state.runs.all().len();
    let run = if count > 1 { format!("run {} of {count}", state.runs.index() + 1) } else { String::new() };
    let loading = match (&state.network, &state.judge) {
        (Load::Loading(f), _) => format!("loading model {:.0} %", f * 100.0),
        (Load::Failed(_), _) => "no model".to_owned(),
        (_, Load::Loading(f)) => format!("loading judge {:.0} %", f * 100.0),
        (Load::Ready(precision), _) => safe(precision).into_owned(),
        (Load::Absent, _) => "replay".to_owned(),
    };
    if run.is_empty() { loading } else { format!("{loading}   {run}") }
}
