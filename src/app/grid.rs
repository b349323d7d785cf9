//! The editor of the steps' times.

use crate::flow::RunConfig;
use crate::flow::config::uniform_grid;
use crate::flow::grid::Preset;

/// Least distance between two times.
const GAP: f64 = 1e-3;

/// Times being edited.
#[derive(Clone, Debug, PartialEq)]
pub struct GridEditor {
    /// `t_0 = 0 < … < t_N = 1`.
    pub times: Vec<f64>,
    /// The time that is moved; never the first or the last.
    pub at: usize,
    /// How the step size told to the network differs from the step taken, as a power of two.
    pub told: i32,
    /// The preset last chosen, while the times are as it made them.
    pub preset: Option<Preset>,
}

impl GridEditor {
    /// Edits the times of a run.
    pub fn new(config: &RunConfig) -> Self {
        let times = config.grid.clone();
        let steps = times.len().saturating_sub(1);
        let preset = Preset::ALL.into_iter().find(|p| p.grid(steps).is_ok_and(|grid| grid == times));
        let told = config.told_dt.as_ref().and_then(|told| {
            let ratio = told.first()? / (times.get(1)? - times.first()?);
            (ratio > 0.0).then(|| ratio.log2().round() as i32)
        });
        Self { times, at: 1, told: told.unwrap_or(0), preset }
    }

    /// The times and told step sizes of another budget: those of the same preset, else equal steps. What could not be
    /// kept comes along, in words.
    pub fn for_budget(config: &RunConfig, steps: usize) -> (Self, Vec<String>) {
        let before = Self::new(config);
        let mut lost = Vec::new();
        let kept = before.preset.and_then(|preset| Some((preset.grid(steps).ok()?, preset)));
        let (times, preset) = kept.unwrap_or_else(|| {
            let times = before.preset.map_or("the edited times".to_owned(), |p| format!("the {} times", p.label()));
            lost.push(times);
            (uniform_grid(steps), Preset::Uniform)
        });
        // Only a factor the editor can say holds for steps of any size.
        let same = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9;
        let alike = |told: &Vec<f64>| before.told_dt().is_some_and(|own| own.iter().zip(told).all(same));
        let unlike = config.told_dt.as_ref().is_some_and(|told| !alike(told));
        if unlike {
            lost.push("the told step sizes".to_owned());
        }
        let told = if unlike { 0 } else { before.told };
        (Self { times, at: 1, told, preset: Some(preset) }, lost)
    }

    /// The number of steps.
    pub fn steps(&self) -> usize {
        self.times.len().saturating_sub(1)
    }

    /// The time before or after.
    pub fn choose(&mut self, by: isize) {
        let last = self.steps().saturating_sub(1).max(1);
        self.at = self.at.saturating_add_signed(by).clamp(1, last);
    }

    /// Moves the chosen time to `t`, as far as its neighbours allow.
    pub fn put(&mut self, t: f64) {
        let (Some(&before), Some(&after)) = (self.times.get(self.at - 1), self.times.get(self.at + 1)) else {
            return;
        };
        if after - before > 2.0 * GAP && t.is_finite() {
            self.times[self.at] = t.clamp(before + GAP, after - GAP);
            self.preset = None;
        }
    }

    /// Moves the chosen time a little.
    pub fn nudge(&mut self, by: f64) {
        if let Some(&t) = self.times.get(self.at) {
            self.put(t + by);
        }
    }

    /// Chooses the time nearest to `t`.
    pub fn choose_near(&mut self, t: f64) {
        let last = self.steps().saturating_sub(1).max(1);
        let distance = |i: &usize| (self.times.get(*i).copied().unwrap_or(2.0) - t).abs();
        self.at = (1..=last).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(1);
    }

    /// The next preset that has so many steps.
    pub fn next_preset(&mut self) {
        let all = Preset::ALL;
        let from = self.preset.and_then(|p| all.iter().position(|q| *q == p)).map_or(0, |i| i + 1);
        for preset in all.iter().cycle().skip(from).take(all.len()) {
            if let Ok(grid) = preset.grid(self.steps()) {
                self.times = grid;
                self.preset = Some(*preset);
                return;
            }
        }
    }

    /// Tells the network half or twice the step size.
    pub fn tell(&mut self, by: i32) {
        self.told = (self.told + by).clamp(-10, 10);
    }

    /// The step sizes told to the network; `None`: those taken.
    pub fn told_dt(&self) -> Option<Vec<f64>> {
        let factor = 2f64.powi(self.told);
        // Networks know step sizes up to 1.
        (self.told != 0).then(|| self.times.windows(2).map(|w| ((w[1] - w[0]) * factor).min(1.0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::grid::check_grid;

    #[test]
    fn times_stay_a_grid_whatever_is_done_to_them() {
        let mut editor = GridEditor::new(&RunConfig::new(1, 8, 4));
        assert_eq!(editor.preset, Some(Preset::Uniform));
        editor.put(0.9);
        assert!((editor.times[1] - 0.499).abs() < 1e-9 && editor.preset.is_none());
        editor.choose(9);
        assert_eq!(editor.at, 3);
        editor.nudge(-5.0);
        editor.choose_near(0.0);
        assert_eq!(editor.at, 1);
        editor.put(f64::NAN);
        assert!(check_grid(&editor.times).is_ok(), "{:?}", editor.times);
        for _ in 0..9 {
            editor.next_preset();
            assert!(check_grid(&editor.times).is_ok() && editor.preset.is_some());
        }
        editor.tell(1);
        let told = editor.told_dt().expect("another step size");
        assert_eq!(told.len(), 4);
        let mut run = RunConfig::new(1, 8, 4);
        run.grid = Preset::Cosine.grid(4).expect("a grid");
        run.told_dt = GridEditor { told: -1, ..GridEditor::new(&run) }.told_dt();
        let (eight, lost) = GridEditor::for_budget(&run, 8);
        assert_eq!((eight.preset, eight.told, lost.len()), (Some(Preset::Cosine), -1, 0));
        run.grid = editor.times.clone();
        run.grid[1] += 0.001;
        run.told_dt = Some(vec![0.25, 0.1, 0.1, 0.3]);
        let (eight, lost) = GridEditor::for_budget(&run, 8);
        assert_eq!((eight.preset, eight.told_dt()), (Some(Preset::Uniform), None));
        assert_eq!(lost, ["the edited times", "the told step sizes"]);
        let mut one = GridEditor::new(&RunConfig::new(1, 8, 1));
        one.nudge(0.1);
        one.choose(1);
        one.choose_near(0.4);
        one.put(0.5);
        assert_eq!(one.times, [0.0, 1.0]);
    }
}
