//! Time grids `0 = t_0 < t_1 < … < t_N = 1`.

use std::f64::consts::FRAC_PI_2;

use super::config::uniform_grid;
use super::error::FlowError;

/// The largest budget.
pub const MAX_STEPS: usize = 1024;

/// The most steps of [`Preset::Halving`]: with more, the last times would all be 1 to the network's `f32`.
const MAX_HALVINGS: usize = 24;

/// Grids that need only a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// Equal steps: `t_i = i/N`.
    #[default]
    Uniform,
    /// Steps 1/2, 1/4, 1/8, … as in the paper; the last step equals the one before it.
    Halving,
    /// `t_i = 1 - cos(πi/2N)`: small steps first, while the text is still noise.
    Cosine,
    /// `t_i = 1 - (1 - i/N)²`: small steps last, where tokens settle.
    LateDense,
}

impl Preset {
    /// All presets, in the order of menus.
    pub const ALL: [Self; 4] = [Self::Uniform, Self::Halving, Self::Cosine, Self::LateDense];

    /// Name in flags and on screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Halving => "halving",
            Self::Cosine => "cosine",
            Self::LateDense => "late-dense",
        }
    }

    /// The grid with `steps` steps.
    pub fn grid(self, steps: usize) -> Result<Vec<f64>, FlowError> {
        check_steps(steps)?;
        if self == Self::Halving && steps > MAX_HALVINGS {
            return Err(FlowError::invalid(
                "steps",
                steps,
                format!("the halving grid has at most {MAX_HALVINGS} steps; lower --steps or choose another grid"),
            ));
        }
        let time = |i: usize| {
            let share = i as f64 / steps as f64;
            match self {
                Self::Uniform => share,
                Self::Halving => 1.0 - 0.5f64.powi(i as i32),
                Self::Cosine => 1.0 - (FRAC_PI_2 * share).cos(),
                Self::LateDense => 1.0 - (1.0 - share).powi(2),
            }
        };
        if self == Self::Uniform {
            return Ok(uniform_grid(steps));
        }
        // The end is set by hand: rounding must not leave it beside 1.
        Ok((0..steps).map(time).chain([1.0]).collect())
    }
}

/// Reads the value of `--grid`: the name of a preset, or times such as `0,0.5,0.75,1` (which fix the budget).
pub fn from_flag(text: &str, steps: usize) -> Result<Vec<f64>, FlowError> {
    let preset = Preset::ALL.into_iter().find(|preset| preset.label() == text.trim());
    match preset {
        Some(preset) => preset.grid(steps),
        None => parse_grid(text),
    }
}

/// Reads times separated by commas, and checks them.
pub fn parse_grid(text: &str) -> Result<Vec<f64>, FlowError> {
    let names = || Preset::ALL.map(Preset::label).join(", ");
    let grid = text
        .split(',')
        .map(|word| {
            word.trim().parse::<f64>().map_err(|_| {
                FlowError::invalid(
                    "grid time",
                    format!("{word:?}"),
                    format!("not a number; give times such as 0,0.5,0.75,1 or one of {}", names()),
                )
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    check_grid(&grid)?;
    Ok(grid)
}

/// Checks that a grid starts at 0, ends at 1, increases strictly and has 1 to 1024 steps.
pub fn check_grid(grid: &[f64]) -> Result<(), FlowError> {
    let invalid = |value: f64, fix: String| Err(FlowError::invalid("grid time", value, fix));
    check_steps(grid.len().saturating_sub(1))?;
    if let Some(&bad) = grid.iter().find(|t| !t.is_finite()) {
        return invalid(bad, "times are finite numbers from 0 to 1".into());
    }
    if grid[0] != 0.0 {
        return invalid(grid[0], "the first time must be 0".into());
    }
    if let Some(pair) = grid.windows(2).find(|pair| pair[1] <= pair[0]) {
        return invalid(pair[1], format!("times must increase, and it follows {}", pair[0]));
    }
    let last = grid[grid.len() - 1];
    if last != 1.0 {
        return invalid(last, "the last time must be 1".into());
    }
    Ok(())
}

fn check_steps(steps: usize) -> Result<(), FlowError> {
    if (1..=MAX_STEPS).contains(&steps) {
        return Ok(());
    }
    Err(FlowError::invalid("steps", steps, format!("a run takes 1 to {MAX_STEPS} steps")))
}
