//! Views: they read the state and draw it, one file a panel. Nothing here changes anything, and nothing here writes
//! outside the buffer it is given, whatever its size.

mod canvas;
mod charts;
mod frame;
mod gauges;
mod header;
mod hits;
mod inspector;
mod jumps;
mod keybar;
pub mod legend;
mod lists;
mod map;
mod number;
mod passage;
mod plot;
pub mod popup;
mod prompt;
mod series;
mod spark;
mod timeline;

use ratatui::buffer::Buffer;

pub use charts::after as charts_after;
pub use hits::HitMap;
pub use map::inner as map_area;

use crate::app::State;
use crate::config::theme::Role;
use canvas::Canvas;

/// Draws the screen; what lies where comes back, for the mouse.
pub fn draw(state: &State, buffer: &mut Buffer) -> HitMap {
    let mut canvas = Canvas::new(buffer, &state.looks);
    canvas.fill(canvas.area(), state.looks.theme.base());
    if state.layout.too_small {
        too_small(state, &mut canvas);
        return canvas.hits;
    }
    header::draw(state, &mut canvas);
    frame::draw(state, &mut canvas);
    passage::draw(state, &mut canvas);
    map::draw(state, &mut canvas);
    gauges::draw(state, &mut canvas);
    inspector::draw(state, &mut canvas);
    jumps::draw(state, &mut canvas);
    charts::draw(state, &mut canvas);
    timeline::draw(state, &mut canvas);
    keybar::draw(state, &mut canvas);
    prompt::draw(state, &mut canvas);
    lists::draw(state, &mut canvas);
    popup::draw(state, &mut canvas);
    canvas.hits
}

fn too_small(state: &State, canvas: &mut Canvas<'_>) {
    let area = canvas.area();
    let style = canvas.theme().role(Role::Muted);
    let (width, height) = crate::app::layout::LEAST;
    let text = format!("fewstep needs {width}×{height}; this is {}×{}", state.size.0, state.size.1);
    canvas.text(area.x, area.y, area.width, &text, style);
}
