//! `.pth` files, honest and hostile.

use std::path::PathBuf;

use fewstep::model::{Entry, ModelPlace, OpenOptions, Source, open_model};

use crate::files::{Pickle, archive, tests};
use crate::{load, load_with, refused};

fn golden(name: &str) -> PathBuf {
    tests().join("golden").join(name)
}

fn entry(entry: Entry) -> OpenOptions {
    OpenOptions { entry: Some(entry), ..OpenOptions::default() }
}

/// A changed copy of a golden checkpoint, in a folder of its own.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("changed.pth");
    let mut bytes = std::fs::read(golden("uniform_pretrained.pth")).unwrap();
    change(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

#[test]
fn an_entry_that_is_not_there() {
    let path = golden("uniform_pretrained.pth");
    refused(load_with(&path, &entry(Entry::StudentModel)), &path, "has no entry student_model; it has model");
    let path = golden("uniform_distilled.pth");
    let what = "it has student_ema_model, student_model, teacher_model: choose one with --entry";
    refused(load_with(&path, &entry(Entry::Model)), &path, what);
}

#[test]
fn the_tokenizer_beside_it_tells_the_source() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.pth");
    std::fs::copy(golden("mask_pretrained.pth"), &path).unwrap();
    let tokenizer = |entries: usize| {
        let vocab: serde_json::Map<_, _> = (0..entries).map(|i| (format!("t{i}"), i.into())).collect();
        std::fs::write(dir.path().join("vocab.json"), serde_json::Value::from(vocab).to_string()).unwrap();
        std::fs::write(dir.path().join("merges.txt"), "#version: 0.2\n").unwrap();
    };
    let without = load(&path).unwrap();
    assert_eq!((without.spec.source, without.spec.vocab), (Source::Uniform, 62));
    refused(without.require_tokenizer(), &path, "has no tokenizer beside it");
    tokenizer(61);
    let mask = load(&path).unwrap();
    assert_eq!((mask.spec.source, mask.spec.vocab, mask.spec.rows()), (Source::Mask, 61, 62));
    tokenizer(62);
    assert_eq!(load(&path).unwrap().spec.source, Source::Uniform);
    tokenizer(60);
    refused(load(&path), &path, "has 62 rows of embeddings, the tokenizer beside it 60 entries");
    std::fs::remove_file(dir.path().join("merges.txt")).unwrap();
    load(&path).unwrap();
}

#[test]
fn files_that_are_no_archive() {
    let (_dir, path) = changed(|bytes| *bytes = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.".to_vec());
    refused(load(&path), &path, "is not a zip archive");
    let len = std::fs::metadata(golden("uniform_pretrained.pth")).unwrap().len() as usize;
    for keep in [0, 1, 30, len / 3, len / 2, len - 1] {
        let (_dir, path) = changed(|bytes| bytes.truncate(keep));
        refused(load(&path), &path, "");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("empty.pth");
    std::fs::write(&path, b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").unwrap();
    refused(load(&path), &path, "holds no data.pkl");
}

#[test]
fn compressed_members() {
    let (_dir, path) = changed(|bytes| {
        // The method's place in the central directory's records.
        let starts: Vec<usize> = (0..bytes.len() - 4).filter(|&i| &bytes[i..i + 4] == b"PK\x01\x02").collect();
        for start in starts {
            bytes[start + 10] = 8;
        }
    });
    refused(load(&path), &path, "");
}

#[test]
fn values_that_are_not_numbers() {
    let (_dir, path) = changed(|bytes| {
        // Storages are 64-byte aligned; one in the middle of the file belongs to some needed tensor or to an
        // optimizer state, so damage the embedding, which comes first.
        let at = bytes.windows(6).position(|w| w == b"data/0").unwrap() + 256;
        bytes[at / 4 * 4..at / 4 * 4 + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    refused(load(&path), &path, "tensor vocab_embed.weight holds a value that is not a finite number");
}

#[test]
fn pickles_that_want_to_run_something() {
    let dir = tempfile::tempdir().unwrap();
    let witness = dir.path().join("witness");
    let command = format!("touch {}", witness.display());
    let call = Pickle::default().global("os", "system").raw(b"(").text(&command).raw(b"tR");
    let whole = Pickle::network(|_| {
        Pickle::default()
            .raw(b"\x80\x02}(")
            .text("model")
            .raw(b"}(")
            .text("vocab_embed.weight")
            .global("os", "system")
            .raw(b"(")
            .text(&command)
            .raw(b"tR")
    });
    let path = archive(&dir, &whole, &[]);
    refused(load(&path), &path, "tensor vocab_embed.weight is missing");
    let path = archive(&dir, &[&pickle_bytes(call)[..], b"."].concat(), &[]);
    refused(load(&path), &path, "holds no dict of networks");
    assert!(!witness.exists());
}

fn pickle_bytes(pickle: Pickle) -> Vec<u8> {
    let whole = Pickle::network(|_| pickle);
    whole[..whole.len() - 3].to_vec()
}

#[test]
fn pickles_that_want_to_exhaust() {
    // Each level holds the one below it twice: 2^40 leaves to whoever copies.
    let mut doubling = b"\x80\x02]q\x00".to_vec();
    for _ in 0..40 {
        doubling.extend(b"h\x00h\x00\x86q\x00");
    }
    doubling.push(b'.');
    // A list that holds itself.
    let circle = b"\x80\x02]q\x00h\x00a.".to_vec();
    let nested = [&b"\x80\x02"[..], &b"(".repeat(100_000), b"N", &b"t".repeat(100_000), b"."].concat();
    let long_text = b"\x80\x02X\xff\xff\xff\xff.".to_vec();
    let long_text_8 = b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff.".to_vec();
    let underflow = b"\x80\x02R.".to_vec();
    let unknown_memo = b"\x80\x02h\x07.".to_vec();
    let protocol_0 = b"I1\n.".to_vec();
    let endless = b"\x80\x02N".repeat(1000);
    let pairless = b"\x80\x02}(K\x01u.".to_vec();
    let many = [&b"\x80\x02"[..], &b"N".repeat(5 << 20), b"."].concat();
    for (pickle, what) in [
        (doubling, "holds no dict of networks"),
        (circle, "holds no dict of networks"),
        (nested, "holds no dict of networks"),
        (long_text, "ends too early"),
        (long_text_8, "ends too early"),
        (underflow, "takes from an empty stack"),
        (unknown_memo, "refers to an object it never described"),
        (protocol_0, "uses pickle operation 0x49"),
        (endless, "ends too early"),
        (pairless, "a key without a value"),
        (many, "more objects than any checkpoint has"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = archive(&dir, &pickle, &[]);
        refused(load(&path), &path, what);
    }
}

type Sizes = &'static [i32];

#[test]
fn tensors_that_do_not_lie_in_the_file() {
    let storage = vec![0; 4 * 64];
    let cases: [(&str, i32, Sizes, Sizes, &str); 7] = [
        ("0", 0, &[8, 9], &[9, 1], "reaches past the end of data/0"),
        ("0", 1, &[8, 8], &[8, 1], "reaches past the end of data/0"),
        ("0", 0, &[i32::MAX, i32::MAX], &[i32::MAX, 1], "reaches past the end of data/0"),
        ("0", 0, &[8, 8], &[8], "has an impossible shape"),
        ("0", 0, &[0, 8], &[8, 1], "has an impossible shape"),
        ("1", 0, &[8, 8], &[8, 1], "refers to data/1, which is missing"),
        // Strides of zero unfold one value into many.
        ("0", 0, &[100_000, 100_000], &[0, 0], "describe more values than the file holds"),
    ];
    for (key, offset, shape, strides, what) in cases {
        let dir = tempfile::tempdir().unwrap();
        let pickle = Pickle::network(|p| p.tensor("vocab_embed.weight", key, offset, shape, strides));
        let path = archive(&dir, &pickle, &[("0", &storage)]);
        refused(load(&path), &path, what);
    }
    let dir = tempfile::tempdir().unwrap();
    let pickle = Pickle::network(|p| p.tensor("vocab_embed.weight", "../../data.pkl", 0, &[2], &[1]));
    let path = archive(&dir, &pickle, &[("0", &storage)]);
    refused(load(&path), &path, "which is missing");
}

#[test]
fn networks_of_another_kind() {
    let storage = vec![0; 4 * 64];
    let dir = tempfile::tempdir().unwrap();
    let pickle = Pickle::network(|p| p.tensor("wte.weight", "0", 0, &[8, 8], &[8, 1]));
    let path = archive(&dir, &pickle, &[("0", &storage)]);
    refused(load(&path), &path, "tensor vocab_embed.weight is missing");
    let pickle = Pickle::network(|p| {
        p.tensor("module.vocab_embed.weight", "0", 0, &[8, 8], &[8, 1]).tensor(
            "_orig_mod.module.vocab_embed.weight",
            "0",
            0,
            &[4, 4],
            &[4, 1],
        )
    });
    let path = archive(&dir, &pickle, &[("0", &storage)]);
    refused(load(&path), &path, "occurs twice, with different prefixes");
    let path = archive(&dir, b"\x80\x02}.", &[]);
    refused(load(&path), &path, "holds none of student_ema_model");
}

#[test]
fn flipped_bytes_never_panic() {
    let good = std::fs::read(golden("uniform_pretrained.pth")).unwrap();
    let pickle_end = good.windows(15).position(|w| w == b".format_version").unwrap();
    let directory = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let mut state = 3_u64;
    for round in 0..400 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let random = (state >> 33) as usize;
        // Half in the pickle, half in the archive's directory.
        let at = if round % 2 == 0 { random % pickle_end } else { directory + random % (good.len() - directory) };
        let (_dir, path) = changed(|bytes| bytes[at] ^= 1 << (state >> 20 & 7));
        let result = open_model(&ModelPlace::Path(path.clone()), &OpenOptions::default());
        if let Err(error) = result {
            assert!(error.to_string().starts_with(&*path.to_string_lossy()), "{error}");
        }
    }
}
