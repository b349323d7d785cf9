//! Numbers to the last bit.
//!
//! serde_json reads a number of 16 digits or more to within its last bit, which is not enough for the settings of a run:
//! it can only be made again from exactly those.

use super::fields::RunFields;

/// Replaces the settings by what their text says to the last bit, which serde_json does not promise: a run can only
/// be made again from exactly its settings.
pub(super) fn settings(run: &mut RunFields, line: &[u8]) {
    let number = |key: &str, x: &mut Option<f64>| {
        if let Some(exact) = top_level(line, key).and_then(|text| text.trim().parse().ok()) {
            *x = Some(exact);
        }
    };
    number("temperature", &mut run.temperature);
    number("top_p", &mut run.top_p);
    number("exponent", &mut run.exponent);
    number("eta", &mut run.eta);
    let list = |key: &str, x: &mut Option<Vec<f64>>| {
        let text = top_level(line, key).and_then(|text| text.trim().strip_prefix('[')?.strip_suffix(']'));
        let exact: Option<Vec<f64>> =
            text.and_then(|text| text.split(',').map(|number| number.trim().parse().ok()).collect());
        if exact.as_ref().map(Vec::len) == x.as_ref().map(Vec::len) {
            *x = exact;
        }
    };
    list("grid", &mut run.grid);
    list("told_dt", &mut run.told_dt);
}

/// The text of a field's value, in a line that is known to be an object.
fn top_level<'a>(line: &'a [u8], key: &str) -> Option<&'a str> {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    // Where the last string of the object itself began, and where the wanted value does.
    let (mut string, mut value) = (0, None);
    for (at, &byte) in line.iter().enumerate() {
        if in_string {
            (in_string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        match byte {
            b'"' => (in_string, string) = (true, at + 1),
            b'[' | b'{' => depth += 1,
            b':' if depth == 1 => {
                let name = line[string..at].trim_ascii_end().strip_suffix(b"\"");
                value = (name == Some(key.as_bytes())).then_some(at + 1);
            }
            b',' | b'}' if depth == 1 => {
                if let Some(start) = value {
                    return std::str::from_utf8(&line[start..at]).ok();
                }
                depth -= i32::from(byte == b'}');
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_key() {
        let line =
            br#" { "a\"" : "x, \"grid\": 1" , "b":{"grid":[1],"c":[[2,3],{}]}, "grid" : [0.1, 1e0 ] ,"last":2.50}"#;
        assert_eq!(top_level(line, "grid"), Some(" [0.1, 1e0 ] "));
        assert_eq!(top_level(line, "last"), Some("2.50"));
        assert_eq!(top_level(line, "c"), None);
        assert_eq!(top_level(b"{}", "c"), None);
    }

    #[test]
    fn settings_are_read_to_the_last_bit() {
        let line = br#"{"type":"run","steps":11,"temperature":0.3636363636363637,"grid":[0,0.09090909090909091,0.36363636363636365]}"#;
        let mut run: RunFields = serde_json::from_slice(line).unwrap();
        settings(&mut run, line);
        assert_eq!(run.grid, Some(vec![0.0, 1.0 / 11.0, 4.0 / 11.0]));
        assert_eq!(run.temperature, Some(4.0 / 11.0 + f64::EPSILON / 4.0));
    }
}
