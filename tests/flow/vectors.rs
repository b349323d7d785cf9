//! Test vectors of the noise. `docs/sampling.md` prints the same ones; changing them changes every frame of every seed.

use fewstep::flow::rng::{Noise, Stream, philox};

/// Known answers published with Random123 (`philox4x32 10`).
#[test]
fn philox_known_answers() {
    let cases = [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    for (counter, key, block) in cases {
        assert_eq!(philox(counter, key), block);
    }
}

#[test]
fn documented_vectors() {
    let noise = |seed, vocab| {
        (0..8).map(|position| Noise::start(seed).below(position, Stream::Noise, vocab)).collect::<Vec<_>>()
    };
    let doc = include_str!("../../docs/sampling.md");
    for (seed, vocab) in [(7, 4096), (0, 50257)] {
        let ids: Vec<String> = noise(seed, vocab).iter().map(u32::to_string).collect();
        let line = format!("| {seed} | {vocab} | {} |", ids.join(" "));
        assert!(doc.contains(&line), "docs/sampling.md lacks {line:?}");
    }
    let big = 0x0123_4567_89ab_cdef;
    for (seed, salt, step, position, stream) in [
        (7, 0, 1, 0, Stream::Jump),
        (7, 0, 1, 0, Stream::Destination),
        (7, 0, 1, 0, Stream::Data),
        (7, 0, 8, 255, Stream::Jump),
        (7, 1, 8, 255, Stream::Jump),
        (big, 9_223_372_036_854_775_813, 1024, 1023, Stream::Destination),
    ] {
        let noise = Noise::step(seed, salt, step);
        let line = format!(
            "| {seed} | {salt} | {step} | {position} | {} | `{:016x}` | {:?} |",
            stream as u32,
            noise.bits(position, stream),
            noise.uniform(position, stream),
        );
        assert!(doc.contains(&line), "docs/sampling.md lacks {line:?}");
    }
}
