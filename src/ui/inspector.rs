//! The token under the cursor: what it is, and how it came to be.

use super::canvas::Canvas;
use crate::app::state::Side;
use crate::app::{Run, State};
use crate::config::theme::{Role, level};
use crate::text::{Vocab, token_label};

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let (Some(area), Some(run), Side::Token) = (state.layout.lower, state.run(), state.side) else {
        return;
    };
    let muted = canvas.theme().role(Role::Muted);
    let (Some(at), Some(vocab)) = (state.cursor, &state.vocab) else {
        let hints = ["click a token, or move the", "cursor with h j k l"];
        for (hint, y) in hints.iter().zip(area.top()..area.bottom()) {
            canvas.text(area.x + 1, y, area.width.saturating_sub(2), hint, muted);
        }
        return;
    };
    let mut y = area.y;
    let room = area.width.saturating_sub(2);
    let Some(frame) = state.passage.frame() else { return };
    let Some(&id) = frame.ids.get(at as usize) else { return };
    let text = canvas.theme().role(Role::Text);
    let label = format!("“{}”", token_label(vocab, id));
    let x = canvas.text(area.x + 1, y, room, &label, text);
    canvas.text(x + 2, y, area.right().saturating_sub(x + 3), &format!("id {id}"), muted);
    y += 1;
    let last = frame.last_change.get(at as usize).copied().unwrap_or(0);
    let changes = frame.revisions.get(at as usize).copied().unwrap_or(0);
    let times = if changes == 1 { "change" } else { "changes" };
    let story = if last == 0 { "never changed".to_owned() } else { format!("set at step {last}, {changes} {times}") };
    canvas.text(area.x + 1, y, room, &story, muted);
    y += 2;
    history(run, vocab, at, (area.x + 1, y, room, area.bottom()), canvas);
}

/// The steps at which the token changed, newest first.
fn history(run: &Run, vocab: &Vocab, at: u32, (x, mut y, room, end): (u16, u16, u16, u16), canvas: &mut Canvas<'_>) {
    let (text, muted) = (canvas.theme().role(Role::Text), canvas.theme().role(Role::Muted));
    let digits = run.steps().to_string().len();
    for change in run.timeline.history(at).iter().rev().filter(|c| c.step <= run.playhead) {
        if y >= end {
            return;
        }
        let step = change.step;
        let mark = if step == 0 { muted } else { canvas.theme().ramp(level(step, run.steps())) };
        canvas.text(x, y, room, canvas.glyphs().swatch, mark);
        canvas.text(x + 2, y, room, &format!("{step:>digits$}"), muted);
        let column = x + 3 + digits as u16 + 1;
        canvas.text(column, y, (x + room).saturating_sub(column), &token_label(vocab, change.id), text);
        y += 1;
    }
}
