//! Counter-based noise: every random number is a pure function of what it is for.
//!
//! Nothing is drawn in sequence, so neither the number of threads nor the rows skipped nor the budget can shift who
//! gets which number. The generator is Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
//! 2011); the layout of key and counter is ours and is part of the trace format: the same seed must give the same
//! frames in every version.

/// What a random number is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The noise token of frame 0.
    Noise = 0,
    /// Whether a position jumps.
    Jump = 1,
    /// Where it jumps to; at the last step, the token drawn.
    Destination = 2,
    /// The data token `x_1` of the discrete-flow rule.
    Data = 3,
}

/// The random numbers of one step of one run.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    seed: u64,
    salt: u64,
    step: u16,
}

impl Noise {
    /// The numbers of frame 0, which depend on seed and position only.
    pub fn start(seed: u64) -> Self {
        Self { seed, salt: 0, step: 0 }
    }

    /// The numbers of step `step` (1-based, at most 1024); a re-rolled step has another `salt`.
    pub fn step(seed: u64, salt: u64, step: u16) -> Self {
        Self { seed, salt, step }
    }

    /// 64 random bits: the first two words of the block.
    pub fn bits(&self, position: u32, stream: Stream) -> u64 {
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        let counter =
            [position, u32::from(self.step) | (stream as u32) << 16, self.salt as u32, (self.salt >> 32) as u32];
        let block = philox(counter, key);
        u64::from(block[0]) | u64::from(block[1]) << 32
    }

    /// Uniform in `[0, 1)` on a grid of 2⁻⁵³: the upper 53 of the 64 bits.
    pub fn uniform(&self, position: u32, stream: Stream) -> f64 {
        (self.bits(position, stream) >> 11) as f64 * 2f64.powi(-53)
    }

    /// Uniform below `n`: the upper half of the 128-bit product of the 64 bits and `n` (bias below `n`/2⁶⁴).
    pub fn below(&self, position: u32, stream: Stream, n: u32) -> u32 {
        ((u128::from(self.bits(position, stream)) * u128::from(n)) >> 64) as u32
    }
}

/// Philox-4x32 with ten rounds.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let even = 0xD251_1F53_u64 * u64::from(counter[0]);
        let odd = 0xCD9E_8D57_u64 * u64::from(counter[2]);
        counter = [
            (odd >> 32) as u32 ^ counter[1] ^ key[0],
            odd as u32,
            (even >> 32) as u32 ^ counter[3] ^ key[1],
            even as u32,
        ];
        key[0] = key[0].wrapping_add(0x9E37_79B9);
        key[1] = key[1].wrapping_add(0xBB67_AE85);
    }
    counter
}
