//! What the terminal can show, from its environment.

use crate::cli::ColorChoice;
use crate::config::Depth;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// How many colours.
    pub depth: Depth,
    /// Whether it takes more than ASCII.
    pub unicode: bool,
    /// Whether its background is light, as far as it says.
    pub light: bool,
}

impl Capabilities {
    /// Reads this process's environment.
    pub fn detect(color: ColorChoice) -> Self {
        Self::from(color, |name| std::env::var(name).ok())
    }

    /// Reads an environment.
    pub fn from(color: ColorChoice, env: impl Fn(&str) -> Option<String>) -> Self {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        Self { depth: depth_in(color, env), unicode: unicode(env), light: light(env) }
    }
}

/// How many colours the terminal of this process shows, where no flag says otherwise.
pub fn depth() -> Depth {
    Capabilities::detect(ColorChoice::Auto).depth
}

/// The terminal's width; 80 where there is none to ask.
pub fn columns() -> u16 {
    crossterm::terminal::size().map_or(80, |(width, _)| width.max(1))
}

/// The flag decides; else `NO_COLOR` (any value); else what `COLORTERM` and `TERM` promise.
fn depth_in(color: ColorChoice, env: impl Fn(&str) -> Option<String>) -> Depth {
    match color {
        ColorChoice::Truecolor => return Depth::True,
        ColorChoice::Indexed => return Depth::Indexed,
        ColorChoice::Ansi => return Depth::Sixteen,
        ColorChoice::Never => return Depth::None,
        ColorChoice::Auto => {}
    }
    if env("NO_COLOR").is_some() {
        return Depth::None;
    }
    let term = env("TERM").unwrap_or_default();
    let colorterm = env("COLORTERM").unwrap_or_default();
    let windows_terminal = env("WT_SESSION").is_some();
    if term == "dumb" {
        Depth::None
    } else if ["truecolor", "24bit"].contains(&colorterm.as_str()) || term.ends_with("-direct") || windows_terminal {
        Depth::True
    } else if term.contains("256") {
        Depth::Indexed
    } else {
        Depth::Sixteen
    }
}

/// The first of the locale variables that is set decides. Where none is (containers, services), terminals of today
/// are trusted to be UTF-8; a locale that names another encoding, or `C`, is believed.
fn unicode(env: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(env);
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// `COLORFGBG` is `foreground;background` in the 16 colours; 7 and above, but for dark grey, are light.
fn light(env: impl Fn(&str) -> Option<String>) -> bool {
    let background = env("COLORFGBG").and_then(|v| v.rsplit(';').next()?.parse::<u8>().ok());
    background.is_some_and(|b| b == 7 || (9..=15).contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(color: ColorChoice, vars: &[(&str, &str)]) -> Capabilities {
        let get = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Capabilities::from(color, get)
    }

    #[test]
    fn depth_follows_flag_then_no_color_then_term() {
        let auto = |vars: &[(&str, &str)]| caps(ColorChoice::Auto, vars).depth;
        assert_eq!(auto(&[("TERM", "xterm-256color")]), Depth::Indexed);
        assert_eq!(auto(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(auto(&[("TERM", "xterm")]), Depth::Sixteen);
        assert_eq!(auto(&[("TERM", "dumb"), ("COLORTERM", "truecolor")]), Depth::None);
        assert_eq!(auto(&[("COLORTERM", "truecolor"), ("NO_COLOR", "1")]), Depth::None);
        assert_eq!(auto(&[("COLORTERM", "truecolor"), ("NO_COLOR", "")]), Depth::True);
        assert_eq!(caps(ColorChoice::Indexed, &[("NO_COLOR", "1")]).depth, Depth::Indexed);
        assert_eq!(caps(ColorChoice::Never, &[("COLORTERM", "truecolor")]).depth, Depth::None);
    }

    #[test]
    fn locale_and_background() {
        let auto = |vars: &[(&str, &str)]| caps(ColorChoice::Auto, vars);
        assert!(auto(&[]).unicode && auto(&[("LANG", "de_DE.UTF-8")]).unicode);
        assert!(!auto(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]).unicode);
        assert!(!auto(&[("LANG", "de_DE.ISO-8859-1")]).unicode);
        assert!(auto(&[("COLORFGBG", "0;15")]).light && auto(&[("COLORFGBG", "0;default;15")]).light);
        assert!(!auto(&[("COLORFGBG", "15;0")]).light && !auto(&[("COLORFGBG", "15;8")]).light);
    }
}
