//! The token under the cursor: what it is, what it might be, and how it came to be.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::canvas::Canvas;
use crate::app::{Run, Side, State};
use crate::config::theme::{Role, level};
use crate::text::{Vocab, token_label};
use crate::trace::Detail;

/// Columns of a token in the list of likely ones.
const TOKEN: u16 = 14;

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let (Some(area), Some(run), Side::Token) = (state.layout.lower, state.run(), state.side) else {
        return;
    };
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let muted = canvas.theme().role(Role::Muted);
    let (Some(at), Some(vocab)) = (state.cursor, &state.vocab) else {
        let hints = ["click a token, or move the", "cursor with h j k l"];
        for (hint, y) in hints.iter().zip(area.top()..area.bottom()) {
            canvas.text(area.x, y, area.width, hint, muted);
        }
        return;
    };
    let y = head(state, run, vocab, at, area, canvas);
    let y = likely(run, vocab, at, Rect { y, height: area.bottom().saturating_sub(y), ..area }, canvas);
    history(run, vocab, at, Rect { y, height: area.bottom().saturating_sub(y), ..area }, canvas);
}

/// The token, its id and bytes, and its story in a line; the row after it comes back.
fn head(state: &State, run: &Run, vocab: &Vocab, at: u32, area: Rect, canvas: &mut Canvas<'_>) -> u16 {
    let (text, muted) = (canvas.theme().role(Role::Text), canvas.theme().role(Role::Muted));
    let index = at as usize;
    let id = state.passage.ids().get(index).copied().unwrap_or(0);
    let x = canvas.text(area.x, area.y, area.width, &format!("“{}”", token_label(vocab, id)), text);
    let bytes = vocab.bytes(id).unwrap_or_default();
    let hex: Vec<String> = bytes.iter().take(6).map(|b| format!("{b:02x}")).collect();
    let more = if bytes.len() > 6 { canvas.glyphs().ellipsis } else { "" };
    let about = format!("id {id} {} {}{more}", canvas.glyphs().dot, hex.join(" "));
    canvas.text(x + 2, area.y, area.right().saturating_sub(x + 2), &about, muted);
    let frame = state.passage.frame();
    let last = frame.and_then(|f| f.last_change.get(index).copied()).unwrap_or(0);
    let changes = frame.and_then(|f| f.revisions.get(index).copied()).unwrap_or(0);
    let frozen = run.config.frozen.binary_search_by_key(&at, |(p, _)| *p).is_ok();
    let story = match (state.edits.replaced.contains_key(&at), state.edits.pinned.contains(&at)) {
        (true, true) => "replaced and pinned, for a branch".to_owned(),
        (true, false) => "replaced, for a branch".to_owned(),
        (false, true) => "pinned, for a branch".to_owned(),
        (false, false) if frozen => "frozen: it never changes".to_owned(),
        (false, false) if last == 0 => "never changed".to_owned(),
        (false, false) => {
            format!("set at step {last}, {changes} {}", if changes == 1 { "change" } else { "changes" })
        }
    };
    if area.height > 1 {
        canvas.text(area.x, area.y + 1, area.width, &story, muted);
    }
    area.y + 2.min(area.height)
}

/// The most likely tokens of the posterior the step was drawn from; the row after them comes back.
fn likely(run: &Run, vocab: &Vocab, at: u32, area: Rect, canvas: &mut Canvas<'_>) -> u16 {
    let (text, muted) = (canvas.theme().role(Role::Text), canvas.theme().role(Role::Muted));
    let Some(detail) = detail(run, run.playhead, at).filter(|d| d.top[0].1 > 0.0) else { return area.y };
    if area.height < 9 {
        return area.y;
    }
    let shown = run.timeline.state(run.playhead).ids.get(at as usize).copied();
    canvas.text(area.x, area.y + 1, area.width, &format!("likely at step {}", run.playhead), muted);
    let cells = area.width.saturating_sub(TOKEN + 6);
    let mut y = area.y + 2;
    for (id, p) in detail.top.into_iter().filter(|(_, p)| *p > 0.0) {
        let style = if shown == Some(id) { canvas.theme().role(Role::Accent) } else { text };
        canvas.text(area.x, y, TOKEN - 1, &token_label(vocab, id), style);
        let share = if p.is_finite() { p.clamp(0.0, 1.0) } else { 0.0 };
        let filled = (share * f32::from(cells)).round() as u16;
        for cell in 0..filled {
            canvas.text(area.x + TOKEN + cell, y, 1, canvas.glyphs().swatch, muted);
        }
        canvas.right(area.x, area.right(), y, &format!("{p:.3}"), style);
        y += 1;
    }
    y
}

fn detail(run: &Run, step: u32, at: u32) -> Option<Detail> {
    run.timeline.detail(step)?.get(at as usize)
}

/// Every step so far, newest first: the token, its probability and rank, the posterior's entropy, the probability of a
/// jump, and whether there was one.
fn history(run: &Run, vocab: &Vocab, at: u32, area: Rect, canvas: &mut Canvas<'_>) {
    let muted = canvas.theme().role(Role::Muted);
    let digits = run.steps().to_string().len() as u16;
    let numbers = if area.width >= digits + 29 { NUMBERS } else { 0 };
    let room = area.width.saturating_sub(digits + 3 + numbers);
    let Some(first) = area.y.checked_add(1).filter(|y| *y < area.bottom()) else { return };
    let head = format!("{:>width$} token", "", width = usize::from(digits) + 2);
    canvas.text(area.x, first, area.width, &head, muted);
    if numbers > 0 {
        canvas.right(area.x, area.right(), first, HEAD, muted);
    }
    let ids = run.timeline.history(at);
    for (step, y) in (0..=run.playhead).rev().zip(first + 1..area.bottom()) {
        let index = ids.partition_point(|change| change.step <= step);
        let Some(change) = index.checked_sub(1).and_then(|i| ids.get(i)) else { return };
        let fresh = change.step == step;
        let mark = if !fresh || step == 0 { muted } else { canvas.theme().ramp(level(step, run.steps())) };
        let style = if fresh { canvas.theme().role(Role::Text) } else { muted };
        let glyph = if fresh { canvas.glyphs().swatch } else { canvas.glyphs().dot };
        canvas.text(area.x, y, 1, glyph, mark);
        canvas.text(area.x + 2, y, digits, &format!("{step:>width$}", width = usize::from(digits)), muted);
        canvas.text(area.x + digits + 3, y, room, &short(&token_label(vocab, change.id), room), style);
        if let Some(detail) = detail(run, step, at).filter(|d| numbers > 0 && d.top[0].1 > 0.0) {
            canvas.right(area.x, area.right(), y, &row(&detail, canvas.glyphs().point[1]), style);
        }
    }
}

/// Columns of the numbers in the history.
const NUMBERS: u16 = 22;
const HEAD: &str = "   p  rank bits  jump ";

fn row(detail: &Detail, mark: &str) -> String {
    let jumped = if detail.jumped { mark } else { " " };
    let rank = if detail.rank < 9_999 { format!("#{}", detail.rank + 1) } else { "#9999".to_owned() };
    format!(
        "{} {rank:>5} {:>4.1} {}{jumped}",
        share(detail.prob),
        detail.entropy.clamp(0.0, 99.0),
        share(detail.jump_prob)
    )
}

/// A probability in four columns.
fn share(p: f32) -> String {
    if !p.is_finite() {
        "   –".to_owned()
    } else if p > 0.0 && p < 0.005 {
        "<.01".to_owned()
    } else if p >= 0.995 {
        "1.00".to_owned()
    } else {
        format!(" .{:02.0}", (p * 100.0).clamp(0.0, 99.0))
    }
}

/// A label cut to so many columns.
fn short(label: &str, room: u16) -> String {
    let mut out = String::new();
    for c in label.chars() {
        let mut next = out.clone();
        next.push(c);
        if next.width() > usize::from(room) {
            break;
        }
        out = next;
    }
    out
}
