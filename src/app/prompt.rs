//! The prompt editor: a text area with the prompts used before.

use ratatui_textarea::{CursorMove, TextArea};

/// The editor and its history.
#[derive(Debug, Default)]
pub struct Prompt {
    area: Option<TextArea<'static>>,
    history: Vec<String>,
    /// Place in the history; its end is the text being written.
    at: usize,
    draft: String,
    /// Why the prompt cannot be used as it is.
    pub error: Option<String>,
}

/// Longest text taken in, so that a pasted file does not stall the screen; far above what any model reads.
const LONGEST: usize = 64 << 10;

impl Prompt {
    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.area.is_some()
    }

    /// The editor, while it is open.
    pub fn area(&self) -> Option<&TextArea<'static>> {
        self.area.as_ref()
    }

    /// Opens it with a text.
    pub fn open(&mut self, text: &str) {
        self.at = self.history.len();
        self.draft.clear();
        self.error = None;
        self.show(text);
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.area = None;
        self.error = None;
    }

    /// What is written.
    pub fn text(&self) -> String {
        self.area.as_ref().map(|a| a.lines().join("\n")).unwrap_or_default()
    }

    /// Puts a prompt that was used at the end of the history.
    pub fn remember(&mut self, text: &str) {
        if !text.is_empty() {
            self.history.retain(|old| old != text);
            self.history.push(text.to_owned());
        }
    }

    /// A key that is no binding.
    pub fn key(&mut self, key: crossterm::event::KeyEvent) {
        self.error = None;
        if let Some(area) = &mut self.area {
            area.input(key);
        }
    }

    /// A line break.
    pub fn newline(&mut self) {
        if let Some(area) = &mut self.area {
            area.insert_newline();
        }
    }

    /// Pasted text; line breaks stay, tabs become spaces, other control and invisible characters go.
    pub fn paste(&mut self, text: &str) {
        self.error = None;
        let room = LONGEST.saturating_sub(self.text().len());
        if let Some(area) = &mut self.area {
            let mut text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', " ");
            text.retain(|c| c == '\n' || !(c.is_control() || is_invisible(c)));
            if text.len() > room {
                text.truncate((0..=room).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0));
                self.error = Some(format!("only the first {} KiB were taken", LONGEST >> 10));
            }
            area.insert_str(text);
        }
    }

    /// The arrow up: a line up, or from the first line to an earlier prompt.
    pub fn up(&mut self) {
        let Some(area) = &mut self.area else { return };
        if area.cursor().0 > 0 {
            area.move_cursor(CursorMove::Up);
        } else if self.at > 0 {
            if self.at == self.history.len() {
                self.draft = self.text();
            }
            self.at -= 1;
            self.show(&self.history[self.at].clone());
        }
    }

    /// The arrow down: a line down, or from the last line to a later prompt.
    pub fn down(&mut self) {
        let Some(area) = &mut self.area else { return };
        if area.cursor().0 + 1 < area.lines().len() {
            area.move_cursor(CursorMove::Down);
        } else if self.at < self.history.len() {
            self.at += 1;
            let text = self.history.get(self.at).unwrap_or(&self.draft).clone();
            self.show(&text);
        }
    }

    fn show(&mut self, text: &str) {
        let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
        area.set_wrap_mode(ratatui_textarea::WrapMode::WordOrGlyph);
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        self.area = Some(area);
    }
}

/// Format characters that would be in the prompt without being seen: zero width, directions, tags.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_walks_back_and_returns_to_the_draft() {
        let mut prompt = Prompt::default();
        prompt.remember("one");
        prompt.remember("two");
        prompt.open("dra");
        prompt.paste("ft");
        prompt.up();
        assert_eq!(prompt.text(), "two");
        prompt.up();
        prompt.up();
        assert_eq!(prompt.text(), "one");
        prompt.down();
        prompt.down();
        assert_eq!(prompt.text(), "draft");
    }

    #[test]
    fn pasted_controls_are_dropped_and_line_breaks_kept() {
        let mut prompt = Prompt::default();
        prompt.open("");
        prompt.paste("a\u{1b}[31m\r\nb\u{7}\rc");
        assert_eq!(prompt.text(), "a[31m\nb\nc");
        prompt.paste(&"x".repeat(LONGEST * 2));
        assert!(prompt.text().len() <= LONGEST && prompt.error.is_some());
    }
}
