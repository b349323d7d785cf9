//! The token under the cursor: what it is, what it might be, and how it came to be.

use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::canvas::Canvas;
use crate::app::{Run, Side, State};
use crate::config::theme::{Role, level};
use crate::text::{Vocab, token_label};
use crate::trace::Detail;

/// Columns of a token in the list of likely ones.
const TOKEN: u16 = 14;
/// From so many rows on the likely tokens stand above their history.
const STACKED: u16 = 9;
/// From so many columns on they stand beside it, in so many of them.
const BESIDE: u16 = 60;
const LIKELY: u16 = 28;

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
    let rest = below(area, head(state, run, vocab, at, area, canvas));
    let token = Token { run, vocab, at };
    let Some(detail) = token.detail(run.playhead) else {
        return token.history(below(rest, rest.y + 1), canvas);
    };
    if rest.height >= STACKED {
        let y = token.likely(&detail, below(rest, rest.y + 1), canvas);
        token.history(below(rest, y + 1), canvas);
    } else if rest.width >= BESIDE {
        // A low panel has the likely tokens beside their history.
        let rest = below(rest, rest.y + 1);
        let x = rest.right().saturating_sub(LIKELY);
        token.likely(&detail, Rect { x, width: LIKELY, ..rest }, canvas);
        token.history(Rect { width: rest.width.saturating_sub(LIKELY + 3), ..rest }, canvas);
    } else {
        token.best(&detail, rest, canvas);
        token.history(below(rest, rest.y + 1), canvas);
    }
}

/// What of an area lies at row `y` and below.
fn below(area: Rect, y: u16) -> Rect {
    let y = y.min(area.bottom());
    Rect { y, height: area.bottom() - y, ..area }
}

/// The token, its id and bytes, and its story in a line; the row after it comes back.
fn head(state: &State, run: &Run, vocab: &Vocab, at: u32, area: Rect, canvas: &mut Canvas<'_>) -> u16 {
    let (text, muted) = (canvas.theme().role(Role::Text), canvas.theme().role(Role::Muted));
    let index = at as usize;
    let id = state.passage.ids().get(index).copied().unwrap_or(0);
    let glyphs = canvas.glyphs();
    let number = format!("id {id} {} ", glyphs.dot);
    let room = area.width.saturating_sub(number.width() as u16 + 4);
    let label = short(&token_label(vocab, id), room, glyphs.ellipsis);
    let x = canvas.text(area.x, area.y, area.width, &format!("“{label}”"), text);
    let x = canvas.text(x + 2, area.y, area.right().saturating_sub(x + 2), &number, muted);
    let room = area.right().saturating_sub(x);
    canvas.text(x, area.y, room, &hex(vocab.bytes(id).unwrap_or_default(), room, glyphs.ellipsis), muted);
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

/// Bytes in hex; where there is no room for all, as many whole ones as there is.
fn hex(bytes: &[u8], room: u16, ellipsis: &str) -> String {
    let room = usize::from(room);
    let kept = if bytes.len() * 3 <= room + 1 { bytes.len() } else { room.saturating_sub(1) / 3 };
    let shown: Vec<String> = bytes.iter().take(kept).map(|b| format!("{b:02x}")).collect();
    match kept {
        all if all == bytes.len() => shown.join(" "),
        0 => String::new(),
        _ => format!("{} {ellipsis}", shown.join(" ")),
    }
}

/// A token of a run, whose numbers are shown.
#[derive(Clone, Copy)]
struct Token<'a> {
    run: &'a Run,
    vocab: &'a Vocab,
    at: u32,
}

impl Token<'_> {
    /// The numbers of a step; a frozen position has none.
    fn detail(self, step: u32) -> Option<Detail> {
        self.run.timeline.detail(step)?.get(self.at as usize).filter(|d| d.top[0].1 > 0.0)
    }

    /// The most likely tokens of the posterior the step was drawn from; the row after them comes back.
    fn likely(self, detail: &Detail, area: Rect, canvas: &mut Canvas<'_>) -> u16 {
        let muted = canvas.theme().role(Role::Muted);
        let glyphs = canvas.glyphs();
        canvas.text(area.x, area.y, area.width, &format!("likely at step {}", self.run.playhead), muted);
        let cells = area.width.saturating_sub(TOKEN + 6);
        let mut y = area.y + 1;
        for (id, p) in detail.top.into_iter().filter(|(_, p)| *p > 0.0) {
            if y >= area.bottom() {
                break;
            }
            let style = self.style(id, canvas);
            let label = short(&token_label(self.vocab, id), TOKEN - 1, glyphs.ellipsis);
            canvas.text(area.x, y, TOKEN - 1, &label, style);
            let share = if p.is_finite() { p.clamp(0.0, 1.0) } else { 0.0 };
            let filled = (share * f32::from(cells)).round() as u16;
            for cell in 0..filled {
                canvas.text(area.x + TOKEN + cell, y, 1, glyphs.swatch, muted);
            }
            canvas.right(area.x, area.right(), y, &format!("{p:.3}"), style);
            y += 1;
        }
        y
    }

    /// The three most likely tokens in a line.
    fn best(self, detail: &Detail, area: Rect, canvas: &mut Canvas<'_>) {
        if area.is_empty() {
            return;
        }
        let muted = canvas.theme().role(Role::Muted);
        let mut x = canvas.text(area.x, area.y, area.width, "likely", muted);
        let room = (area.width.saturating_sub(6) / 3).saturating_sub(6);
        for (id, p) in detail.top.into_iter().filter(|(_, p)| *p > 0.0).take(3) {
            let style = self.style(id, canvas);
            let label = short(&token_label(self.vocab, id), room, canvas.glyphs().ellipsis);
            x = canvas.text(x + 1, area.y, area.right().saturating_sub(x + 1), &label, style);
            let number = share(p);
            x = canvas.text(x + 1, area.y, area.right().saturating_sub(x + 1), number.trim(), muted);
        }
    }

    /// The token on screen is set off among the likely ones.
    fn style(self, id: u32, canvas: &Canvas<'_>) -> Style {
        let shown = self.run.timeline.state(self.run.playhead).ids.get(self.at as usize).copied();
        canvas.theme().role(if shown == Some(id) { Role::Accent } else { Role::Text })
    }

    /// The steps so far, newest first: the token, its probability and rank, the posterior's entropy, the probability of
    /// a jump, and whether there was one.
    fn history(self, area: Rect, canvas: &mut Canvas<'_>) {
        if area.is_empty() {
            return;
        }
        let run = self.run;
        let muted = canvas.theme().role(Role::Muted);
        let ids = run.timeline.history(self.at);
        let changes: Vec<u32> = ids.iter().map(|change| change.step).collect();
        let mut rows = entries(&changes, run.playhead, usize::from(area.height - 1));
        rows.truncate(usize::from(area.height - 1));
        let digits = run.steps().to_string().len() as u16;
        let told = rows.iter().any(|row| matches!(row, Entry::Step(step) if self.detail(*step).is_some()));
        let numbers = if told && area.width >= digits + 29 { NUMBERS } else { 0 };
        let room = area.width.saturating_sub(digits + 3 + numbers);
        let head = format!("{:>width$} token", "", width = usize::from(digits) + 2);
        canvas.text(area.x, area.y, area.width, &head, muted);
        if numbers > 0 {
            canvas.right(area.x, area.right(), area.y, HEAD, muted);
        }
        for (entry, y) in rows.into_iter().zip(area.y + 1..area.bottom()) {
            let step = match entry {
                Entry::Step(step) => step,
                Entry::Rest(last, first) => {
                    let text = format!("{} {last}–{first}", canvas.glyphs().dot);
                    canvas.text(area.x, y, area.width, &text, muted);
                    continue;
                }
            };
            let index = changes.partition_point(|change| *change <= step);
            let Some(change) = index.checked_sub(1).and_then(|i| ids.get(i)) else { return };
            let fresh = change.step == step;
            let mark = if !fresh || step == 0 { muted } else { canvas.theme().ramp(level(step, run.steps())) };
            let style = if fresh { canvas.theme().role(Role::Text) } else { muted };
            let glyph = if fresh { canvas.glyphs().swatch } else { canvas.glyphs().dot };
            canvas.text(area.x, y, 1, glyph, mark);
            canvas.text(area.x + 2, y, digits, &format!("{step:>width$}", width = usize::from(digits)), muted);
            let label = short(&token_label(self.vocab, change.id), room, canvas.glyphs().ellipsis);
            canvas.text(area.x + digits + 3, y, room, &label, style);
            if let Some(detail) = self.detail(step).filter(|_| numbers > 0) {
                canvas.right(area.x, area.right(), y, &row(&detail, canvas.glyphs().point[1]), style);
            }
        }
    }
}

/// A row of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// A step.
    Step(u32),
    /// Steps without a change, from the last to the first.
    Rest(u32, u32),
}

/// The rows of a history up to the playhead, newest first. Where there is no room for every step, those without a change
/// are drawn together, the oldest first.
fn entries(changes: &[u32], playhead: u32, room: usize) -> Vec<Entry> {
    let mut marks: Vec<u32> = changes.iter().copied().filter(|step| *step < playhead).collect();
    marks.push(playhead);
    marks.reverse();
    // The steps between two marks, where there are any.
    let between = |from: u32, to: u32| from.saturating_sub(to + 1) as usize;
    let gaps = marks.windows(2).filter(|pair| between(pair[0], pair[1]) > 0).count();
    let mut spare = room.saturating_sub(marks.len() + gaps);
    let mut out = Vec::new();
    for (i, &mark) in marks.iter().enumerate() {
        out.push(Entry::Step(mark));
        let Some(&next) = marks.get(i + 1).filter(|next| between(mark, **next) > 0) else { continue };
        let gap = between(mark, next);
        // One row is the gap's own; the spare ones show more of it.
        let alone = if spare + 1 >= gap { gap } else { spare };
        spare -= alone.min(gap - 1);
        out.extend((1..=alone as u32).map(|back| Entry::Step(mark - back)));
        if alone < gap {
            out.push(Entry::Rest(mark - alone as u32 - 1, next + 1));
        }
    }
    out
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

/// A label, cut to so many columns.
fn short(label: &str, room: u16, ellipsis: &str) -> String {
    let room = usize::from(room);
    if label.width() <= room {
        return label.to_owned();
    }
    let mut out = String::new();
    for c in label.chars() {
        let mut next = out.clone();
        next.push(c);
        if next.width() + ellipsis.width() > room {
            break;
        }
        out = next;
    }
    if room > 0 {
        out.push_str(ellipsis);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Entry::{Rest, Step};
    use super::*;

    #[test]
    fn a_long_history_keeps_every_change_and_sums_up_the_rest() {
        assert_eq!(entries(&[0, 2], 3, 4), [Step(3), Step(2), Step(1), Step(0)]);
        let long = entries(&[0, 452, 453, 700], 512, 6);
        assert_eq!(long, [Step(512), Rest(511, 454), Step(453), Step(452), Rest(451, 1), Step(0)]);
        // Room to spare shows the newest of what would be summed up.
        let spare = entries(&[0, 452, 453], 512, 8);
        assert_eq!(spare[..4], [Step(512), Step(511), Step(510), Rest(509, 454)]);
        assert_eq!(spare.len(), 8);
        // Every step is in one row, whatever the room.
        for room in 0..40 {
            let steps = entries(&[0, 3, 4, 9, 20], 30, room).into_iter().flat_map(|entry| match entry {
                Step(step) => (step..=step).rev(),
                Rest(last, first) => (first..=last).rev(),
            });
            assert!(steps.eq((0..=30).rev()), "{room}");
        }
        assert_eq!(entries(&[0], 0, 3), [Step(0)]);
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(
            [short("garden", 6, "…"), short("garden", 5, "…"), short("garden", 0, "…")],
            ["garden", "gard…", ""]
        );
        assert_eq!(short("日本語", 5, "…"), "日本…");
        let bytes = [0x20, 0x62, 0x69, 0x67];
        assert_eq!(
            [hex(&bytes, 11, "…"), hex(&bytes, 10, "…"), hex(&bytes, 3, "…")],
            ["20 62 69 67", "20 62 69 …", ""]
        );
    }
}
