//! Every line that is written keeps to `docs/trace.schema.json`, and the schema can tell.

use std::path::Path;
use std::sync::Arc;

use fewstep::trace::io::Header;
use fewstep::trace::{Parent, Score, Timeline, TraceWriter, WriteOptions};
use serde_json::{Value, json};

use crate::support::{byte_vocab, frame, meta};

/// The part of JSON Schema that the document uses; what it does not know is an error, not a pass.
fn valid(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let fail = |why: &str| Err(format!("{why}: {value} against {schema}"));
    let each = |list: &Value| -> Vec<Result<(), String>> {
        list.as_array().unwrap().iter().map(|s| valid(root, s, value)).collect()
    };
    for (keyword, rule) in schema.as_object().unwrap() {
        let ok = match keyword.as_str() {
            "$schema" | "title" | "$defs" => true,
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                valid(root, &root["$defs"][name], value)?;
                true
            }
            "type" => {
                let names = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                names.iter().any(|name| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    "number" => value.is_number(),
                    "integer" => value.is_u64() || value.is_i64(),
                    other => panic!("type {other}"),
                })
            }
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "not" => valid(root, rule, value).is_err(),
            "required" => rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        valid(root, schema, value)?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let values = value.as_object().into_iter().flatten();
                values.map(|(_, value)| valid(root, rule, value)).collect::<Result<Vec<_>, _>>()?;
                true
            }
            "items" => {
                let values = value.as_array().into_iter().flatten();
                values.map(|value| valid(root, rule, value)).collect::<Result<Vec<_>, _>>()?;
                true
            }
            "propertyNames" => {
                value.as_object().into_iter().flatten().all(|(name, _)| name.bytes().all(|b| b.is_ascii_digit()))
            }
            "pattern" => value.as_str().is_none_or(|s| s.len() % 2 == 0 && s.bytes().all(|b| b.is_ascii_hexdigit())),
            "minimum" => value.as_f64().is_none_or(|x| x >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|x| x <= rule.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|a| a.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|a| a.len() as u64 <= rule.as_u64().unwrap()),
            "oneOf" => {
                let results = each(rule);
                if results.iter().filter(|r| r.is_ok()).count() != 1 {
                    return fail(&format!("{results:?}"));
                }
                true
            }
            "anyOf" => each(rule).iter().any(Result::is_ok),
            other => panic!("keyword {other}"),
        };
        if !ok {
            return fail(keyword);
        }
    }
    Ok(())
}

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/trace.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The properties the schema lists for a type of line, or for an object in one.
fn listed<'a>(schema: &'a Value, kind: &str) -> &'a serde_json::Map<String, Value> {
    let kinds = schema["oneOf"].as_array().unwrap();
    kinds.iter().find(|k| k["title"] == kind).unwrap()["properties"].as_object().unwrap()
}

#[test]
fn every_line_written_is_valid_and_fully_listed() {
    let schema = schema();
    let mut about = meta(2, 3);
    about.parent = Some(Parent { run: 4, step: 1 });
    about.config.exponent = 2.0;
    about.config.told_dt = Some(vec![0.5, 0.5]);
    about.config.eta = 0.5;
    (about.config.controlled_unmasking, about.config.unmask_change, about.config.only_masked) = (true, true, true);
    about.config.salts = vec![1, u64::MAX];
    let mut run = Timeline::new(about, frame(0, 2, &[1, 200, 3], true)).unwrap();
    run.push(frame(1, 2, &[1, 2, 3], true)).unwrap();
    run.set_ghost_perplexity(0, 2.25);
    run.set_score(1, Score { perplexity: Some(3.5), nll: Some(Arc::from([0.5f32, 1.5])) });
    for deltas in [false, true] {
        let header = Header { model: run.meta().model.clone(), tokens: 5, ..Header::default() };
        let options = WriteOptions { detail: true, text: true, deltas };
        let mut writer = TraceWriter::new(Vec::new(), &header, Arc::new(byte_vocab()), options).unwrap();
        writer.timeline(&run).unwrap();
        let text = String::from_utf8(writer.into_inner()).unwrap();
        assert_eq!(text.lines().count(), 8);
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            valid(&schema, &schema, &line).unwrap();
            let properties = listed(&schema, line["type"].as_str().unwrap());
            for (name, value) in line.as_object().unwrap() {
                assert!(properties.contains_key(name), "{name} is not in the schema");
                let inner = properties[name].get("properties");
                for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
                    assert!(inner.is_none_or(|inner| inner.get(name).is_some()), "{name} is not in the schema");
                }
            }
        }
    }
    for file in ["python", "tolerant"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/trace/good/{file}.fstrace"));
        for line in std::fs::read_to_string(path).unwrap().lines().filter(|l| !l.is_empty()) {
            // The tolerant file breaks the rules for fields that fewstep does not read, on purpose.
            let line: Value = serde_json::from_str(line).unwrap();
            if line.get("text") != Some(&json!(5)) {
                valid(&schema, &schema, &line).unwrap();
            }
        }
    }
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let schema = schema();
    for line in [
        json!({}),
        json!({"type": "header", "format": "other", "version": 1}),
        json!({"type": "header", "format": "fewstep-trace", "version": 2}),
        json!({"type": "run", "run": 0}),
        json!({"type": "frame", "step": 0}),
        json!({"type": "frame", "ids": [-1]}),
        json!({"type": "frame", "delta": [[1]]}),
        json!({"type": "vocab", "vocab": {"x": "y"}}),
        json!({"type": "vocab", "vocab_bytes": {"1": "abc"}}),
        json!({"type": "score", "perplexity": 1}),
    ] {
        assert!(valid(&schema, &schema, &line).is_err(), "{line}");
    }
    valid(&schema, &schema, &json!({"type": "weather"})).unwrap();
}
