//! Foreign text made harmless for the formats it is written into.

use super::screen::is_harmful;

/// Text for XML and HTML, in content and in quoted attributes.
///
/// Characters that XML cannot hold, and those that would reorder the text around them, become U+FFFD.
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if is_harmful(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// JSON for a `<script type="application/json">`: nothing in it can end the element or open a comment.
pub fn script_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

/// Text for TeX's text mode, in any font encoding; nothing in it is a command, a comment or a group.
pub fn tex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '{' => out.push_str("\\{"),
            '}' => out.push_str("\\}"),
            '$' => out.push_str("\\$"),
            '&' => out.push_str("\\&"),
            '#' => out.push_str("\\#"),
            '%' => out.push_str("\\%"),
            '_' => out.push_str("\\_"),
            '^' => out.push_str("\\textasciicircum{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            // `\textquotedbl` needs T1; this slot holds the same sign in every typewriter font.
            '"' => out.push_str("\\char34{}"),
            '`' => out.push_str("\\textasciigrave{}"),
            // Ligatures such as -- and ?` would change what the model wrote.
            '-' => out.push_str("{-}"),
            '\'' => out.push_str("{'}"),
            ',' => out.push_str("{,}"),
            '⏎' => out.push_str("\\fsreturn{}"),
            '¶' => out.push_str("\\P{}"),
            '⟨' => out.push_str("\\ensuremath{\\langle}"),
            '⟩' => out.push_str("\\ensuremath{\\rangle}"),
            '·' => out.push_str("\\textperiodcentered{}"),
            ' ' => out.push_str("\\ "),
            // Stand-ins for what is no text: text fonts do not have them.
            '▯' | '░' | '\u{fffd}' | '\u{2400}'..='\u{2426}' => out.push_str("\\rule{0.4em}{0.4em}"),
            c if is_harmful(c) => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_special_survives() {
        assert_eq!(xml("<b a='\"'>&\u{1b}\u{202e}"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;\u{fffd}\u{fffd}");
        assert_eq!(script_json(r#""</script><!--""#), r#""\u003c/script\u003e\u003c!--""#);
        assert_eq!(tex(r"\input{x}%$"), r"\textbackslash{}input\{x\}\%\$");
    }
}
