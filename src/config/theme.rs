//! Colours by role. The only module that names RGB or indexed colours; everything else asks for a role.
//!
//! A theme is eight ramp colours, ordered early to late, and a handful of roles for the rest of the screen. What a
//! terminal cannot show is mapped once, here: 24-bit colours to the xterm palette, to the 16 named ones, or to
//! modifiers alone.

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use super::ConfigError;
use super::color::{Rgb, indexed, indexed_ramp};

/// Steps of the ramp.
pub const LEVELS: usize = 8;

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: modifiers and digits carry the meaning.
    None,
    /// The 16 of the terminal's own palette.
    Sixteen,
    /// The xterm palette of 256.
    Indexed,
    /// 24 bits.
    #[default]
    True,
}

/// What the ramp colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RampOn {
    /// The letters.
    Text,
    /// What they stand on.
    Background,
}

/// Roles with a colour of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ordinary text.
    Text,
    /// Secondary text.
    Muted,
    /// Frames and rules.
    Faint,
    /// The one accent.
    Accent,
    /// Frozen tokens.
    Prompt,
    /// Something to notice.
    Warn,
    /// Something went wrong.
    Error,
}

/// What decides the looks of one token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// Ramp level 0…7; `None`: no colour (never changed).
    pub level: Option<u8>,
    /// Changed in the step on screen.
    pub now: bool,
    /// Every other token.
    pub odd: bool,
    /// Part of the prompt.
    pub frozen: bool,
    /// Under the cursor.
    pub cursor: bool,
    /// A stand-in for something that is not text: a line break, a byte, an unknown id.
    pub placeholder: bool,
    /// Differs from what it is compared with.
    pub differs: bool,
}

/// The file format of a theme.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    background: String,
    stripe: String,
    raised: String,
    text: String,
    muted: String,
    faint: String,
    accent: String,
    prompt: String,
    warn: String,
    error: String,
    ramp_on: RampOn,
    ink: String,
    ramp: [String; LEVELS],
    ramp_16: [String; LEVELS],
}

/// A theme, resolved for one colour depth.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    name: String,
    depth: Depth,
    ramp_on: RampOn,
    roles: [Color; 7],
    background: Color,
    stripe: Color,
    raised: Color,
    ink: Color,
    ramp: [Color; LEVELS],
}

/// Contrast that text must have (WCAG AA).
const READABLE: f32 = 4.5;

/// Least step in lightness between levels of the ramp in 256 colours.
const LEAST_STEP: f32 = 0.01;

fn contrasts(colour: Rgb, on: &[Color]) -> bool {
    let rgb = |ground: &Color| match *ground {
        Color::Indexed(index) => Some(indexed(index)),
        Color::Rgb(r, g, b) => Some(Rgb(r, g, b)),
        _ => None,
    };
    on.iter().filter_map(rgb).all(|ground| colour.contrast(ground) >= READABLE)
}

fn all_rgb(ramp: &[String; LEVELS]) -> Option<[Rgb; LEVELS]> {
    let parsed: Vec<Rgb> = ramp.iter().filter_map(|value| Rgb::parse(value)).collect();
    parsed.try_into().ok()
}

const DARK: &str = include_str!("../../assets/themes/dark.toml");
const LIGHT: &str = include_str!("../../assets/themes/light.toml");

impl Theme {
    /// The built-in dark theme.
    pub fn dark(depth: Depth) -> Self {
        Self::parse(DARK, "assets/themes/dark.toml", depth).unwrap_or_else(|_| Self::plain())
    }

    /// The built-in light theme.
    pub fn light(depth: Depth) -> Self {
        Self::parse(LIGHT, "assets/themes/light.toml", depth).unwrap_or_else(|_| Self::plain())
    }

    /// A theme without any colour.
    pub fn plain() -> Self {
        Self {
            name: "plain".to_owned(),
            depth: Depth::None,
            ramp_on: RampOn::Text,
            roles: [Color::Reset; 7],
            background: Color::Reset,
            stripe: Color::Reset,
            raised: Color::Reset,
            ink: Color::Reset,
            ramp: [Color::Reset; LEVELS],
        }
    }

    /// Reads a theme file; `file` names it in errors.
    pub fn parse(text: &str, file: &str, depth: Depth) -> Result<Self, ConfigError> {
        let raw: File = toml::from_str(text).map_err(|e| {
            ConfigError::new(file, e.message().replace('\n', " "), "compare it with assets/themes/dark.toml")
        })?;
        if depth == Depth::None {
            return Ok(Self { name: raw.name, ..Self::plain() });
        }
        let colour = |field: &str, value: &str| {
            let rgb = Rgb::parse(value).ok_or_else(|| {
                ConfigError::new(file, format!("{field} = {value:?} is not a colour"), "write it as \"#rrggbb\"")
            })?;
            Ok(match depth {
                Depth::True => Color::Rgb(rgb.0, rgb.1, rgb.2),
                Depth::Indexed => Color::Indexed(rgb.nearest_indexed()),
                Depth::Sixteen | Depth::None => Color::Reset,
            })
        };
        let sixteen = depth == Depth::Sixteen;
        let named = |value: &str| {
            value.parse::<Color>().map_err(|_| {
                ConfigError::new(
                    file,
                    format!("ramp_16: {value:?} is not a colour"),
                    "use a name such as \"blue\" or \"light-blue\"",
                )
            })
        };
        let mut ramp = [Color::Reset; LEVELS];
        for (slot, (fixed, name)) in ramp.iter_mut().zip(raw.ramp.iter().zip(&raw.ramp_16)) {
            let (fixed, name) = (colour("ramp", fixed)?, named(name)?);
            *slot = if sixteen { name } else { fixed };
        }
        let grounds =
            [colour("background", &raw.background)?, colour("stripe", &raw.stripe)?, colour("raised", &raw.raised)?];
        let ink = colour("ink", &raw.ink)?;
        let chip_ink = if raw.ramp_on == RampOn::Text { ink } else { grounds[0] };
        let readable = |field: &str, value: &str, on: &[Color]| {
            let nearest = colour(field, value)?;
            Ok::<Color, ConfigError>(match (depth, Rgb::parse(value)) {
                (Depth::Indexed, Some(rgb)) => Color::Indexed(rgb.nearest_indexed_where(|c| contrasts(c, on))),
                _ => nearest,
            })
        };
        let on_chips = [&grounds[..], &[chip_ink]].concat();
        let mut roles = [
            readable("text", &raw.text, &grounds)?,
            readable("muted", &raw.muted, &grounds)?,
            colour("faint", &raw.faint)?,
            readable("accent", &raw.accent, &on_chips)?,
            readable("prompt", &raw.prompt, &grounds)?,
            readable("warn", &raw.warn, &grounds)?,
            readable("error", &raw.error, &grounds)?,
        ];
        if depth == Depth::Indexed
            && let Some(fixed) = all_rgb(&raw.ramp)
        {
            let letters = raw.ramp_on == RampOn::Text;
            let on = if letters { vec![grounds[0], grounds[1], ink] } else { vec![ink] };
            ramp = indexed_ramp(fixed, LEAST_STEP, |c| contrasts(c, &on)).map(Color::Indexed);
        }
        if sixteen {
            // The user's own palette decides how these look; text and background stay theirs.
            roles =
                [Color::Reset, Color::Reset, Color::DarkGray, Color::Magenta, Color::Blue, Color::Yellow, Color::Red];
        }
        Ok(Self {
            background: grounds[0],
            stripe: grounds[1],
            raised: grounds[2],
            ink: if sixteen { Color::Black } else { ink },
            name: raw.name,
            depth,
            ramp_on: raw.ramp_on,
            roles,
            ramp,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The depth it was resolved for.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// The style of the whole screen.
    pub fn base(&self) -> Style {
        Style::new().fg(self.role_colour(Role::Text)).bg(self.background)
    }

    /// The style of popups.
    pub fn raised(&self) -> Style {
        Style::new().fg(self.role_colour(Role::Text)).bg(self.raised)
    }

    fn role_colour(&self, role: Role) -> Color {
        self.roles[role as usize]
    }

    /// Foreground of a role. Without colours the secondary ones are dim and the loud ones bold.
    pub fn role(&self, role: Role) -> Style {
        let style = Style::new().fg(self.role_colour(role));
        match (self.depth, role) {
            (Depth::None | Depth::Sixteen, Role::Muted) | (Depth::None, Role::Faint | Role::Prompt) => {
                style.add_modifier(Modifier::DIM)
            }
            (Depth::None, Role::Accent | Role::Warn | Role::Error) => style.add_modifier(Modifier::BOLD),
            _ => style,
        }
    }

    /// Where a chosen row, or the cursor, is.
    pub fn selected(&self) -> Style {
        if self.depth == Depth::None {
            return Style::new().add_modifier(Modifier::REVERSED);
        }
        Style::new().fg(self.chip_ink()).bg(self.role_colour(Role::Accent))
    }

    /// A column or row that is marked without hiding what is there.
    pub fn marked(&self) -> Style {
        match self.depth {
            Depth::None => Style::new().add_modifier(Modifier::REVERSED),
            Depth::Sixteen => Style::new().bg(Color::DarkGray),
            Depth::Indexed | Depth::True => Style::new().bg(self.role_colour(Role::Faint)),
        }
    }

    /// Text on a filled patch of the accent or, in themes whose ramp colours letters, of a ramp colour.
    fn chip_ink(&self) -> Color {
        match self.ramp_on {
            RampOn::Text => self.ink,
            RampOn::Background if self.depth == Depth::Sixteen => Color::White,
            RampOn::Background => self.background,
        }
    }

    /// A bar, mark or swatch of ramp level `level`.
    pub fn ramp(&self, level: u8) -> Style {
        let level = usize::from(level).min(LEVELS - 1);
        let style = Style::new().fg(self.ramp[level]);
        if self.depth == Depth::None { style.add_modifier(Self::level_modifier(level)) } else { style }
    }

    /// Modifiers that stand for the ramp where there are no colours: early is dim, late is bold.
    fn level_modifier(level: usize) -> Modifier {
        match level {
            0..=2 => Modifier::DIM,
            3..=5 => Modifier::empty(),
            _ => Modifier::BOLD,
        }
    }

    /// The style of one token.
    pub fn token(&self, token: Token) -> Style {
        let mut style = match token.level {
            _ if token.frozen => self.role(Role::Prompt).add_modifier(Modifier::ITALIC),
            None => self.role(Role::Muted),
            Some(level) => self.level_style(level, token.now),
        };
        if token.odd && style.bg.is_none() && self.depth >= Depth::Indexed {
            style = style.bg(self.stripe);
        }
        if token.placeholder && !token.now {
            style = style.add_modifier(Modifier::DIM);
        }
        if token.differs || (token.odd && self.depth == Depth::None && token.level.is_some()) {
            style = style.add_modifier(Modifier::UNDERLINED);
        }
        if token.cursor {
            style = self.selected().add_modifier(Modifier::BOLD);
        }
        style
    }

    fn level_style(&self, level: u8, now: bool) -> Style {
        let level = usize::from(level).min(LEVELS - 1);
        let colour = self.ramp[level];
        if self.depth == Depth::None {
            let style = Style::new().add_modifier(Self::level_modifier(level));
            return if now { style.add_modifier(Modifier::REVERSED) } else { style };
        }
        // What changed just now swaps letters and ground: a chip in coloured text, a dark chip on coloured paper.
        match (self.ramp_on, now) {
            (RampOn::Text, false) => Style::new().fg(colour),
            (RampOn::Text, true) | (RampOn::Background, false) => Style::new().fg(self.ink).bg(colour),
            (RampOn::Background, true) => Style::new().fg(colour).bg(self.ink),
        }
    }
}

/// The ramp level (0…7) of step `step` (1-based) of a budget of `steps`: budgets below eight use spread-out levels,
/// larger ones share them evenly.
pub fn level(step: u32, steps: u32) -> u8 {
    let top = LEVELS as u64 - 1;
    let (step, steps) = (u64::from(step.max(1)), u64::from(steps.max(1)));
    let step = step.min(steps);
    let level = if steps == 1 {
        top
    } else if steps <= LEVELS as u64 {
        ((step - 1) * top * 2 + (steps - 1)) / ((steps - 1) * 2)
    } else {
        (step - 1) * LEVELS as u64 / steps
    };
    level.min(top) as u8
}

/// The ramp level of a share between 0 and 1; what is not a number is level 0.
pub fn level_of(share: f32) -> u8 {
    let scaled = (share * LEVELS as f32).floor();
    if scaled.is_finite() { scaled.clamp(0.0, LEVELS as f32 - 1.0) as u8 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::super::color::{Rgb, indexed};
    use super::*;

    fn rgb(colour: Color) -> Rgb {
        match colour {
            Color::Rgb(r, g, b) => Rgb(r, g, b),
            Color::Indexed(i) => indexed(i),
            other => panic!("{other:?} has no fixed value"),
        }
    }

    fn themes(depth: Depth) -> [Theme; 2] {
        [Theme::dark(depth), Theme::light(depth)]
    }

    #[test]
    fn built_in_themes_parse() {
        for (text, name) in [(DARK, "dark"), (LIGHT, "light")] {
            for depth in [Depth::None, Depth::Sixteen, Depth::Indexed, Depth::True] {
                let theme = Theme::parse(text, name, depth).expect(name);
                assert_eq!((theme.name(), theme.depth()), (name, depth));
            }
        }
    }

    #[test]
    fn every_text_has_a_contrast_of_at_least_4_5() {
        for depth in [Depth::True, Depth::Indexed] {
            for theme in themes(depth) {
                let mut pairs = vec![];
                for role in [Role::Text, Role::Muted, Role::Accent, Role::Prompt, Role::Warn, Role::Error] {
                    for ground in [theme.background, theme.stripe, theme.raised] {
                        pairs.push((theme.role_colour(role), ground));
                    }
                }
                pairs.push((theme.selected().fg.unwrap(), theme.selected().bg.unwrap()));
                for level in 0..8 {
                    for now in [false, true] {
                        for odd in [false, true] {
                            let token = Token { level: Some(level), now, odd, ..Token::default() };
                            let style = theme.token(token);
                            pairs.push((style.fg.unwrap(), style.bg.unwrap_or(theme.background)));
                        }
                    }
                }
                for (front, back) in pairs {
                    let contrast = rgb(front).contrast(rgb(back));
                    assert!(contrast >= 4.5, "{} {depth:?}: {front:?} on {back:?} is {contrast:.2}", theme.name);
                }
            }
        }
    }

    #[test]
    fn lightness_of_the_ramp_is_strictly_monotone() {
        for (depth, least) in [(Depth::True, 0.02), (Depth::Indexed, 0.005)] {
            for theme in themes(depth) {
                let light: Vec<f32> = theme.ramp.iter().map(|&c| rgb(c).oklab()[0]).collect();
                let rising = light[7] > light[0];
                for pair in light.windows(2) {
                    let step = if rising { pair[1] - pair[0] } else { pair[0] - pair[1] };
                    assert!(step >= least, "{} {depth:?}: {light:?}", theme.name);
                }
                assert!((light[7] - light[0]).abs() > 0.2, "{}: {light:?}", theme.name);
            }
        }
    }

    #[test]
    fn levels_are_spread_monotone_and_reach_both_ends() {
        assert_eq!((1..=8).map(|s| level(s, 8)).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((1..=4).map(|s| level(s, 4)).collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!((1..=2).map(|s| level(s, 2)).collect::<Vec<_>>(), [0, 7]);
        assert_eq!(level(1, 1), 7);
        for steps in [3, 5, 9, 16, 100, 1024] {
            let all: Vec<u8> = (1..=steps).map(|s| level(s, steps)).collect();
            assert_eq!((all[0], all[all.len() - 1]), (0, 7), "{steps}");
            assert!(all.windows(2).all(|p| p[0] <= p[1] && p[1] - p[0] <= 4), "{steps}");
        }
        assert_eq!(level(u32::MAX, 8), 7);
        assert_eq!([f32::NAN, -1.0, 0.5, 2.0].map(level_of), [0, 0, 4, 7]);
    }

    #[test]
    fn without_colours_nothing_is_coloured() {
        let theme = Theme::dark(Depth::None);
        for level in [None, Some(0), Some(4), Some(7)] {
            for now in [false, true] {
                let style = theme.token(Token { level, now, odd: true, ..Token::default() });
                assert!(matches!(style.fg, None | Some(Color::Reset)), "{style:?}");
                assert!(matches!(style.bg, None | Some(Color::Reset)), "{style:?}");
            }
        }
        let early = theme.token(Token { level: Some(0), ..Token::default() });
        let late = theme.token(Token { level: Some(7), ..Token::default() });
        assert_ne!(early.add_modifier, late.add_modifier);
    }

    #[test]
    fn a_bad_theme_is_named_with_its_field() {
        let bad = DARK.replace("#d5d9e0", "grey");
        let error = Theme::parse(&bad, "mine.toml", Depth::True).unwrap_err().to_string();
        assert!(error.starts_with("mine.toml: text = \"grey\"") && !error.contains('\n'), "{error}");
        let error = Theme::parse("name = 1", "mine.toml", Depth::True).unwrap_err().to_string();
        assert!(error.starts_with("mine.toml: ") && !error.contains('\n'), "{error}");
    }
}
