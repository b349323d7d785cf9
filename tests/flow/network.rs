//! A network that answers the same row everywhere, so that one run is many draws from one posterior.

use fewstep::model::fake::FakeNetwork;
use fewstep::model::{Cancel, Input, ModelError, ModelSpec, Network, Source};

/// Answers `row` at every position.
pub(crate) struct Constant {
    spec: ModelSpec,
    pub(crate) row: Vec<f32>,
}

impl Constant {
    pub(crate) fn new(source: Source, row: Vec<f32>) -> Self {
        let vocab = row.len() - usize::from(source == Source::Mask);
        Self { spec: FakeNetwork::new(vocab, 1024, source).spec().clone(), row }
    }
}

impl Network for Constant {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn precision(&self) -> String {
        "f32".into()
    }

    fn forward(&mut self, _: Input<'_>, _: &Cancel) -> Result<(), ModelError> {
        Ok(())
    }

    fn logits(&mut self, rows: &[u32], _: &Cancel, sink: &mut dyn FnMut(usize, &mut [f32])) -> Result<(), ModelError> {
        sink(0, &mut self.row.repeat(rows.len()));
        Ok(())
    }
}

/// All logits of a fake network at one input, position by position.
pub(crate) fn all_logits(net: &mut FakeNetwork, input: Input<'_>) -> Vec<Vec<f32>> {
    let cancel = Cancel::new();
    let width = net.spec().rows();
    let positions: Vec<u32> = (0..input.ids.len() as u32).collect();
    let mut rows = Vec::new();
    net.forward(input, &cancel).expect("the body runs");
    net.logits(&positions, &cancel, &mut |_, block| {
        rows.extend(block.chunks(width).map(<[f32]>::to_vec));
    })
    .expect("the head runs");
    rows
}
