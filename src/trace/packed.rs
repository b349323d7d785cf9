//! Per-position numbers in 38 bytes instead of 64.
//!
//! Probabilities and entropies are kept as half-precision floats (11 significant bits: 0.05 %), ids and ranks in 24
//! bits. That is finer than any view shows, and keeps a run of 1,024 steps and 1,024 tokens at 40 MB.

use half::f16;

use super::frame::{Detail, TOP};

/// One [`Detail`], packed.
#[derive(Clone, Copy)]
pub(super) struct Packed {
    entropy: f16,
    prob: f16,
    prob_before: f16,
    jump_prob: f16,
    rank: [u8; 3],
    jumped: bool,
    ids: [[u8; 3]; TOP],
    probs: [[u8; 2]; TOP],
}

impl From<&Detail> for Packed {
    fn from(detail: &Detail) -> Self {
        Self {
            entropy: f16::from_f32(detail.entropy),
            prob: f16::from_f32(detail.prob),
            prob_before: f16::from_f32(detail.prob_before),
            jump_prob: f16::from_f32(detail.jump_prob),
            rank: pack24(detail.rank),
            jumped: detail.jumped,
            ids: detail.top.map(|(id, _)| pack24(id)),
            probs: detail.top.map(|(_, prob)| f16::from_f32(prob).to_le_bytes()),
        }
    }
}

impl From<&Packed> for Detail {
    fn from(packed: &Packed) -> Self {
        Self {
            entropy: packed.entropy.to_f32(),
            prob: packed.prob.to_f32(),
            prob_before: packed.prob_before.to_f32(),
            jump_prob: packed.jump_prob.to_f32(),
            rank: unpack24(packed.rank),
            jumped: packed.jumped,
            top: std::array::from_fn(|i| (unpack24(packed.ids[i]), f16::from_le_bytes(packed.probs[i]).to_f32())),
        }
    }
}

/// The low 24 bits, or all ones for anything larger (ids are checked before they get here).
fn pack24(value: u32) -> [u8; 3] {
    let [a, b, c, _] = value.min(0xFF_FFFF).to_le_bytes();
    [a, b, c]
}

fn unpack24([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

/// The per-position numbers of one step.
#[derive(Clone, Copy)]
pub struct Details<'a>(pub(super) &'a [Packed]);

impl<'a> Details<'a> {
    /// Number of positions.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The numbers of one position.
    pub fn get(self, pos: usize) -> Option<Detail> {
        self.0.get(pos).map(Detail::from)
    }

    /// All positions in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Detail> + 'a {
        self.0.iter().map(Detail::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_takes_38_bytes() {
        assert_eq!(size_of::<Packed>(), 38);
    }

    #[test]
    fn numbers_survive_to_half_precision() {
        let detail = Detail {
            entropy: 11.37,
            prob: 0.731_25,
            prob_before: 1.5e-5,
            jump_prob: 0.125,
            rank: 50_256,
            jumped: true,
            top: [(50_256, 0.73), (0, 0.1), (70_000, 0.01), (3, 1e-4), (4, 0.0)],
        };
        let back = Detail::from(&Packed::from(&detail));
        let close = |a: f32, b: f32| (a - b).abs() <= a.abs() / 1024.0 + 6e-8;
        assert!(close(detail.entropy, back.entropy) && close(detail.prob, back.prob));
        assert!(close(detail.prob_before, back.prob_before) && close(detail.jump_prob, back.jump_prob));
        assert_eq!((detail.rank, detail.jumped), (back.rank, back.jumped));
        for (a, b) in detail.top.iter().zip(back.top) {
            assert_eq!(a.0, b.0);
            assert!(close(a.1, b.1));
        }
    }
}
