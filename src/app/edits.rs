//! What is to be changed before a run goes on as a branch.

use std::collections::{BTreeMap, BTreeSet};

use crate::flow::{RunConfig, SolverKind};

/// Changes that wait for a branch to be made of them. They belong to one frame of one run: leaving it drops them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    /// Positions with the ids that take the place of what is there.
    pub replaced: BTreeMap<u32, u32>,
    /// Positions that must not change from here on.
    pub pinned: BTreeSet<u32>,
    /// The next step draws other noise.
    pub reroll: bool,
    /// Another solver.
    pub solver: Option<SolverKind>,
    /// Another temperature.
    pub temperature: Option<f64>,
    /// Another nucleus mass.
    pub top_p: Option<f64>,
}

impl Edits {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// In a few words.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        let mut count = |n: usize, what: &str| {
            if n > 0 {
                parts.push(format!("{n} {what}"));
            }
        };
        count(self.replaced.len(), "replaced");
        count(self.pinned.len(), "pinned");
        if self.reroll {
            parts.push("other noise".to_owned());
        }
        parts.extend(self.solver.map(|s| s.label().to_owned()));
        parts.extend(self.temperature.map(|t| format!("temperature {t:.1}")));
        parts.extend(self.top_p.map(|p| format!("top-p {p:.2}")));
        parts.join(", ")
    }

    /// Puts the replaced ids into a frame's.
    pub fn apply(&self, ids: &[u32]) -> Vec<u32> {
        let mut ids = ids.to_vec();
        for (&position, &id) in &self.replaced {
            if let Some(slot) = ids.get_mut(position as usize) {
                *slot = id;
            }
        }
        ids
    }

    /// What makes the branch that goes on from the ids `ids` after step `step` of a run made by `config`.
    pub fn config(&self, config: &RunConfig, step: u32, ids: &[u32]) -> RunConfig {
        let mut config = config.clone();
        config.solver = self.solver.unwrap_or(config.solver);
        config.temperature = self.temperature.unwrap_or(config.temperature);
        config.top_p = self.top_p.unwrap_or(config.top_p);
        if self.reroll {
            salt(&mut config, step + 1);
        }
        let mut frozen: BTreeMap<u32, u32> = config.frozen.iter().copied().collect();
        frozen.extend(self.pinned.iter().filter_map(|&p| Some((p, *ids.get(p as usize)?))));
        // A frozen token that was replaced stays frozen, as what it is now.
        for (position, id) in &mut frozen {
            if let Some(&now) = self.replaced.get(position) {
                *id = now;
            }
        }
        config.frozen = frozen.into_iter().collect();
        config
    }
}

/// Gives step `step` (1-based) other noise than it had.
pub fn salt(config: &mut RunConfig, step: u32) {
    let index = step.saturating_sub(1) as usize;
    if config.salts.len() <= index {
        config.salts.resize(index + 1, 0);
    }
    config.salts[index] += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_make_a_configuration_of_their_own() {
        let mut config = RunConfig::new(7, 8, 4);
        config.frozen = vec![(0, 5), (1, 6)];
        let edits = Edits {
            replaced: BTreeMap::from([(1, 9), (3, 2)]),
            pinned: BTreeSet::from([3, 4]),
            reroll: true,
            temperature: Some(0.5),
            ..Edits::default()
        };
        let ids = edits.apply(&[5, 6, 1, 1, 1, 1, 1, 1]);
        assert_eq!(ids, [5, 9, 1, 2, 1, 1, 1, 1]);
        let branch = edits.config(&config, 2, &ids);
        assert_eq!(branch.frozen, [(0, 5), (1, 9), (3, 2), (4, 1)]);
        assert_eq!((branch.salts.clone(), branch.temperature), (vec![0, 0, 1], 0.5));
        assert!((branch.top_p - 1.0).abs() < 1e-9 && branch.solver == config.solver);
        assert_eq!(edits.summary(), "2 replaced, 2 pinned, other noise, temperature 0.5");
        let mut again = branch;
        salt(&mut again, 3);
        assert_eq!(again.salts, [0, 0, 2]);
    }
}
