//! Vocabularies from every kind of file.

use std::path::Path;

use fewstep::text::{TextError, Vocab};

const TINY: &str = r#"{
  "version": "1.0",
  "added_tokens": [{"id": 0, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
    "normalized": false, "special": true}],
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  "model": {"type": "BPE", "vocab": {"<|endoftext|>": 0, "a": 1, "b": 2, "Ġ": 3, "Ġa": 4, "â": 5, "Ģ": 6, "Ŀ": 7,
    "Ċ": 8, "ab": 9}, "merges": [["Ġ", "a"], ["a", "b"]]}
}"#;

fn tiny() -> Vocab {
    Vocab::from_tokenizer(TINY.as_bytes(), Path::new("tokenizer.json")).unwrap()
}

#[test]
fn byte_level_tokens_have_their_bytes() {
    let v = tiny();
    assert_eq!((v.len(), v.eos()), (10, Some(0)));
    assert_eq!(v.bytes(4), Some(b" a".as_slice()));
    assert_eq!(v.bytes(5), Some(b"\xE2".as_slice()));
    assert_eq!(v.bytes(8), Some(b"\n".as_slice()));
    assert_eq!(v.bytes(0), Some(b"<|endoftext|>".as_slice()));
    assert_eq!(v.bytes(10), None);
    assert_eq!(v.decode(&[1, 4, 5, 6, 7, 8]), "a a\u{201d}\n");
}

#[test]
fn prompts_become_ids_and_come_back() {
    let v = tiny();
    v.warm();
    assert_eq!(v.encode("ab a<|endoftext|>").unwrap(), [9, 4, 0]);
    assert_eq!(v.encode("").unwrap(), [0u32; 0]);
    assert_eq!(v.decode(&v.encode("ab ab").unwrap()), "ab ab");
}

#[test]
fn gpt2_files_make_the_same_vocabulary() {
    let vocab = br#"{"<|endoftext|>": 0, "a": 1, "b": 2, "\u0120": 3, "\u0120a": 4, "ab": 9}"#;
    let merges = b"#version: 0.2\n\xC4\xA0 a\na b\n";
    let v = Vocab::from_gpt2(vocab.to_vec(), merges.to_vec(), Path::new("vocab.json")).unwrap();
    assert_eq!(v.eos(), Some(0));
    assert_eq!(v.encode("ab a<|endoftext|>").unwrap(), [9, 4, 0]);
    assert_eq!(v.bytes(4), Some(b" a".as_slice()));
}

#[test]
fn other_spellings_are_read() {
    let llama = br#"{"model": {"type": "BPE", "vocab": {"</s>": 0, "\u2581garden": 1, "<0xE2>": 2}, "merges": []},
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}]}}"#;
    let v = Vocab::from_tokenizer(llama.as_slice(), Path::new("t")).unwrap();
    assert_eq!((v.bytes(1), v.bytes(2), v.eos()), (Some(b" garden".as_slice()), Some(b"\xE2".as_slice()), Some(0)));
    let unigram = br#"{"model": {"type": "Unigram", "vocab": [["<unk>", 0.0], ["\u2581a", -1.5]]}}"#;
    let v = Vocab::from_tokenizer(unigram.as_slice(), Path::new("t")).unwrap();
    assert_eq!((v.len(), v.bytes(1)), (2, Some(b" a".as_slice())));
    let bert = br###"{"model": {"type": "WordPiece", "vocab": {"gar": 0, "##den": 1}}}"###;
    let v = Vocab::from_tokenizer(bert.as_slice(), Path::new("t")).unwrap();
    assert_eq!(v.decode(&[0, 1]), " garden");
}

#[test]
fn bad_files_are_one_line_errors() {
    let bad: [&[u8]; 8] = [
        b"",
        b"\x80\x02",
        b"{}",
        br#"{"model": {"vocab": {"a": -1}}}"#,
        br#"{"model": {"vocab": {"a": 4294967295}}}"#,
        br#"{"model": {"vocab": {}}}"#,
        br#"{"model": {"vocab": 3}}"#,
        &TINY.as_bytes()[..200],
    ];
    for json in bad {
        let error =
            Vocab::from_tokenizer(json.to_vec(), Path::new("m/\x1b[2J/tokenizer.json")).unwrap_err().to_string();
        assert!(error.starts_with("m/␛[2J/tokenizer.json: "), "{error}");
        assert!(error.contains("; take the tokenizer.json"), "{error}");
        assert!(!error.contains('\n') && !error.contains('\x1b'), "{error:?}");
    }
    let error = Vocab::open(Path::new("does/not/exist")).unwrap_err().to_string();
    assert!(error.contains("does/not/exist"), "{error}");
}

#[test]
fn what_a_trace_knows_can_be_shown_but_not_encoded() {
    let v = Vocab::from_entries([(3, " a".into()), (u32::MAX, "far".into())]);
    assert_eq!((v.len(), v.bytes(u32::MAX)), (4, None));
    assert!(!v.can_encode());
    assert!(matches!(v.encode("a"), Err(TextError::DecodeOnly)));
}
