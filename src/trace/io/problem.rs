//! What is wrong with a line, and in which of its fields.

use serde::de::DeserializeOwned;

use super::fields::MARK;

/// A problem in a field.
pub(super) struct Bad {
    pub(super) field: String,
    pub(super) problem: String,
}

pub(super) fn bad<T>(field: impl Into<String>, problem: impl Into<String>) -> Result<T, Bad> {
    Err(Bad { field: field.into(), problem: problem.into() })
}

/// One line as the fields of its type.
pub(super) fn fields<T: DeserializeOwned>(line: &[u8]) -> Result<T, Bad> {
    serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let text = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
        let (field, problem) = text.rsplit_once(MARK).unwrap_or(("", text));
        let problem = problem
            .replace("expected u32", "expected a whole number below 4294967296")
            .replace("expected u64", "expected a whole number")
            .replace("expected f32", "expected a number")
            .replace("expected f64", "expected a number");
        Bad { field: field.replace(MARK, "."), problem }
    })
}

/// What is wrong with a line that is no JSON, with the field in which it stops to be.
pub(super) fn syntax(line: &[u8], error: &serde_json::Error) -> Bad {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Bad { field: String::new(), problem: "every line has to be a JSON object".into() };
    }
    let before = String::from_utf8_lossy(&line[..error.column().min(line.len())]);
    let key = before.rfind("\":").map(|end| &before[..end]).and_then(|b| b.rsplit('"').next()).unwrap_or_default();
    let after = &line[error.column().saturating_sub(1).min(line.len())..];
    let is_nan = [b"NaN".as_slice(), b"-Infinity", b"Infinity", b"nan", b"inf"].iter().any(|n| after.starts_with(n));
    let problem = if is_nan {
        "NaN and Infinity are not JSON; write null for a number that is not known".to_owned()
    } else {
        let text = error.to_string();
        format!("not JSON: {}", text.replace(" at line 1 column", " at column"))
    };
    Bad { field: key.to_owned(), problem }
}

/// Whether a line stops short: what a writer that was cut off leaves behind.
pub(super) fn is_cut_off(line: &[u8]) -> bool {
    match serde_json::from_slice::<serde::de::IgnoredAny>(line) {
        Ok(_) => false,
        Err(error) => {
            // A number cut after its point is an error at the very end; a crash may also leave a tail of zero bytes.
            error.is_eof() || error.column() >= line.len() || line.ends_with(b"\0")
        }
    }
}
