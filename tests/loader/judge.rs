//! Judges in the Hugging Face GPT-2 layout, and things that look like one.

use std::path::Path;

use fewstep::model::{Cancel, ModelError, ModelPlace, OpenOptions, Place, Precision, judge, open_judge, open_model};
use safetensors::tensor::Dtype;
use serde_json::json;

use crate::files::{Copy, Tensor, tests, write_tensors};
use crate::refused;

fn nll(path: &Path) -> Result<Vec<f32>, ModelError> {
    let checkpoint = open_judge(&ModelPlace::Path(path.to_owned()))?;
    let ids: Vec<u32> = (0..60).map(|i| (i * 53 + 1) % 320).collect();
    judge(&checkpoint, Precision::F32, Place::Cpu, 1, &|_| ())?.nll(&ids, &Cancel::new())
}

#[test]
fn names_without_prefix_and_mask_buffers_make_no_difference() {
    let copy = Copy::of("judge");
    let expected = nll(copy.path()).unwrap();
    copy.edit(|tensors| {
        *tensors = std::mem::take(tensors)
            .into_iter()
            .map(|(name, tensor)| (name.trim_start_matches("transformer.").to_owned(), tensor))
            .collect();
        tensors.insert("h.0.attn.bias".to_owned(), (Dtype::U8, vec![1, 1, 2, 2], vec![1; 4]));
        tensors.insert("h.0.attn.masked_bias".to_owned(), (Dtype::F32, vec![1], vec![0; 4]));
        tensors.insert("h.1.attn.bias".to_owned(), (Dtype::F32, vec![1, 1, 2, 2], vec![0; 16]));
    });
    assert_eq!(nll(copy.path()).unwrap(), expected);
}

#[test]
fn shards_make_no_difference() {
    let copy = Copy::of("judge");
    let expected = nll(copy.path()).unwrap();
    let tensors = copy.tensors();
    std::fs::remove_file(copy.weights()).unwrap();
    let shard = |i: usize| format!("model-0000{i}-of-00002.safetensors");
    let mut map = serde_json::Map::new();
    for i in [1, 2] {
        let part: std::collections::BTreeMap<String, Tensor> =
            tensors.clone().into_iter().enumerate().filter(|(n, _)| n % 2 == i % 2).map(|(_, t)| t).collect();
        map.extend(part.keys().map(|name| (name.clone(), json!(shard(i)))));
        write_tensors(&copy.path().join(shard(i)), &part);
    }
    let index = copy.path().join("model.safetensors.index.json");
    std::fs::write(&index, json!({"metadata": {}, "weight_map": map}).to_string()).unwrap();
    assert_eq!(nll(copy.path()).unwrap(), expected);

    std::fs::remove_file(copy.path().join(shard(2))).unwrap();
    refused(nll(copy.path()), &copy.path().join(shard(2)), "not found");
    std::fs::write(&index, json!({"weight_map": {"a": "../../elsewhere.safetensors"}}).to_string()).unwrap();
    refused(nll(copy.path()), &index, "not a plain file name");
}

#[test]
fn a_separate_head_is_used() {
    let copy = Copy::of("judge");
    let expected = nll(copy.path()).unwrap();
    let tied = copy.tensors()["transformer.wte.weight"].clone();
    copy.edit(|tensors| drop(tensors.insert("lm_head.weight".to_owned(), tied)));
    assert_eq!(nll(copy.path()).unwrap(), expected);
    copy.edit(|tensors| tensors.get_mut("lm_head.weight").unwrap().2.fill(0));
    let uniform = (320_f32).ln();
    assert!(nll(copy.path()).unwrap().iter().all(|v| (v - uniform).abs() < 1e-5));
}

#[test]
fn int8_conv1d_matrices_have_a_scale_an_output_channel() {
    let copy = Copy::of("judge");
    let name = "transformer.h.0.mlp.c_fc";
    let weight = format!("{name}.weight");
    // (in, out) = (32, 128): column `o` becomes 3 · scale[o] everywhere.
    let scales: Vec<f32> = (0..128).map(|o| 0.001 * (o + 1) as f32).collect();
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    copy.edit(|tensors| {
        tensors.insert(weight.clone(), (Dtype::I8, vec![32, 128], vec![3; 32 * 128]));
        tensors.insert(format!("{name}.scale"), (Dtype::F32, vec![128], bytes(&scales)));
    });
    let quantised = nll(copy.path()).unwrap();
    let row: Vec<f32> = scales.iter().map(|s| 3.0 * s).collect();
    copy.edit(|tensors| {
        tensors.remove(&format!("{name}.scale"));
        tensors.insert(weight, (Dtype::F32, vec![32, 128], bytes(&row.repeat(32))));
    });
    assert_eq!(nll(copy.path()).unwrap(), quantised);
}

#[test]
fn things_that_cannot_judge() {
    let path = tests().join("tiny/uniform");
    refused(nll(&path), &path.join("config.json"), "is not the config of a gpt2 model");

    let cases = [
        ("model_type", json!("llama"), "describes a \"llama\" model"),
        ("activation_function", json!("relu"), "variant of GPT-2"),
        ("n_layer", json!(3), "holds 2 blocks"),
        ("n_head", json!(7), "into 7 heads"),
        ("n_positions", json!(64), "wpe.weight has shape [128, 32], expected [64, 32]"),
    ];
    for (field, value, what) in cases {
        let copy = Copy::of("judge");
        copy.set(field, value);
        refused(nll(copy.path()), copy.path(), what);
    }
    let copy = Copy::of("judge");
    copy.edit(|tensors| {
        tensors.get_mut("transformer.ln_f.bias").unwrap().2[..2].copy_from_slice(&[0, 0x7e]);
    });
    refused(nll(copy.path()), copy.path(), "ln_f.bias holds a value that is not a finite number");
}

#[test]
fn a_judge_must_read_ids_as_the_model_writes_them() {
    let model = open_model(&ModelPlace::Path(tests().join("tiny/mask")), &OpenOptions::default()).unwrap();
    let place = |copy: &Copy| ModelPlace::Path(copy.path().to_owned());
    let copy = Copy::of("judge");
    open_judge(&place(&copy)).unwrap().check_fits(&model).unwrap();

    let path = copy.path().join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"Ġf\":", "\"Ġq\":", 1)).unwrap();
    let other = open_judge(&place(&copy)).unwrap();
    refused(other.check_fits(&model), copy.path(), "has another tokenizer");
    std::fs::remove_file(&path).unwrap();
    open_judge(&place(&copy)).unwrap().check_fits(&model).unwrap();

    copy.set("vocab_size", json!(300));
    copy.edit(|tensors| {
        let tokens = tensors.get_mut("transformer.wte.weight").unwrap();
        *tokens = (Dtype::F16, vec![300, 32], tokens.2[..300 * 64].to_vec());
    });
    let small = open_judge(&place(&copy)).unwrap();
    refused(small.check_fits(&model), copy.path(), "knows 300 ids");
}
