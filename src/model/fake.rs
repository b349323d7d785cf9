//! A network without weights.

use super::{Cancel, Input, ModelError, ModelSpec, Network, Source};

/// A network without weights, for tests and demos of the machinery.
///
/// Its logits are a pure function of the ids, the time, the step size, the position and the token: a hash, so they
/// look like noise but are the same on every machine. [`FakeNetwork::towards`] makes it converge to a given text.
#[derive(Clone, Debug)]
pub struct FakeNetwork {
    spec: ModelSpec,
    block_rows: usize,
    target: Vec<u32>,
    poison: Option<(u32, f32)>,
    cancel_after: Option<usize>,
    state: u64,
    t: f32,
    tokens: usize,
    /// How often the body ran.
    pub forwards: usize,
    /// How many rows the head computed.
    pub rows_computed: usize,
}

impl FakeNetwork {
    /// Hashed logits for `vocab` ids (and the mask id, for a mask source).
    pub fn new(vocab: usize, length: usize, source: Source) -> Self {
        Self::with_spec(ModelSpec {
            name: "fake".into(),
            hash: "0".into(),
            vocab,
            hidden: 8,
            blocks: 1,
            heads: 1,
            cond: 8,
            mlp_ratio: 4,
            length,
            source,
            dt_conditioned: true,
            least_dt: 0.0,
            exponent: 1.0,
            eos: None,
        })
    }

    /// Hashed logits for a model of the given sizes.
    pub fn with_spec(spec: ModelSpec) -> Self {
        Self {
            spec,
            block_rows: 8,
            target: Vec::new(),
            poison: None,
            cancel_after: None,
            state: 0,
            t: 0.0,
            tokens: 0,
            forwards: 0,
            rows_computed: 0,
        }
    }

    /// Favours the ids of `target` (repeated over the sequence), the more the later.
    #[must_use]
    pub fn towards(mut self, target: &[u32]) -> Self {
        self.target = target.to_vec();
        self
    }

    /// Hands out `rows` rows at a time.
    #[must_use]
    pub fn in_blocks_of(mut self, rows: usize) -> Self {
        self.block_rows = rows.max(1);
        self
    }

    /// Puts `value` among the logits of `position`, e.g. NaN.
    #[must_use]
    pub fn poisoned(mut self, position: u32, value: f32) -> Self {
        self.poison = Some((position, value));
        self
    }

    /// Raises the cancel flag itself, once, after `blocks` blocks of rows.
    #[must_use]
    pub fn cancelling_after(mut self, blocks: usize) -> Self {
        self.cancel_after = Some(blocks);
        self
    }

    /// The logits of one position of the last [`Network::forward`].
    fn row(&self, position: u32, logits: &mut [f32]) {
        let row = mix(self.state ^ u64::from(position));
        for (id, logit) in logits.iter_mut().enumerate() {
            let bits = mix(row.wrapping_add(id as u64));
            // Between -4 and 4, most likely near 0.
            let halves = (bits >> 32) as f32 - (bits as u32) as f32;
            *logit = halves * (4.0 / 4_294_967_296.0);
        }
        if let Some(&id) = self.target.get(position as usize % self.target.len().max(1))
            && let Some(logit) = logits.get_mut(id as usize)
        {
            *logit += 4.0 + 10.0 * self.t;
        }
        if let Some((poisoned, value)) = self.poison
            && poisoned == position
        {
            logits[logits.len() / 2] = value;
        }
    }
}

impl Network for FakeNetwork {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn precision(&self) -> String {
        "f32".into()
    }

    fn forward(&mut self, input: Input<'_>, cancel: &Cancel) -> Result<(), ModelError> {
        cancel.check()?;
        self.forwards += 1;
        self.t = input.t;
        self.tokens = input.ids.len();
        self.state = input
            .ids
            .iter()
            .map(|&id| u64::from(id))
            .chain([u64::from(input.t.to_bits()), u64::from(input.dt.to_bits()) << 32])
            .fold(0x5eed, |state, value| mix(state ^ value));
        Ok(())
    }

    fn logits(
        &mut self,
        rows: &[u32],
        cancel: &Cancel,
        sink: &mut dyn FnMut(usize, &mut [f32]),
    ) -> Result<(), ModelError> {
        let width = self.spec.rows();
        let mut block = vec![0.0; self.block_rows * width];
        for (index, positions) in rows.chunks(self.block_rows).enumerate() {
            if self.cancel_after == Some(index) {
                self.cancel_after = None;
                cancel.cancel();
            }
            cancel.check()?;
            if let Some(&bad) = positions.iter().find(|&&p| p as usize >= self.tokens) {
                return Err(ModelError::Request(format!(
                    "position {bad} of a sequence of {} tokens was asked for",
                    self.tokens
                )));
            }
            let block = &mut block[..positions.len() * width];
            for (&position, logits) in positions.iter().zip(block.chunks_exact_mut(width)) {
                self.row(position, logits);
            }
            self.rows_computed += positions.len();
            sink(index * self.block_rows, block);
        }
        Ok(())
    }
}

/// The finaliser of splitmix64 after one increment: a cheap, good hash of one word.
fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
