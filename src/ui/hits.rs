//! What lies where on the screen last drawn.

use ratatui::layout::{Position, Rect};

use crate::app::Target;

/// Places of the screen with what is drawn there; later entries lie above earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HitMap(Vec<(Rect, Target)>);

impl HitMap {
    /// Adds a place.
    pub(super) fn add(&mut self, area: Rect, target: Target) {
        if !area.is_empty() {
            self.0.push((area, target));
        }
    }

    /// What is drawn at a place.
    pub fn at(&self, column: u16, row: u16) -> Option<Target> {
        let here = Position::new(column, row);
        self.0.iter().rev().find(|(area, _)| area.contains(here)).map(|(_, t)| *t)
    }

    /// Where a target is drawn, the topmost place first.
    pub fn find(&self, target: Target) -> Option<Rect> {
        self.0.iter().rev().find(|(_, t)| *t == target).map(|(area, _)| *area)
    }
}
