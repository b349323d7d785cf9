//! Where each panel is. Geometry is state: keys that move by lines and the mouse need it as much as the views do.

use ratatui::layout::Rect;

/// The smallest terminal with a screen.
pub const LEAST: (u16, u16) = (40, 10);

/// From this width on there are side panels.
const SIDE_FROM: u16 = 100;

/// Which optional panels are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The convergence map.
    pub map: bool,
    /// The panel below the gauges.
    pub lower: bool,
    /// That panel, also where it must take the place of something else.
    pub asked: bool,
}

/// Panels with their insides; frames are one cell around them and shared between neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The whole screen.
    pub screen: Rect,
    /// Too small for anything but a message.
    pub too_small: bool,
    /// The line at the top.
    pub header: Rect,
    /// The frame around passage and map, if there is room for one.
    pub main: Option<Rect>,
    /// The text.
    pub passage: Rect,
    /// The convergence map.
    pub map: Option<Rect>,
    /// The frame around the side panels.
    pub side: Option<Rect>,
    /// The gauges, with sparklines.
    pub gauges: Option<Rect>,
    /// The panel below the gauges.
    pub lower: Option<Rect>,
    /// The gauges' numbers in a line, where there are no side panels.
    pub numbers: Option<Rect>,
    /// Bars of how much each step changed, above the timeline.
    pub bars: Option<Rect>,
    /// The step line.
    pub timeline: Rect,
    /// The bottom line.
    pub keys: Option<Rect>,
}

/// The first `rows` rows of `area`, taken off it.
fn top(area: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    let taken = Rect { height: rows, ..*area };
    area.y += rows;
    area.height -= rows;
    taken
}

/// The last `rows` rows of `area`, taken off it.
fn bottom(area: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    area.height -= rows;
    Rect { y: area.y + area.height, height: rows, ..*area }
}

/// `area` without a border of one cell.
fn inside(area: Rect) -> Rect {
    Rect {
        x: area.x + area.width.min(1),
        y: area.y + area.height.min(1),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

/// Splits a frame's inside by a rule that leaves `rows` rows below it.
fn split(area: Rect, rows: u16) -> (Rect, Rect) {
    let mut upper = area;
    let lower = bottom(&mut upper, rows);
    bottom(&mut upper, 1);
    (upper, lower)
}

impl Layout {
    /// The panels of a screen of this size.
    pub fn new(width: u16, height: u16, wanted: Wanted) -> Self {
        let screen = Rect::new(0, 0, width, height);
        if width < LEAST.0 || height < LEAST.1 {
            return Self { screen, too_small: true, ..Self::default() };
        }
        let mut body = screen;
        let header = top(&mut body, 1);
        let keys = bottom(&mut body, 1);
        let timeline = bottom(&mut body, 1);
        let bar_rows = match height {
            0..18 => 0,
            18..30 => 1,
            _ => 2,
        };
        let bars = (bar_rows > 0).then(|| bottom(&mut body, bar_rows));

        let side = (width >= SIDE_FROM && height >= 16).then(|| {
            let columns = (width * 3 / 10).clamp(36, 52);
            body.width -= columns;
            Rect { x: body.x + body.width, width: columns, ..body }
        });
        let numbers = side.is_none().then(|| bottom(&mut body, 1));
        let main = (body.height >= 10).then_some(body);
        let mut passage = main.map_or(body, inside);
        let mut map = (wanted.map && main.is_some() && passage.height >= 14).then(|| {
            let rows = (passage.height / 3).clamp(4, 16);
            let (upper, lower) = split(passage, rows);
            passage = upper;
            lower
        });
        // Text keeps a margin, in a frame or without.
        passage = Rect { x: passage.x + 1, width: passage.width.saturating_sub(2), ..passage };
        let mut gauges = side.map(inside);
        let mut lower = None;
        if let Some(area) = gauges.filter(|area| wanted.lower && area.height >= 14) {
            let (upper, below) = split(area, area.height.saturating_sub(1 + GAUGE_ROWS));
            (gauges, lower) = (Some(upper), Some(below));
        }
        if side.is_none() && wanted.asked {
            // Without a side the panel takes the place of the map; where there is none, that of the text.
            let whole = map.map_or(passage, |map| Rect { height: passage.height + 1 + map.height, ..passage });
            (passage, map, lower) = if main.is_some() && whole.height >= 16 {
                let (upper, below) = split(whole, whole.height * 3 / 5);
                (upper, None, Some(below))
            } else {
                (Rect { height: 0, ..whole }, None, Some(whole))
            };
        }
        Self {
            screen,
            too_small: false,
            header,
            main,
            passage,
            map,
            side,
            gauges,
            lower,
            numbers,
            bars,
            timeline,
            keys: Some(keys),
        }
    }
}

/// Rows the gauges take.
pub const GAUGE_ROWS: u16 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Wanted = Wanted { map: true, lower: true, asked: false };

    fn panels(l: &Layout) -> Vec<Rect> {
        let mut out = vec![l.header, l.passage, l.timeline];
        out.extend([l.map, l.gauges, l.lower, l.numbers, l.bars, l.keys].into_iter().flatten());
        out
    }

    #[test]
    fn panels_lie_inside_the_screen_and_never_overlap() {
        for width in (0..=300).step_by(7).chain([39, 40, 99, 100]) {
            for height in 0..=100 {
                for wanted in [ALL, Wanted { asked: true, ..ALL }, Wanted { map: false, lower: false, asked: false }] {
                    let layout = Layout::new(width, height, wanted);
                    let panels = panels(&layout);
                    for (i, a) in panels.iter().enumerate() {
                        assert_eq!(a.intersection(layout.screen).area(), a.area(), "{width}x{height} {a:?}");
                        for b in &panels[i + 1..] {
                            assert_eq!(a.intersection(*b).area(), 0, "{width}x{height} {a:?} {b:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn narrow_screens_drop_the_side_then_the_map() {
        let wide = Layout::new(120, 36, ALL);
        assert!(wide.gauges.is_some() && wide.lower.is_some() && wide.map.is_some() && wide.numbers.is_none());
        let narrow = Layout::new(80, 24, ALL);
        assert!(narrow.gauges.is_none() && narrow.map.is_some() && narrow.numbers.is_some());
        let least = Layout::new(40, 10, ALL);
        assert!(least.map.is_none() && least.main.is_none() && least.numbers.is_some() && !least.too_small);
        assert!(least.passage.height >= 5 && least.timeline.height == 1);
        let asked = Wanted { asked: true, ..ALL };
        for (width, height) in [(40, 10), (80, 24), (120, 36), (160, 50)] {
            assert!(Layout::new(width, height, asked).lower.is_some_and(|l| l.height >= 5), "{width}x{height}");
        }
        assert!(Layout::new(39, 10, ALL).too_small && Layout::new(40, 9, ALL).too_small);
    }
}
