//! From any text to text that is safe to print: every cell visible, every width undisputed.
//!
//! | in the text | on screen | ASCII terminals |
//! |---|---|---|
//! | line feed, tab | `⏎` `⇥` | `\n` `\t` |
//! | other C0 controls, DEL | control pictures `␀` … `␛` … `␡` | `^@` … `^[` … `^?` |
//! | C1 controls, bidi controls, zero-width, TAG and other format characters, lone joiners, lone variation selectors, lone skin tones, lone regional indicators, line and paragraph separators, fillers, private use, non-characters | `‹202E›`, the code point in hex | `<202E>` |
//! | a combining mark without a base of its own | on a dotted circle, `◌́` | `?` |
//! | more than three marks on one base | three, then `‹+997›`, the number left out | `?` |
//! | joiners, variation selectors and skin tones inside an emoji | dropped: terminals disagree about the width of the combined form | `?` |
//! | a cluster whose width still depends on who measures it | every character in hex | `?` |
//! | bytes that are not UTF-8 | `▯`, one a maximal bad sequence | `?` |
//!
//! Widths are those of `unicode-width`, which ratatui uses too.

use ratatui::buffer::CellWidth as _;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthChar as _;

/// Most zero-width marks kept on one base.
const MARKS: usize = 3;
/// Most characters kept in one cluster, whatever they are.
const CLUSTER: usize = 8;

/// Which characters the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// A UTF-8 terminal.
    #[default]
    Unicode,
    /// Any other: only ASCII is written, a character outside it shows as `?`.
    Ascii,
}

impl Glyphs {
    /// What stands for a line feed.
    pub fn newline(self) -> &'static str {
        self.pick("⏎", "\\n")
    }

    /// What stands for the end-of-text id.
    pub fn eos(self) -> &'static str {
        self.pick("¶", "|P")
    }

    /// What stands for bytes that are not a whole character.
    pub fn byte(self) -> &'static str {
        self.pick("▯", "?")
    }

    /// What stands for the mask id.
    pub fn mask(self) -> &'static str {
        self.pick("░", "_")
    }

    /// What stands for an id that is not in the vocabulary.
    pub fn unknown(self, id: u32) -> String {
        match self {
            Self::Unicode => format!("⟨{id}⟩"),
            Self::Ascii => format!("<{id}>"),
        }
    }

    fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self {
            Self::Unicode => unicode,
            Self::Ascii => ascii,
        }
    }
}

/// What was found while cleaning.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    /// Something could be shown as it is.
    pub(super) shown: bool,
    /// Something was replaced by a placeholder.
    pub(super) replaced: bool,
}

/// Whether a text is printable ASCII, and so safe as it is.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, 0x20..=0x7E))
}

/// Appends the safe form of `text` to `out`, all on one line.
pub(super) fn clean(text: &str, glyphs: Glyphs, out: &mut String) -> Found {
    let mut cleaner = Cleaner { glyphs, out, found: Found::default() };
    if is_plain(text) {
        cleaner.out.push_str(text);
        cleaner.found.shown = !text.is_empty();
    } else {
        text.graphemes(true).for_each(|cluster| cleaner.cluster(cluster));
    }
    cleaner.found
}

/// Width of a safe text in cells: the sum over its clusters, which is how ratatui draws it.
pub(super) fn width(text: &str) -> u16 {
    if is_plain(text) {
        return text.len().min(u16::MAX as usize) as u16;
    }
    text.graphemes(true).fold(0, |sum: u16, g| sum.saturating_add(g.cell_width()))
}

struct Cleaner<'a> {
    glyphs: Glyphs,
    out: &'a mut String,
    found: Found,
}

impl Cleaner<'_> {
    fn cluster(&mut self, cluster: &str) {
        if is_plain(cluster) {
            self.out.push_str(cluster);
            self.found.shown = true;
            return;
        }
        let start = self.out.len();
        let shown = self.found.shown;
        self.compose(cluster);
        let disputed = |g: &str| {
            let wide = g.cell_width() as usize;
            wide == 0 || wide != g.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>()
        };
        if self.out[start..].graphemes(true).any(disputed) {
            self.out.truncate(start);
            self.found.shown = shown;
            cluster.chars().for_each(|c| self.placeholder(c));
        }
        if self.glyphs == Glyphs::Ascii && !self.out[start..].is_ascii() {
            self.out.truncate(start);
            self.out.push('?');
        }
    }

    /// Writes a cluster without what makes its width a matter of opinion.
    fn compose(&mut self, cluster: &str) {
        let mut base: Option<char> = None;
        let (mut marks, mut kept, mut left_out) = (0, 0, 0);
        let mut chars = cluster.chars().peekable();
        let flag = cluster.chars().filter(|c| is_regional(*c)).count() == 2;
        while let Some(c) = chars.next() {
            // Joined emoji show side by side without the joiner; a joiner that joins nothing shows itself.
            let joins = c == '\u{200D}' && base.is_some_and(is_wide) && chars.peek().is_some_and(|next| is_wide(*next));
            let selects = base.is_some() && is_selector(c);
            let tints = base.is_some_and(is_wide) && is_skin_tone(c);
            if joins || selects || tints {
                continue;
            }
            if is_hidden(c) || is_selector(c) || is_skin_tone(c) || (is_regional(c) && !flag) {
                self.placeholder(c);
                (base, marks, kept) = (None, 0, 0);
                continue;
            }
            let is_mark = c.width().unwrap_or(0) == 0;
            if base.is_some() && (kept >= CLUSTER || (is_mark && marks >= MARKS)) {
                left_out += 1;
                continue;
            }
            // A line may break at a space, and its marks must not be left alone at the start of the next.
            if base.is_none_or(|base| base == ' ') && attaches(c) {
                self.out.push('◌');
                base = Some('◌');
            }
            self.out.push(c);
            self.found.shown = true;
            kept += 1;
            marks = if is_mark { marks + 1 } else { 0 };
            base = if is_mark { base.or(Some('◌')) } else { Some(c) };
        }
        if left_out > 0 {
            self.found.replaced = true;
            self.bracket(format_args!("+{left_out}"));
        }
    }

    fn placeholder(&mut self, c: char) {
        self.found.replaced = true;
        let code = c as u32;
        match (self.glyphs, c) {
            (_, '\n') => self.out.push_str(self.glyphs.newline()),
            (_, '\t') => self.out.push_str(self.glyphs.pick("⇥", "\\t")),
            (Glyphs::Unicode, '\0'..='\x1F') => self.push_code(0x2400 + code),
            (Glyphs::Unicode, '\x7F') => self.out.push('␡'),
            (Glyphs::Ascii, '\0'..='\x1F' | '\x7F') => {
                self.out.push('^');
                self.push_code(code ^ 0x40);
            }
            _ => self.bracket(format_args!("{code:02X}")),
        }
    }

    fn push_code(&mut self, code: u32) {
        self.out.extend(char::from_u32(code));
    }

    fn bracket(&mut self, inner: std::fmt::Arguments<'_>) {
        self.out.push_str(self.glyphs.pick("‹", "<"));
        // Writing to a String cannot fail.
        std::fmt::Write::write_fmt(self.out, inner).ok();
        self.out.push_str(self.glyphs.pick("›", ">"));
    }
}

/// Characters that never reach the terminal, whatever stands around them.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{890}'..='\u{891}'
            | '\u{8E2}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{E000}'..='\u{F8FF}'
            | '\u{FDD0}'..='\u{FDEF}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{110BD}' | '\u{110CD}'
            | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E00FF}' | '\u{E01F0}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}')
        // The last two code points of every plane are not characters.
        || c as u32 & 0xFFFE == 0xFFFE
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{180B}'..='\u{180D}' | '\u{180F}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

fn is_regional(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

/// Emoji that take part in joined forms: wide ones, and the old symbols that a variation selector makes emoji.
fn is_wide(c: char) -> bool {
    c.width() == Some(2) || matches!(c, '\u{2190}'..='\u{2BFF}')
}

/// Whether a character would join the character before it, in this terminal or another.
fn attaches(c: char) -> bool {
    if c < '\u{300}' {
        return false;
    }
    let mut probe = String::from("◌");
    probe.push(c);
    probe.graphemes(true).count() == 1
}
