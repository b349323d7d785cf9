//! Jump probabilities and destinations of the paper's own implementation.

use std::collections::HashMap;

use fewstep::flow::row::{Row, Shaping};
use fewstep::flow::solver::Rule;
use fewstep::flow::{RunConfig, SolverKind};
use fewstep::model::fake::FakeNetwork;
use fewstep::model::{ModelSpec, Network, Source};
use safetensors::{Dtype, SafeTensors};

const TOLERANCE: f64 = 2e-6;

/// The golden tensors, all as `f64`.
struct Golden(HashMap<String, Vec<f64>>);

impl Golden {
    fn load() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/golden.safetensors");
        let bytes = std::fs::read(path).expect("the golden file is there");
        let file = SafeTensors::deserialize(&bytes).expect("it is a safetensors file");
        let number = |dtype: Dtype, b: [u8; 4]| match dtype {
            Dtype::F32 => f64::from(f32::from_le_bytes(b)),
            Dtype::I32 => f64::from(i32::from_le_bytes(b)),
            other => panic!("golden values of type {other:?}"),
        };
        Self(
            file.iter()
                .map(|(name, view)| {
                    let values = view
                        .data()
                        .chunks_exact(4)
                        .map(|b| number(view.dtype(), b.try_into().expect("four bytes")))
                        .collect();
                    (name.to_owned(), values)
                })
                .collect(),
        )
    }

    fn get(&self, name: &str) -> &[f64] {
        self.0.get(name).unwrap_or_else(|| panic!("no golden tensor {name}"))
    }
}

/// One batch row of one golden model.
struct Sequence {
    spec: ModelSpec,
    ids: Vec<u32>,
    t: f64,
    logits: Vec<f32>,
}

fn sequences(golden: &Golden) -> Vec<(String, usize, Sequence)> {
    let models = [("uniform", 97, Source::Uniform), ("mask", 61, Source::Mask)];
    let mut all = Vec::new();
    for (name, vocab, source) in models {
        let spec = FakeNetwork::new(vocab, 64, source).spec().clone();
        let ids = golden.get(&format!("{name}.x"));
        let logits = golden.get(&format!("{name}.student_model.logits"));
        for b in 0..2 {
            let half = |values: &[f64]| {
                let size = values.len() / 2;
                values[b * size..(b + 1) * size].to_vec()
            };
            let sequence = Sequence {
                spec: spec.clone(),
                ids: half(ids).iter().map(|&id| id as u32).collect(),
                t: golden.get(&format!("{name}.t"))[b],
                logits: half(logits).iter().map(|&l| l as f32).collect(),
            };
            all.push((name.to_owned(), b, sequence));
        }
    }
    all
}

/// Compares a rule with the golden tensors `{prefix}.{h, jump_prob, dest}`.
fn compare(golden: &Golden, prefix: &str, sequence: &Sequence, cfg: &RunConfig) {
    let h = golden.get(&format!("{prefix}.h"))[0];
    let jump = golden.get(&format!("{prefix}.jump_prob"));
    let dest = golden.get(&format!("{prefix}.dest"));
    let rule = Rule::new(&sequence.spec, cfg, sequence.t, h);
    let width = sequence.spec.rows();
    for (position, &z) in sequence.ids.iter().enumerate() {
        let span = position * width..(position + 1) * width;
        let mut logits = sequence.logits[span.clone()].to_vec();
        let row = Row::new(&mut logits, Shaping::default()).expect("finite logits");
        let ours = rule.jump_prob(cfg.solver, &row, z);
        assert!(
            (ours - jump[position]).abs() <= TOLERANCE,
            "{prefix}, position {position}: jumps with {ours}, not {}",
            jump[position]
        );
        let ours = rule.destinations(&row, z).distribution();
        for (id, (ours, theirs)) in ours.iter().zip(&dest[span]).enumerate() {
            assert!(
                (ours - theirs).abs() <= TOLERANCE,
                "{prefix}, position {position}: goes to {id} with {ours}, not {theirs}"
            );
        }
    }
}

#[test]
fn cumulative_scalar() {
    let golden = Golden::load();
    for (name, b, sequence) in sequences(&golden) {
        for n in [1, 2] {
            let mut cfg = RunConfig::new(0, sequence.ids.len(), 1);
            cfg.exponent = f64::from(n);
            compare(&golden, &format!("{name}.cs.n{n}.b{b}"), &sequence, &cfg);
        }
    }
}

#[test]
fn euler() {
    let golden = Golden::load();
    for (name, b, sequence) in sequences(&golden) {
        let mut cfg = RunConfig::new(0, sequence.ids.len(), 1);
        cfg.solver = SolverKind::Euler;
        // The golden values are those before any gating by mask.
        cfg.unmask_change = true;
        compare(&golden, &format!("{name}.euler.b{b}"), &sequence, &cfg);
    }
}

#[test]
fn dfm_euler() {
    let golden = Golden::load();
    for (name, b, sequence) in sequences(&golden) {
        let mut cfg = RunConfig::new(0, sequence.ids.len(), 1);
        cfg.solver = SolverKind::DfmEuler;
        let h = golden.get(&format!("{name}.dfm.b{b}.h"))[0];
        let theirs = golden.get(&format!("{name}.dfm.b{b}.jump_prob_if_different"))[0];
        let rule = Rule::new(&sequence.spec, &cfg, sequence.t, h);
        assert!((rule.dfm_jump_prob(0, true) - theirs).abs() <= TOLERANCE);
        assert_eq!(rule.dfm_jump_prob(0, false), 0.0);
    }
}

/// The literal port that the statistics are held to agrees with the golden values itself.
#[test]
fn reference_port() {
    let golden = Golden::load();
    for (name, b, sequence) in sequences(&golden) {
        for (tag, solver, exponent) in [
            ("cs.n1", SolverKind::CumulativeScalar, 1.0),
            ("cs.n2", SolverKind::CumulativeScalar, 2.0),
            ("euler", SolverKind::Euler, 1.0),
        ] {
            let prefix = format!("{name}.{tag}.b{b}");
            let h = golden.get(&format!("{prefix}.h"))[0];
            let jump = golden.get(&format!("{prefix}.jump_prob"));
            let mut cfg = RunConfig::new(0, sequence.ids.len(), 1);
            (cfg.solver, cfg.exponent) = (solver, exponent);
            let width = sequence.spec.rows();
            for (position, &z) in sequence.ids.iter().enumerate() {
                let logits = &sequence.logits[position * width..(position + 1) * width];
                let p = crate::reference::softmax(logits, 1.0);
                let ours = crate::reference::step(&sequence.spec, &cfg, &p, z as usize, sequence.t, h);
                assert!((ours.jump - jump[position]).abs() <= TOLERANCE, "{prefix}");
            }
        }
    }
}
