//! A small strict XML reader: enough to know that a document is well formed and what text it holds.

/// The text of a document, entities resolved. Panics where it is not well formed.
pub(crate) fn text_of(document: &str) -> String {
    let mut open: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut rest = document;
    while let Some(start) = rest.find('<') {
        push_text(&rest[..start], &mut text);
        let tag = &rest[start + 1..];
        let end = tag.find('>').unwrap_or_else(|| panic!("a tag does not end: {}", &tag[..tag.len().min(60)]));
        let (inside, after) = (&tag[..end], &tag[end + 1..]);
        rest = after;
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name.trim()), "tags nest");
            text.push('\n');
            continue;
        }
        let (inside, empty) = inside.strip_suffix('/').map_or((inside, false), |inside| (inside, true));
        let name = inside.split(|c: char| c.is_whitespace()).next().unwrap_or("");
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "a name: {name:?}");
        attributes(&inside[name.len()..]);
        if !empty {
            open.push(name.to_owned());
        }
    }
    push_text(rest, &mut text);
    assert!(open.is_empty(), "open at the end: {open:?}");
    text
}

fn attributes(mut rest: &str) {
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return;
        }
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("an attribute: {rest:?}"));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "an attribute's name: {name:?}");
        let (value, after) = after.split_once('"').expect("a quoted value");
        assert!(!value.contains('<'), "{value:?}");
        push_text(value, &mut String::new());
        rest = after;
    }
}

fn push_text(mut raw: &str, text: &mut String) {
    assert!(!raw.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "a control character: {raw:?}");
    while let Some(at) = raw.find('&') {
        text.push_str(&raw[..at]);
        let (entity, after) = raw[at + 1..].split_once(';').expect("an entity ends");
        text.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            other => panic!("an unknown entity: {other}"),
        });
        raw = after;
    }
    text.push_str(raw);
}
