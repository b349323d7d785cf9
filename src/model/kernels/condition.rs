//! The condition path: time and step size to the norms' scales and shifts and the gates of every block.

use super::acts::Acts;
use super::block::{Branch, Scratch};
use super::linear::Linear;
use super::math::Finish;
use super::parts::Loader;
use super::threads::Threads;
use super::tiles::Kernels;
use crate::model::net::sinusoids;
use crate::model::weights::layout::SINUSOIDS;
use crate::model::{ModelError, ModelSpec};

/// Two linear layers with SiLU between, from sinusoids.
struct ScalarEmbedding {
    first: Linear,
    second: Linear,
}

/// One block's own map of the condition vector (students), and its modulation.
struct Modulation {
    fuser: Option<Linear>,
    map: Linear,
    /// Weights of the norms that are modulated.
    norms: Vec<Vec<f32>>,
    /// Modulated norms and gates of the last evaluation.
    branches: Vec<Branch>,
}

/// Everything between `(t, dt)` and the modulations.
pub(crate) struct Condition {
    time: ScalarEmbedding,
    step: Option<(ScalarEmbedding, Linear)>,
    /// The blocks', then the output layer's.
    modulations: Vec<Modulation>,
    /// What they were last evaluated at.
    at: Option<(u32, u32)>,
}

impl Condition {
    pub(crate) fn load(load: &Loader<'_>, spec: &ModelSpec) -> Result<Self, ModelError> {
        let c = spec.cond;
        let embedding = |name: &str| {
            Ok::<_, ModelError>(ScalarEmbedding {
                first: load.exact(&format!("{name}.mlp.0"), SINUSOIDS, c)?,
                second: load.exact(&format!("{name}.mlp.2"), c, c)?,
            })
        };
        let modulation = |prefix: &str, norms: &[&str], chunks: usize| {
            Ok::<_, ModelError>(Modulation {
                fuser: spec
                    .dt_conditioned
                    .then(|| load.exact(&format!("{prefix}.condition_fuser"), 2 * c, c))
                    .transpose()?,
                map: load.exact(&format!("{prefix}.adaLN_modulation"), c, chunks * spec.hidden)?,
                norms: norms
                    .iter()
                    .map(|norm| load.vector(&format!("{prefix}.{norm}.weight"), spec.hidden))
                    .collect::<Result<_, _>>()?,
                branches: vec![Branch::default(); norms.len()],
            })
        };
        let time = embedding("time_embedding")?;
        let step = if spec.dt_conditioned {
            Some((embedding("dt_embedding")?, load.exact("time_condition_fuser", 2 * c, 2 * c)?))
        } else {
            None
        };
        let mut modulations = Vec::with_capacity(spec.blocks + 1);
        for i in 0..spec.blocks {
            modulations.push(modulation(&format!("blocks.{i}"), &["norm1", "norm2"], 6)?);
        }
        modulations.push(modulation("output_layer", &["norm_final"], 2)?);
        Ok(Self { time, step, modulations, at: None })
    }

    /// Evaluates all modulations at `(t, dt)`.
    pub(crate) fn evaluate(&mut self, kernels: &Kernels, threads: &Threads<Scratch>, t: f32, dt: f32) {
        let at = (t.to_bits(), dt.to_bits());
        if self.at == Some(at) {
            return;
        }
        let mut scratch = Scratch::default();
        let mut condition = self.time.evaluate(kernels, t, &mut scratch);
        if let Some((embedding, fuser)) = &self.step {
            condition.extend(embedding.evaluate(kernels, dt, &mut scratch));
            condition = apply(kernels, fuser, &mut condition, &mut scratch);
        }
        silu(&mut condition);
        threads.each(&mut self.modulations, |_, modulation, scratch| {
            modulation.evaluate(kernels, &condition, scratch);
        });
        self.at = Some(at);
    }

    /// The norms and gates of a block's attention and MLP.
    pub(crate) fn block(&self, i: usize) -> (&Branch, &Branch) {
        let branches = &self.modulations[i].branches;
        (&branches[0], &branches[1])
    }

    /// The norm before the head.
    pub(crate) fn last(&self) -> &Branch {
        &self.modulations[self.modulations.len() - 1].branches[0]
    }
}

impl ScalarEmbedding {
    fn evaluate(&self, kernels: &Kernels, s: f32, scratch: &mut Scratch) -> Vec<f32> {
        let mut hidden = apply(kernels, &self.first, &mut sinusoids(s), scratch);
        silu(&mut hidden);
        apply(kernels, &self.second, &mut hidden, scratch)
    }
}

impl Modulation {
    fn evaluate(&mut self, kernels: &Kernels, condition: &[f32], scratch: &mut Scratch) {
        let mut condition = condition.to_vec();
        if let Some(fuser) = &self.fuser {
            condition = apply(kernels, fuser, &mut condition, scratch);
            silu(&mut condition);
        }
        let all = apply(kernels, &self.map, &mut condition, scratch);
        let width = self.norms[0].len();
        // Shift, scale and, in blocks, a gate for each norm.
        let chunks = all.len() / width / self.norms.len();
        for ((branch, norm), all) in self.branches.iter_mut().zip(&self.norms).zip(all.chunks_exact(chunks * width)) {
            let (shift, rest) = all.split_at(width);
            let (scale, gate) = rest.split_at(width);
            branch.alpha = norm.iter().zip(scale).map(|(n, s)| n * (1.0 + s)).collect();
            branch.beta = shift.to_vec();
            branch.gate = gate.to_vec();
        }
    }
}

/// One row through a layer.
fn apply(kernels: &Kernels, layer: &Linear, x: &mut [f32], scratch: &mut Scratch) -> Vec<f32> {
    let acts: &mut Acts = &mut scratch.acts;
    acts.shape(layer.scheme(), 1, layer.k());
    acts.put(kernels.isa(), 0, x);
    let mut out = vec![0.0; layer.n()];
    layer.apply(kernels, acts, (0, 1), &mut scratch.work, &mut out, layer.n(), Finish::Store);
    out
}

fn silu(x: &mut [f32]) {
    for x in x {
        *x /= 1.0 + (-*x).exp();
    }
}
