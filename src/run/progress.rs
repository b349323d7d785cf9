//! Progress on standard error, where somebody watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Short work shows no bar at all.
const PATIENCE: Duration = Duration::from_millis(300);

/// A bar of `total` parts that is drawn on a terminal only, and only for work that takes a while.
pub(super) fn bar(what: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{prefix} {bar:30} {percent}% {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_prefix(what);
    bar
}

/// Runs `work`, which reports fractions from 0 to 1, behind a bar.
pub(super) fn with_bar<T>(what: &'static str, work: impl FnOnce(&dyn Fn(f32)) -> T) -> T {
    let bar = bar(what, 1000);
    let started = std::time::Instant::now();
    let report = |fraction: f32| {
        if started.elapsed() > PATIENCE {
            bar.set_position((fraction * 1000.0) as u64);
        }
    };
    let done = work(&report);
    bar.finish_and_clear();
    done
}
