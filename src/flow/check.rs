//! Checks a run against a model before anything is computed.

use super::config::RunConfig;
use super::error::FlowError;
use super::grid::check_grid;
use crate::model::ModelSpec;

/// Bounds of the temperature: outside them the softmax leaves the range of `f32`, or all text is noise.
const TEMPERATURES: std::ops::RangeInclusive<f64> = 0.01..=100.0;

/// Every setting of a run within its range.
pub(super) fn check(spec: &ModelSpec, cfg: &RunConfig) -> Result<(), FlowError> {
    let require = |ok: bool, field, value: String, fix: String| {
        if ok { Ok(()) } else { Err(FlowError::invalid(field, value, fix)) }
    };
    check_grid(&cfg.grid)?;
    require(
        (1..=spec.length).contains(&cfg.tokens),
        "tokens",
        cfg.tokens.to_string(),
        format!("{} writes 1 to {} tokens", spec.name, spec.length),
    )?;
    require(
        cfg.exponent.is_finite() && cfg.exponent > 0.0 && cfg.exponent <= 100.0,
        "exponent",
        cfg.exponent.to_string(),
        "the schedule's exponent is above 0 and at most 100".into(),
    )?;
    require(
        TEMPERATURES.contains(&cfg.temperature),
        "temperature",
        cfg.temperature.to_string(),
        format!("give {} to {}; 1 is the model's own", TEMPERATURES.start(), TEMPERATURES.end()),
    )?;
    require(
        cfg.top_p > 0.0 && cfg.top_p <= 1.0,
        "top-p",
        cfg.top_p.to_string(),
        "give a mass above 0 and at most 1, which keeps everything".into(),
    )?;
    require(
        cfg.eta.is_finite() && cfg.eta >= 0.0,
        "eta",
        cfg.eta.to_string(),
        "the divergence-free term has a weight of 0 or more".into(),
    )?;
    check_told_dt(cfg)?;
    check_frozen(spec, cfg)?;
    require(
        cfg.salts.len() <= cfg.steps(),
        "salts",
        cfg.salts.len().to_string(),
        format!("the run has {} steps, so at most as many", cfg.steps()),
    )
}

fn check_told_dt(cfg: &RunConfig) -> Result<(), FlowError> {
    let Some(told) = &cfg.told_dt else {
        return Ok(());
    };
    if told.len() != cfg.steps() {
        return Err(FlowError::invalid(
            "told step sizes",
            told.len(),
            format!("give one for each of the {} steps", cfg.steps()),
        ));
    }
    match told.iter().find(|dt| !(0.0..=1.0).contains(*dt)) {
        Some(bad) => Err(FlowError::invalid("told step size", bad, "a step size is from 0 to 1")),
        None => Ok(()),
    }
}

fn check_frozen(spec: &ModelSpec, cfg: &RunConfig) -> Result<(), FlowError> {
    for &(position, id) in &cfg.frozen {
        if position as usize >= cfg.tokens {
            return Err(FlowError::invalid(
                "frozen position",
                position,
                format!("the text has {} tokens; shorten the prompt or raise --tokens", cfg.tokens),
            ));
        }
        check_id(spec, "frozen token", id)?;
    }
    match cfg.frozen.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        Some(pair) => Err(FlowError::invalid(
            "frozen position",
            pair[1].0,
            format!("positions must increase, and it follows {}", pair[0].0),
        )),
        None => Ok(()),
    }
}

/// The state that a run goes on from.
pub(super) fn check_state(spec: &ModelSpec, cfg: &RunConfig, step: u32, ids: &[u32]) -> Result<(), FlowError> {
    if step as usize > cfg.steps() {
        return Err(FlowError::invalid("step", step, format!("the run has {} steps", cfg.steps())));
    }
    if ids.len() != cfg.tokens {
        return Err(FlowError::invalid("tokens", ids.len(), format!("the run to go on with has {}", cfg.tokens)));
    }
    ids.iter().try_for_each(|&id| check_id(spec, "token", id))
}

fn check_id(spec: &ModelSpec, field: &'static str, id: u32) -> Result<(), FlowError> {
    if (id as usize) < spec.rows() {
        return Ok(());
    }
    Err(FlowError::invalid(field, id, format!("{} knows ids 0 to {}", spec.name, spec.rows() - 1)))
}
