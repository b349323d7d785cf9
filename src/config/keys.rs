//! Key bindings: data in `assets/keys.toml`, patched by a user's file. Help and the bottom line are made from them.

use std::collections::HashMap;
use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::Deserialize;

use super::ConfigError;
use crate::app::Action;

/// The built-in bindings.
const BUILT_IN: &str = include_str!("../../assets/keys.toml");
const BUILT_IN_NAME: &str = "assets/keys.toml";

/// What the keys speak to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The screen itself.
    #[default]
    Main,
    /// A window over it.
    Popup,
    /// A list or an editor over it.
    List,
    /// A line to type in.
    Line,
    /// The prompt editor.
    Prompt,
}

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

const NAMED: &[(&str, KeyCode)] = &[
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
];

impl Chord {
    /// The chord of a key event. Shift is part of a character already, and terminals differ in telling it.
    pub fn of(event: KeyEvent) -> Self {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let mut code = event.code;
        if let KeyCode::Char(c) = code {
            modifiers.remove(KeyModifiers::SHIFT);
            if modifiers.contains(KeyModifiers::CONTROL) {
                code = KeyCode::Char(c.to_ascii_lowercase());
            }
        }
        if code == KeyCode::BackTab {
            code = KeyCode::Tab;
            modifiers |= KeyModifiers::SHIFT;
        }
        Self { code, modifiers }
    }

    /// Reads `ctrl-r`, `space`, `R`, `-`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut modifiers = KeyModifiers::NONE;
        for (prefix, modifier) in
            [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)]
        {
            if let Some(tail) = rest.strip_prefix(prefix).filter(|t| !t.is_empty()) {
                rest = tail;
                modifiers |= modifier;
            }
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() => KeyCode::Char(c),
            _ => NAMED.iter().find(|(name, _)| *name == rest).map(|(_, code)| *code).or_else(|| {
                let n = rest.strip_prefix('f')?.parse().ok()?;
                (1..=12).contains(&n).then_some(KeyCode::F(n))
            })?,
        };
        Some(Self::of(KeyEvent::new(code, modifiers)))
    }

    /// The key event a script would send.
    pub fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in
            [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")]
        {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        if let Some((name, _)) = NAMED.iter().find(|(_, code)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::F(n) => write!(f, "f{n}"),
            other => write!(f, "{other}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    section: Vec<RawSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSection {
    name: String,
    #[serde(default)]
    when: Mode,
    bind: Vec<RawBind>,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBind {
    #[serde(rename = "do")]
    action: String,
    keys: Vec<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    bar: String,
    #[serde(default)]
    show: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default)]
    keys: HashMap<String, Vec<String>>,
}

/// One action with its keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Bind {
    /// What it does.
    pub action: Action,
    /// The keys that do it; none: unbound.
    pub chords: Vec<Chord>,
    /// What help says; empty: not listed (it belongs to the line before).
    pub text: String,
    /// What the bottom line says; empty: nothing.
    pub bar: String,
    show: String,
}

impl Bind {
    /// How help writes its keys.
    pub fn keys(&self) -> String {
        // `show` stands for several bindings: in help only where the others have no line of their own.
        if !self.show.is_empty() && self.bar.is_empty() {
            return self.show.clone();
        }
        let names: Vec<String> = self.chords.iter().map(ToString::to_string).collect();
        names.join(" ")
    }

    /// The key the bottom line shows.
    pub fn first_key(&self) -> String {
        if !self.show.is_empty() {
            return self.show.clone();
        }
        self.chords.first().map(ToString::to_string).unwrap_or_default()
    }
}

/// Bindings that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its heading.
    pub name: String,
    /// Where they hold.
    pub mode: Mode,
    /// The bindings.
    pub binds: Vec<Bind>,
    /// A remark below them.
    pub note: String,
}

/// All bindings.
#[derive(Clone, Debug, PartialEq)]
pub struct Keymap {
    sections: Vec<Section>,
    lookup: HashMap<(Mode, Chord), Action>,
}

impl Default for Keymap {
    fn default() -> Self {
        // The built-in file is tested; should it ever be broken, an empty keymap still lets Ctrl-C through.
        Self::parse(BUILT_IN, BUILT_IN_NAME).unwrap_or(Self { sections: Vec::new(), lookup: HashMap::new() })
    }
}

impl Keymap {
    /// The built-in bindings, patched by the text of a user's file.
    pub fn patched(text: &str, file: &str) -> Result<Self, ConfigError> {
        let patch: Patch = toml::from_str(text).map_err(|e| unreadable(file, &e))?;
        let mut map = Self::default();
        let mut names: Vec<_> = patch.keys.into_iter().collect();
        names.sort();
        for (name, keys) in names {
            let action = action(&name, file)?;
            let chords = chords(&keys, &name, file)?;
            // The keys of windows and of the prompt editor are their own; a patch speaks of the screen where an
            // action has keys there.
            let mode = map.mode_of(action);
            let sections = map.sections.iter_mut().filter(|s| s.mode == mode);
            for bind in sections.flat_map(|s| &mut s.binds).filter(|b| b.action == action) {
                bind.chords.clone_from(&chords);
                bind.show.clear();
            }
        }
        map.index(file)?;
        Ok(map)
    }

    fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let raw: File = toml::from_str(text).map_err(|e| unreadable(file, &e))?;
        let mut sections = Vec::with_capacity(raw.section.len());
        for section in raw.section {
            let mut binds = Vec::with_capacity(section.bind.len());
            for bind in section.bind {
                binds.push(Bind {
                    action: action(&bind.action, file)?,
                    chords: chords(&bind.keys, &bind.action, file)?,
                    text: bind.text,
                    bar: bind.bar,
                    show: bind.show,
                });
            }
            sections.push(Section { name: section.name, mode: section.when, binds, note: section.note });
        }
        let mut map = Self { sections, lookup: HashMap::new() };
        map.index(file)?;
        Ok(map)
    }

    fn index(&mut self, file: &str) -> Result<(), ConfigError> {
        self.lookup.clear();
        for section in &self.sections {
            for bind in &section.binds {
                for &chord in &bind.chords {
                    let old = self.lookup.insert((section.mode, chord), bind.action);
                    if let Some(old) = old.filter(|&old| old != bind.action) {
                        return Err(ConfigError::new(
                            file,
                            format!("the key {chord} means both {} and {}", old.name(), bind.action.name()),
                            "give one of them another key, or an empty list",
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn mode_of(&self, action: Action) -> Mode {
        let has = |s: &&Section| s.binds.iter().any(|b| b.action == action);
        let mut modes = self.sections.iter().filter(has).map(|s| s.mode);
        let first = modes.next().unwrap_or_default();
        if modes.any(|m| m == Mode::Main) { Mode::Main } else { first }
    }

    /// What a key does.
    pub fn action(&self, mode: Mode, chord: Chord) -> Option<Action> {
        self.lookup.get(&(mode, chord)).copied()
    }

    /// The bindings, in the order help lists them.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// What the bottom line shows.
    pub fn bar(&self, mode: Mode) -> impl Iterator<Item = &Bind> {
        let sections = self.sections.iter().filter(move |s| s.mode == mode);
        sections.flat_map(|s| &s.binds).filter(|b| !b.bar.is_empty() && !b.chords.is_empty())
    }
}

fn unreadable(file: &str, error: &toml::de::Error) -> ConfigError {
    ConfigError::new(file, error.message().replace('\n', " "), "compare it with assets/keys.toml")
}

fn action(name: &str, file: &str) -> Result<Action, ConfigError> {
    Action::parse(name).ok_or_else(|| {
        ConfigError::new(file, format!("there is no action {name:?}"), "the names are those of assets/keys.toml")
    })
}

fn chords(keys: &[String], action: &str, file: &str) -> Result<Vec<Chord>, ConfigError> {
    let parse = |key: &String| {
        Chord::parse(key).ok_or_else(|| {
            ConfigError::new(
                file,
                format!("{action}: {key:?} is not a key"),
                "write it as \"x\", \"ctrl-x\", \"space\" or \"f5\"",
            )
        })
    };
    keys.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Chord {
        Chord::parse(text).expect(text)
    }

    #[test]
    fn built_in_keys_parse_and_reach_every_action() {
        let map = Keymap::parse(BUILT_IN, BUILT_IN_NAME).expect("built-in keys");
        for action in Action::all() {
            let bound = map.sections().iter().flat_map(|s| &s.binds);
            assert!(bound.clone().any(|b| b.action == action && !b.chords.is_empty()), "{} has no key", action.name());
        }
        assert_eq!(map.action(Mode::Main, key("R")), Some(Action::Restart));
        assert_eq!(map.action(Mode::Main, key("r")), Some(Action::Reroll));
    }

    #[test]
    fn keys_reserved_for_later_are_free() {
        let map = Keymap::default();
        for reserved in ["x", "m", ":"] {
            assert_eq!(map.action(Mode::Main, key(reserved)), None, "{reserved}");
        }
    }

    #[test]
    fn chords_read_back_as_written() {
        for text in ["a", "R", "ctrl-r", "alt-enter", "space", "-", "ctrl--", "f12", "shift-tab", "pageup", "é"] {
            assert_eq!(key(text).to_string(), text);
        }
        for bad in ["", "ctrl-", "f13", "f0", "left-right", "\u{1b}"] {
            assert!(Chord::parse(bad).is_none() || bad == "ctrl-", "{bad:?}");
        }
        let shifted = KeyEvent::new(KeyCode::Char('R'), KeyModifiers::SHIFT);
        assert_eq!(Chord::of(shifted), key("R"));
    }

    #[test]
    fn a_patch_replaces_keys_and_unbinds() {
        let map = Keymap::patched("[keys]\nplay = [\"y\"]\nreroll = []\n", "keys.toml").unwrap();
        assert_eq!(map.action(Mode::Main, key("y")), Some(Action::Play));
        assert_eq!(map.action(Mode::Main, key("space")), None);
        assert_eq!(map.action(Mode::Main, key("r")), None);
        assert!(map.bar(Mode::Main).all(|b| b.action != Action::Reroll));
    }

    #[test]
    fn conflicts_and_typos_are_reported_in_one_line() {
        for (patch, part) in [
            ("[keys]\nplay = [\"r\"]", "the key r means both"),
            ("[keys]\nplya = [\"p\"]", "no action \"plya\""),
            ("[keys]\nplay = [\"hyper-x\"]", "\"hyper-x\" is not a key"),
            ("[kyes]\n", "unknown field"),
        ] {
            let error = Keymap::patched(patch, "my.toml").unwrap_err().to_string();
            assert!(error.contains(part) && error.starts_with("my.toml: "), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
