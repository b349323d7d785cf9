//! The rules once more, written down literally over whole distributions in `f64`.

use fewstep::flow::{RunConfig, SolverKind};
use fewstep::model::ModelSpec;

/// What a rule does at one position: the probability of a jump, and where it leads.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) jump: f64,
    pub(crate) destination: Vec<f64>,
}

pub(crate) fn normalise(mut weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    if total > 0.0 {
        for weight in &mut weights {
            *weight /= total;
        }
    }
    weights
}

pub(crate) fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    normalise(logits.iter().map(|&l| (f64::from(l - max) / temperature).exp()).collect())
}

/// The smallest set of likeliest tokens that holds the mass `top_p`.
pub(crate) fn nucleus(p: &[f64], top_p: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
    let mut kept = vec![0.0; p.len()];
    let mut mass = 0.0;
    for id in order {
        if mass >= top_p {
            break;
        }
        kept[id] = p[id];
        mass += p[id];
    }
    normalise(kept)
}

/// One step of the rule in `cfg`, not the last, before any gating.
pub(crate) fn step(spec: &ModelSpec, cfg: &RunConfig, p: &[f64], z: usize, t: f64, h: f64) -> Expected {
    let kappa = |t: f64| t.powf(cfg.exponent);
    let slope = cfg.exponent * t.powf(cfg.exponent - 1.0);
    match cfg.solver {
        SolverKind::CumulativeScalar => {
            let scalar = (1.0 - kappa(t)).clamp(1e-8, 1.0).ln() - (1.0 - kappa(t + h)).clamp(1e-8, 1.0).ln();
            let mut rates: Vec<f64> = p.iter().map(|p| scalar / h * p).collect();
            rates[z] = 0.0;
            let rate: f64 = rates.iter().sum();
            Expected { jump: 1.0 - (-h * rate).exp(), destination: normalise(rates) }
        }
        SolverKind::Euler => {
            let mut rates: Vec<f64> = p.iter().map(|p| p / h).collect();
            rates[z] = 0.0;
            for rate in &mut rates {
                *rate = rate.max(1e-9);
            }
            let rate: f64 = rates.iter().sum();
            Expected { jump: 1.0 - (-(h * rate).min(50.0)).exp(), destination: normalise(rates) }
        }
        SolverKind::DfmEuler => {
            let mut jump = 0.0;
            let mut destination = vec![0.0; p.len()];
            for (data, &p_data) in p.iter().enumerate() {
                let rates = dfm_rates(spec, cfg, data, z, kappa(t), slope);
                let rate: f64 = rates.iter().sum();
                let given = 1.0 - (-h * rate).exp();
                jump += p_data * given;
                for (to, share) in destination.iter_mut().zip(normalise(rates)) {
                    *to += p_data * given * share;
                }
            }
            Expected { jump, destination: normalise(destination) }
        }
    }
}

/// The rates of the discrete-flow rule once `x_1 = data` is drawn, divergence-free term included.
pub(crate) fn dfm_rates(spec: &ModelSpec, cfg: &RunConfig, data: usize, z: usize, kappa: f64, slope: f64) -> Vec<f64> {
    let mut rates = vec![0.0; spec.rows()];
    rates[data] += slope / (1.0 - kappa);
    if cfg.eta > 0.0 && kappa > 0.0 {
        for (id, rate) in rates.iter_mut().enumerate() {
            let source = match spec.mask_id() {
                Some(mask) => f64::from(u8::from(id == mask as usize)),
                None => 1.0 / spec.vocab as f64,
            };
            let one_hot = f64::from(u8::from(id == data));
            *rate += cfg.eta * slope / (kappa * (1.0 - kappa)) * ((1.0 - kappa) * source + kappa * one_hot);
        }
    }
    rates[z] = 0.0;
    rates
}
