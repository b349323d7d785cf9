//! Infill files: a text with gaps. `[[20]]` is a gap of 20 tokens, `[[]]` shares what is left of the length, `\[[` is a
//! literal `[[`.

/// Longer than any model's length, short enough that positions cannot overflow.
const MOST_TOKENS: usize = 1 << 20;

/// A part of an infill text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Text that stays.
    Text(String),
    /// A gap of that many tokens; `None` takes a share of what is left.
    Gap(Option<usize>),
}

/// What an infill text comes to in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Infill {
    /// Frozen positions with their ids, ascending.
    pub frozen: Vec<(u32, u32)>,
    /// Length of the whole sequence.
    pub tokens: usize,
}

/// Splits an infill text into its segments.
pub fn parse(text: &str) -> Result<Vec<Segment>, String> {
    let mut segments = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("[[") {
        if let Some(before) = rest[..at].strip_suffix('\\') {
            literal.push_str(before);
            literal.push_str("[[");
            rest = &rest[at + 2..];
            continue;
        }
        literal.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let line = text[..text.len() - inside.len()].matches('\n').count() + 1;
        let end = inside.find("]]").ok_or_else(|| {
            format!("line {line}: a gap opens with [[ and never closes; write [[20]], or \\[[ for brackets")
        })?;
        let size = inside[..end].trim();
        let gap =
            match size {
                "" => None,
                digits => Some(digits.parse().ok().filter(|&n: &usize| n > 0).ok_or_else(|| {
                    format!("line {line}: a gap holds a number of tokens, such as [[20]], or nothing")
                })?),
            };
        if !literal.is_empty() {
            segments.push(Segment::Text(std::mem::take(&mut literal)));
        }
        segments.push(Segment::Gap(gap));
        rest = &inside[end + 2..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        segments.push(Segment::Text(literal));
    }
    if segments.iter().all(|segment| matches!(segment, Segment::Text(_))) {
        return Err("there is no gap to fill; mark one with [[20]] (20 tokens) or [[]]".into());
    }
    Ok(segments)
}

/// Lays segments out over `tokens` positions (`None`: as many as they name, or `default` where a gap is open).
pub fn lay_out(
    segments: &[Segment],
    tokens: Option<usize>,
    default: usize,
    mut encode: impl FnMut(&str) -> Result<Vec<u32>, String>,
) -> Result<Infill, String> {
    let mut encoded = Vec::with_capacity(segments.len());
    let (mut fixed, mut open) = (0usize, 0usize);
    for segment in segments {
        match segment {
            Segment::Text(text) => {
                let ids = encode(text)?;
                fixed = fixed.saturating_add(ids.len());
                encoded.push(Some(ids));
            }
            Segment::Gap(size) => {
                fixed = fixed.saturating_add(size.unwrap_or(0));
                open += usize::from(size.is_none());
                encoded.push(None);
            }
        }
    }
    let needed = fixed.saturating_add(open);
    let total = tokens.unwrap_or(if open > 0 { default.max(needed) } else { fixed });
    if total < needed {
        return Err(format!("the text and its gaps need {needed} tokens, more than the length of {total}"));
    }
    if total > MOST_TOKENS {
        return Err(format!("the text and its gaps need {total} tokens, more than any model's length"));
    }
    let mut left = total - fixed;
    let mut frozen = Vec::new();
    let mut position = 0usize;
    for (segment, ids) in segments.iter().zip(encoded) {
        match (segment, ids) {
            (Segment::Gap(Some(size)), _) => position += size,
            (Segment::Gap(None), _) => {
                let share = left.div_ceil(open);
                position += share;
                left -= share;
                open -= 1;
            }
            (Segment::Text(_), ids) => {
                for id in ids.into_iter().flatten() {
                    frozen.push((position as u32, id));
                    position += 1;
                }
            }
        }
    }
    Ok(Infill { frozen, tokens: total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "stands in for an encoder, which may fail")]
    fn bytes(text: &str) -> Result<Vec<u32>, String> {
        Ok(text.bytes().map(u32::from).collect())
    }

    fn laid_out(text: &str, tokens: Option<usize>) -> Result<Infill, String> {
        lay_out(&parse(text)?, tokens, 16, bytes)
    }

    #[test]
    fn a_gap_of_a_given_size_moves_what_follows() {
        let infill = laid_out("ab[[3]]c", None).unwrap();
        assert_eq!(infill, Infill { frozen: vec![(0, 97), (1, 98), (5, 99)], tokens: 6 });
    }

    #[test]
    fn open_gaps_share_what_is_left() {
        let infill = laid_out("a[[]]b[[]]", Some(9)).unwrap();
        assert_eq!(infill, Infill { frozen: vec![(0, 97), (5, 98)], tokens: 9 });
        assert_eq!(laid_out("a[[]]", None).unwrap().tokens, 16);
    }

    #[test]
    fn brackets_can_be_written() {
        assert_eq!(parse("\\[[x[[1]]").unwrap(), [Segment::Text("[[x".into()), Segment::Gap(Some(1))]);
    }

    #[test]
    fn what_cannot_be_laid_out_is_refused_with_the_reason() {
        assert!(parse("no gap").unwrap_err().contains("no gap"));
        assert!(parse("a\nb[[").unwrap_err().starts_with("line 2"));
        assert!(parse("[[x]]").unwrap_err().contains("number of tokens"));
        assert!(parse("[[0]]").is_err());
        assert!(laid_out("abc[[3]]", Some(5)).unwrap_err().contains("need 6"));
        assert!(parse("[[99999999999999999999]]").is_err());
        assert!(laid_out("a[[18446744073709551615]]b[[3]]", Some(5)).is_err());
    }
}
