//! JSON in ASCII only: whatever a prompt or a token holds, a line can be printed on any terminal.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c: char| !matches!(c, ' '..='~')) {
            out.write_all(&rest.as_bytes()[..at])?;
            let mut chars = rest[at..].chars();
            let mut units = [0; 2];
            for unit in chars.next().map(|c| c.encode_utf16(&mut units)).unwrap_or_default() {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

/// Appends `value` as one line.
pub(super) fn push_line(out: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Ascii))?;
    out.push(b'\n');
    Ok(())
}

/// A number to five significant digits, which is all that is kept of it in memory.
pub(super) fn short(x: f32) -> f64 {
    let x = f64::from(x);
    if !x.is_finite() || x.abs() < 1e-12 {
        return 0.0;
    }
    let scale = 10f64.powi(4 - x.abs().log10().floor() as i32);
    if scale >= 1.0 { (x * scale).round() / scale } else { x.round() }
}

/// A measure to six digits after the point.
pub(super) fn fixed(x: f64) -> f64 {
    if x.abs() < 1e9 { (x * 1e6).round() / 1e6 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_ascii_and_lossless() {
        let text = "é \u{9b}2J \u{202e}\u{7f}\u{1b}[0m 🙂\n\"\\";
        let mut line = Vec::new();
        push_line(&mut line, &text).unwrap();
        assert!(line[..line.len() - 1].iter().all(|b| (0x20..0x7f).contains(b)));
        assert_eq!(serde_json::from_slice::<String>(&line).unwrap(), text);
    }

    #[test]
    fn numbers_are_short() {
        let text = |x: f32| serde_json::to_string(&short(x)).unwrap();
        assert_eq!(text(0.123_456_78), "0.12346");
        assert_eq!(text(11.999_999), "12.0");
        assert_eq!(text(1.234_567e-9), "1.2346e-9");
        assert_eq!(text(123_456.0), "123456.0");
        assert_eq!(text(f32::NAN), "0.0");
    }
}
