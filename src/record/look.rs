//! The colours of a recording: a terminal's default colours, its sixteen named ones, and the ramp of steps.
//!
//! A buffer may say "default foreground" or "light blue" and leave the colour to the terminal; a picture has no
//! terminal to ask, so a [`Look`] answers.

use ratatui::style::Color;

use crate::config::Theme;
pub use crate::config::color::Rgb;

impl Rgb {
    /// `#rrggbb`.
    pub fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// This colour over `under`, at `alpha` of 255.
    #[must_use]
    pub fn over(self, under: Self, alpha: u8) -> Self {
        let mix = |top: u8, low: u8| {
            let sum = u32::from(top) * u32::from(alpha) + u32::from(low) * (255 - u32::from(alpha));
            ((sum + 127) / 255) as u8
        };
        Self(mix(self.0, under.0), mix(self.1, under.1), mix(self.2, under.2))
    }

    /// As one number, `0xrrggbb`.
    pub fn pack(self) -> u32 {
        u32::from(self.0) << 16 | u32::from(self.1) << 8 | u32::from(self.2)
    }

    /// From [`Rgb::pack`].
    pub fn unpack(packed: u32) -> Self {
        Self((packed >> 16) as u8, (packed >> 8) as u8, packed as u8)
    }
}

/// What a terminal would have decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Default foreground.
    pub fg: Rgb,
    /// Default background.
    pub bg: Rgb,
    /// The sixteen named colours.
    pub ansi: [Rgb; 16],
}

/// The sixteen named colours on a dark ground.
const ON_DARK: [Rgb; 16] = [
    Rgb(0x26, 0x2a, 0x33),
    Rgb(0xe0, 0x6c, 0x75),
    Rgb(0x98, 0xc3, 0x79),
    Rgb(0xe5, 0xc0, 0x7b),
    Rgb(0x61, 0xaf, 0xef),
    Rgb(0xc6, 0x78, 0xdd),
    Rgb(0x56, 0xb6, 0xc2),
    Rgb(0xab, 0xb2, 0xbf),
    Rgb(0x6b, 0x72, 0x80),
    Rgb(0xf0, 0x8a, 0x92),
    Rgb(0xb5, 0xdb, 0x9a),
    Rgb(0xf2, 0xd6, 0xa0),
    Rgb(0x8c, 0xc6, 0xf7),
    Rgb(0xda, 0x9f, 0xea),
    Rgb(0x7f, 0xd0, 0xda),
    Rgb(0xf4, 0xf5, 0xf7),
];

/// The same on a light ground.
const ON_LIGHT: [Rgb; 16] = [
    Rgb(0x24, 0x29, 0x2f),
    Rgb(0xb3, 0x26, 0x2d),
    Rgb(0x2c, 0x72, 0x2f),
    Rgb(0x86, 0x5f, 0x00),
    Rgb(0x1f, 0x5f, 0xb0),
    Rgb(0x8a, 0x3a, 0xa0),
    Rgb(0x0f, 0x6f, 0x7a),
    Rgb(0xd0, 0xd5, 0xdb),
    Rgb(0x6b, 0x72, 0x80),
    Rgb(0xcf, 0x3b, 0x42),
    Rgb(0x3d, 0x8b, 0x40),
    Rgb(0xa3, 0x78, 0x10),
    Rgb(0x2f, 0x78, 0xd0),
    Rgb(0xa5, 0x52, 0xbd),
    Rgb(0x1e, 0x89, 0x96),
    Rgb(0xfb, 0xfb, 0xf9),
];

impl Look {
    /// The colours a theme's screen has. A theme that leaves its colours to the terminal gets light on dark.
    pub fn of(theme: &Theme) -> Self {
        let named = Self { fg: ON_DARK[7], bg: Rgb(0x15, 0x17, 0x1c), ansi: ON_DARK };
        let base = theme.base();
        let colour = |color: Option<Color>| color.and_then(|color| named.rgb(color));
        let (fg, bg) = (colour(base.fg).unwrap_or(named.fg), colour(base.bg).unwrap_or(named.bg));
        let light = bg.contrast(Rgb(0, 0, 0)) > bg.contrast(Rgb(255, 255, 255));
        Self { fg, bg, ansi: if light { ON_LIGHT } else { ON_DARK } }
    }

    /// The colour that `color` stands for, if it says one.
    pub fn rgb(&self, color: Color) -> Option<Rgb> {
        Some(match color {
            Color::Reset => return None,
            Color::Rgb(r, g, b) => Rgb(r, g, b),
            Color::Indexed(index) => self.indexed(index),
            named => self.ansi[usize::from(ansi_index(named)?)],
        })
    }

    /// One of the 256 indexed colours: the sixteen, the 6×6×6 cube, the grey ramp.
    pub fn indexed(&self, index: u8) -> Rgb {
        match index {
            0..=15 => self.ansi[usize::from(index)],
            16..=231 => {
                let level = |i: u8| if i == 0 { 0 } else { 55 + 40 * i };
                let cube = index - 16;
                Rgb(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
            }
            232..=255 => {
                let grey = 8 + 10 * (index - 232);
                Rgb(grey, grey, grey)
            }
        }
    }
}

/// Place of a named colour among the sixteen; none for those that are not named.
pub fn ansi_index(color: Color) -> Option<u8> {
    Some(match color {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        Color::Reset | Color::Rgb(..) | Color::Indexed(_) => return None,
    })
}
