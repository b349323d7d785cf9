//! A line to type in: searching, and typing a token.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Something to search for.
    Search,
    /// What to put in place of the token at a position.
    Token(u32),
}

/// The line, while it is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What for.
    pub purpose: Purpose,
    /// What is typed so far.
    pub text: String,
    /// Why it cannot be used.
    pub error: Option<String>,
}

/// Longest text taken in.
const LONGEST: usize = 256;

impl Line {
    /// An empty line.
    pub fn new(purpose: Purpose) -> Self {
        Self { purpose, text: String::new(), error: None }
    }

    /// A key that is no binding.
    pub fn key(&mut self, key: KeyEvent) {
        self.error = None;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => self.text.clear(),
            KeyCode::Char('w') if control => {
                let kept = self.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
                self.text.truncate(kept);
            }
            KeyCode::Char(c) if !control => self.insert(&c.to_string()),
            KeyCode::Backspace => drop(self.text.pop()),
            _ => {}
        }
    }

    /// Typed or pasted text; control characters are left out.
    pub fn insert(&mut self, text: &str) {
        let room = LONGEST.saturating_sub(self.text.chars().count());
        self.text.extend(text.chars().filter(|c| !c.is_control()).take(room));
    }
}
