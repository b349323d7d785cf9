//! From arguments, files and the terminal to how the screen looks and listens.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::app::state::Looks;
use crate::cli::ScreenArgs;
use crate::config::{Depth, Glyphs, Keymap, Theme};
use crate::error::Error;
use crate::term::Capabilities;

/// Reads theme and keys, and asks the environment for the rest.
pub fn looks(args: &ScreenArgs) -> Result<Looks, Error> {
    let caps = Capabilities::detect(args.color);
    let theme = match args.theme.as_deref() {
        None if caps.light => Theme::light(caps.depth),
        None => Theme::dark(caps.depth),
        Some(name) => theme(name, caps.depth)?,
    };
    let keymap = match &args.keys {
        None => Keymap::default(),
        Some(path) => Keymap::patched(&read(path)?, &path.display().to_string()).map_err(Error::input)?,
    };
    let unicode = caps.unicode && !args.ascii;
    Ok(Looks { theme, glyphs: if unicode { Glyphs::UNICODE } else { Glyphs::ASCII }, keymap: Arc::new(keymap) })
}

/// The theme of that name, built in or a file.
pub(super) fn theme(name: &str, depth: Depth) -> Result<Theme, Error> {
    match name {
        "dark" => return Ok(Theme::dark(depth)),
        "light" => return Ok(Theme::light(depth)),
        _ => {}
    }
    let path = Path::new(name);
    if !path.exists() {
        return Err(Error::input(format!("--theme {name}: no such file; use dark, light, or the path of a theme")));
    }
    Theme::parse(&read(path)?, name, depth).map_err(Error::input)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| Error::input(format!("{}: {error}; check the path", path.display())))
}
