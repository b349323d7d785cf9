//! Metrics against values from plain Python (`tests/golden/metrics.py`).

use fewstep::flow::metrics::{changed, entropy_bits, last_change, perplexity, repeats, settled};
use serde::Deserialize;

#[derive(Deserialize)]
struct Sample {
    frames: Vec<Vec<u32>>,
    nll: Vec<f32>,
    prompt: usize,
    perplexity: Option<f64>,
    perplexity_with_prompt: Option<f64>,
    entropy: f64,
    repeats: f64,
    changed: Vec<Vec<u32>>,
    last_change: Vec<u32>,
    settled: Vec<usize>,
}

fn close(ours: Option<f64>, theirs: Option<f64>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-4 * theirs.abs().max(1.0),
        (ours, theirs) => ours == theirs,
    }
}

#[test]
fn equal_to_plain_python() {
    let samples: Vec<Sample> = serde_json::from_str(include_str!("../golden/metrics.json")).expect("valid JSON");
    assert!(samples.iter().any(|s| s.repeats > 0.0 && s.repeats < 1.0));
    for s in samples {
        let ids = s.frames.last().expect("a frame");
        assert!(close(perplexity(&s.nll, s.prompt, false), s.perplexity));
        assert!(close(perplexity(&s.nll, s.prompt, true), s.perplexity_with_prompt));
        assert!(close(Some(entropy_bits(ids)), Some(s.entropy)));
        assert!(close(Some(repeats(ids, 4)), Some(s.repeats)));
        for (pair, theirs) in s.frames.windows(2).zip(&s.changed) {
            assert_eq!(&changed(&pair[0], &pair[1]), theirs);
        }
        let last = last_change(&s.frames);
        assert_eq!(last, s.last_change);
        for (step, &theirs) in s.settled.iter().enumerate() {
            assert_eq!(settled(&last, step as u32), theirs);
        }
    }
}

#[test]
fn nothing_to_score_is_no_number() {
    assert_eq!(perplexity(&[], 0, false), None);
    assert_eq!(perplexity(&[1.0, 2.0], 3, false), None);
    assert_eq!(perplexity(&[1.0, 2.0], 9, false), None);
    assert_eq!(perplexity(&[1.0, f32::NAN], 0, false), None);
    assert_eq!(perplexity(&[f32::INFINITY], 0, true), None);
}

#[test]
fn a_prompt_of_one_token_was_never_scored() {
    let nll = [1.0, 3.0];
    assert_eq!(perplexity(&nll, 1, false), perplexity(&nll, 0, false));
    assert_eq!(perplexity(&nll, 2, false), Some(f64::from(3.0f32).exp()));
}

#[test]
fn entropy_is_in_bits() {
    assert_eq!(entropy_bits(&[]), 0.0);
    assert_eq!(entropy_bits(&[5; 9]), 0.0);
    assert_eq!(entropy_bits(&[1, 2, 3, 4]), 2.0);
}

#[test]
fn a_repeat_counts_from_its_second_time() {
    assert_eq!(repeats(&[1, 2, 3], 4), 0.0);
    assert_eq!(repeats(&[1, 1, 1, 1, 1], 4), 0.5);
    assert_eq!(repeats(&[1, 2, 3, 4, 1, 2, 3, 4], 4), 0.2);
}
