//! Folders of safetensors.

use std::path::Path;

use fewstep::model::{Entry, OpenOptions};
use safetensors::tensor::Dtype;
use serde_json::json;

use crate::files::{Copy, tests};
use crate::{load, load_with, refused};

#[test]
fn the_tiny_models_load() {
    for name in ["uniform", "mask"] {
        let checkpoint = load(&tests().join("tiny").join(name)).unwrap();
        assert_eq!(checkpoint.spec.name, format!("tiny-{name}"));
        assert_eq!(checkpoint.tokenizer.unwrap().size, 320);
    }
    // The weight file may be named instead of its folder.
    load(&tests().join("tiny/uniform/model.safetensors")).unwrap();
}

#[test]
fn places_that_are_no_model() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    refused(load(&missing), &missing, "not found");
    refused(load(dir.path()), &dir.path().join("config.json"), "not found");
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "no weights").unwrap();
    refused(load(&text), &text, "not a zip archive");
}

#[cfg(unix)]
#[test]
fn pipes_folders_and_dangling_links_are_refused_without_opening_them() {
    let copy = Copy::of("uniform");
    let pipe = copy.path().join("pipe.pth");
    let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
    // SAFETY: the name is a valid C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    refused(load(&pipe), &pipe, "neither a folder nor a weight file");

    std::fs::remove_file(copy.weights()).unwrap();
    std::fs::rename(&pipe, copy.weights()).unwrap();
    refused(load(copy.path()), &copy.weights(), "not a regular file");

    std::fs::remove_file(copy.weights()).unwrap();
    std::fs::create_dir(copy.weights()).unwrap();
    refused(load(copy.path()), &copy.weights(), "is a folder");

    std::fs::remove_dir(copy.weights()).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", copy.weights()).unwrap();
    refused(load(copy.path()), &copy.weights(), "not found");

    // A link to real weights, as download caches make them, is fine.
    std::fs::remove_file(copy.weights()).unwrap();
    std::os::unix::fs::symlink(tests().join("tiny/uniform/model.safetensors"), copy.weights()).unwrap();
    load(copy.path()).unwrap();
}

#[test]
fn truncated_weights() {
    let len = std::fs::metadata(tests().join("tiny/uniform/model.safetensors")).unwrap().len() as usize;
    for keep in [0, 4, 8, 200, len / 2, len - 1] {
        let copy = Copy::of("uniform");
        copy.bytes(|bytes| bytes.truncate(keep));
        refused(load(copy.path()), &copy.weights(), "");
    }
}

type Damage = fn(&mut Vec<u8>);

#[test]
fn headers_that_lie() {
    let cases: [(&str, Damage); 4] = [
        ("cut short", |bytes| {
            bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        }),
        ("cut short", |bytes| {
            bytes[..8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        }),
        ("bad safetensors header", |bytes| bytes[9] = b'?'),
        ("its header says", |bytes| bytes.extend([0; 16])),
    ];
    for (what, change) in cases {
        let copy = Copy::of("uniform");
        copy.bytes(change);
        refused(load(copy.path()), &copy.weights(), what);
    }
}

#[test]
fn a_tensor_that_claims_more_than_the_file_holds() {
    let copy = Copy::of("uniform");
    copy.bytes(|bytes| {
        let header = String::from_utf8_lossy(&bytes[..16384]).into_owned();
        let at = header.find("\"shape\":[320,32]").unwrap();
        bytes[at..at + 16].copy_from_slice(b"\"shape\":[999,99]");
    });
    refused(load(copy.path()), &copy.weights(), "bad safetensors header");
}

#[test]
fn wrong_missing_and_extra_tensors() {
    let copy = Copy::of("uniform");
    copy.edit(|tensors| drop(tensors.remove("blocks.1.mlp.2.bias")));
    refused(load(copy.path()), copy.path(), "tensor blocks.1.mlp.2.bias is missing");

    let copy = Copy::of("uniform");
    copy.edit(|tensors| tensors.get_mut("blocks.0.qw.weight").unwrap().1 = vec![16, 64]);
    refused(load(copy.path()), copy.path(), "has shape [16, 64], expected [32, 32]");

    let copy = Copy::of("uniform");
    copy.edit(|tensors| {
        drop(tensors.insert("blocks.1.extra.weight".to_owned(), (Dtype::F32, vec![1], vec![0; 4])));
    });
    refused(load(copy.path()), copy.path(), "1 tensors that the model does not have, such as blocks.1.extra.weight");

    let copy = Copy::of("uniform");
    copy.edit(|tensors| tensors.get_mut("vocab_embed.weight").unwrap().0 = Dtype::U32);
    refused(load(copy.path()), &copy.weights(), "U32, which is not supported");
}

#[test]
fn values_that_are_not_numbers() {
    for (name, at) in [("blocks.0.mlp.0.weight", 1234), ("output_layer.linear.bias", 3)] {
        for value in [f32::NAN, f32::INFINITY] {
            let copy = Copy::of("uniform");
            copy.edit(|tensors| {
                tensors.get_mut(name).unwrap().2[4 * at..4 * at + 4].copy_from_slice(&value.to_le_bytes());
            });
            let what = format!("tensor {name} holds a value that is not a finite number (at {at})");
            refused(load(copy.path()), copy.path(), &what);
        }
    }
}

#[test]
fn int8_without_its_scales() {
    let copy = Copy::of("mask");
    copy.edit(|tensors| drop(tensors.remove("blocks.0.kw.scale")));
    refused(load(copy.path()), copy.path(), "blocks.0.kw.scale does not hold 32 scales");

    let copy = Copy::of("mask");
    copy.edit(|tensors| {
        let scale = tensors.get_mut("blocks.0.kw.scale").unwrap();
        *scale = (Dtype::F32, vec![16], scale.2[..64].to_vec());
    });
    refused(load(copy.path()), copy.path(), "blocks.0.kw.scale does not hold 32 scales");
}

#[test]
fn configs_that_cannot_be() {
    let cases = [
        ("n_blocks", json!(3), "holds 2 blocks, config.json says 3"),
        ("n_blocks", json!(9_000_000), "holds 2 blocks, config.json says 9000000"),
        ("hidden_size", json!(64), "has shape [320, 32], expected [320, 64]"),
        ("hidden_size", json!(u64::MAX), "hidden_size"),
        ("n_heads", json!(5), "into 5 heads"),
        ("n_heads", json!(32), "heads of width 1"),
        ("vocab_size", json!(0), "has vocab_size 0"),
        ("vocab_size", json!(319), "has shape [320, 32], expected [319, 32]"),
        ("length", json!(0), "has length 0"),
        ("eos_token_id", json!(320), "eos_token_id 320"),
        ("source", json!("noise"), "is not the config of a fs_dfm model"),
        ("source", json!("mask"), "has shape [320, 32], expected [321, 32]"),
        ("dt_conditioned", json!(false), "tensors that the model does not have"),
        ("least_dt", json!(-0.5), "a least_dt of -0.5"),
        ("scheduler", json!({"type": "polynomial", "exponent": -1.0}), "exponent of -1"),
        ("scheduler", json!({"type": "cosine", "exponent": 1.0}), "\"cosine\" scheduler"),
        ("model_type", json!("gpt2"), "describes a \"gpt2\" model"),
    ];
    for (field, value, what) in cases {
        let copy = Copy::of("uniform");
        copy.set(field, value);
        refused(load(copy.path()), copy.path(), what);
    }
    let copy = Copy::of("uniform");
    std::fs::write(copy.path().join("config.json"), "{").unwrap();
    refused(load(copy.path()), &copy.path().join("config.json"), "is not the config");
}

#[test]
fn a_tokenizer_of_another_vocabulary() {
    let copy = Copy::of("uniform");
    let path = copy.path().join("tokenizer.json");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    json["model"]["vocab"]["one more"] = json!(320);
    std::fs::write(&path, json.to_string()).unwrap();
    refused(load(copy.path()), &path, "has 321 entries, the model tiny-uniform has 320");

    std::fs::write(&path, "[]").unwrap();
    refused(load(copy.path()), &path, "is not a byte-level BPE tokenizer");

    // The one given takes the place of the one beside.
    let options = OpenOptions { tokenizer: Some(tests().join("tiny/mask/tokenizer.json")), ..OpenOptions::default() };
    load_with(copy.path(), &options).unwrap();

    std::fs::remove_file(&path).unwrap();
    let checkpoint = load(copy.path()).unwrap();
    refused(checkpoint.require_tokenizer(), copy.path(), "has no tokenizer beside it");
}

#[test]
fn entries_are_for_pth_files() {
    let path = tests().join("tiny/uniform");
    let options = OpenOptions { entry: Some(Entry::Model), ..OpenOptions::default() };
    refused(load_with(&path, &options), &path, "is a folder, which holds one network");
}

#[test]
fn flipped_bytes_never_panic() {
    let good = std::fs::read(tests().join("tiny/uniform/model.safetensors")).unwrap();
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize + 8;
    let copy = Copy::of("uniform");
    let mut state = 7_u64;
    for _ in 0..300 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut bytes = good.clone();
        bytes[(state >> 33) as usize % header] ^= 1 << (state >> 20 & 7);
        std::fs::write(copy.weights(), bytes).unwrap();
        let result = fewstep::model::open_model(
            &fewstep::model::ModelPlace::Path(copy.path().to_owned()),
            &OpenOptions::default(),
        );
        if let Err(error) = result {
            assert!(error.to_string().starts_with(&*Path::new(copy.path()).to_string_lossy()));
        }
    }
}
