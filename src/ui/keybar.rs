//! The bottom line: what can be done, or what has just happened.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::canvas::Canvas;
use super::legend;
use crate::app::line::{Line, Purpose};
use crate::app::{Action, Level, State, Target};
use crate::config::keys::Bind;
use crate::config::theme::Role;
use crate::text::safe;

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let Some(area) = state.layout.keys else { return };
    if let Some(line) = &state.line {
        return typed(line, area, canvas);
    }
    if let Some(notice) = &state.notice {
        let role = match notice.level {
            Level::Info => Role::Accent,
            Level::Error => Role::Error,
        };
        let style = canvas.theme().role(role);
        canvas.text(area.x + 1, area.y, area.width.saturating_sub(2), &safe(&notice.text), style);
        return;
    }
    let binds: Vec<&Bind> = state.looks.keymap.bar(state.mode()).filter(|bind| works(state, bind.action)).collect();
    let end = legend::draw_keys(state, canvas, area);
    let mut x = area.x + 1;
    for bind in fitting(&binds, end.saturating_sub(x)) {
        let start = x;
        let (key, text) = (canvas.theme().role(Role::Accent), canvas.theme().role(Role::Muted));
        x = canvas.text(x, area.y, end.saturating_sub(x), &bind.first_key(), key);
        x = canvas.text(x + 1, area.y, end.saturating_sub(x + 1), &bind.bar, text);
        canvas.hits.add(Rect::new(start, area.y, x - start, 1), Target::Key(bind.action));
        x += 3;
    }
}

/// Whether an action can do anything here: a trace has no model to run anew.
fn works(state: &State, action: Action) -> bool {
    let runs = matches!(
        action,
        Action::BudgetDouble
            | Action::BudgetHalve
            | Action::BudgetMore
            | Action::BudgetLess
            | Action::Solver
            | Action::Reroll
            | Action::Prompt
            | Action::WhatIf
    );
    state.live.is_some() || !runs
}

/// The line being typed.
fn typed(line: &Line, area: Rect, canvas: &mut Canvas<'_>) {
    let theme = canvas.theme();
    let (name, text, error) = (theme.role(Role::Accent), theme.role(Role::Text), theme.role(Role::Error));
    let what = match line.purpose {
        Purpose::Search => "search ".to_owned(),
        Purpose::Token(at) => format!("instead of token {at} "),
    };
    let end = area.right().saturating_sub(1);
    let x = canvas.text(area.x + 1, area.y, end, &what, name);
    // The end of a long text is what matters: it is where it is typed.
    let shown = safe(&line.text);
    let room = usize::from(end.saturating_sub(x + 2));
    let skip = shown.chars().count().saturating_sub(room);
    let tail: String = shown.chars().skip(skip).collect();
    let x = canvas.text(x, area.y, end.saturating_sub(x + 1), &tail, text);
    canvas.text(x, area.y, 1, " ", theme.selected());
    if let Some(problem) = &line.error {
        canvas.text(x + 2, area.y, end.saturating_sub(x + 2), &safe(problem), error);
    }
}

/// The hints that fit: help and the way out always, the others from the first on.
fn fitting<'a>(binds: &[&'a Bind], room: u16) -> Vec<&'a Bind> {
    let width = |bind: &Bind| bind.first_key().width() + bind.bar.width() + 4;
    let kept = |bind: &Bind| matches!(bind.action, Action::Help | Action::Quit | Action::Close);
    let mut left = (usize::from(room) + 3).saturating_sub(binds.iter().filter(|b| kept(b)).map(|b| width(b)).sum());
    let mut full = false;
    let fits = |bind: &&&Bind| {
        if kept(bind) {
            return true;
        }
        full |= width(bind) > left;
        left -= if full { 0 } else { width(bind) };
        !full
    };
    binds.iter().filter(fits).copied().collect()
}
