//! The playhead: moving it, letting it move, and having computed what it will come to.

use std::time::Duration;

use super::super::Action;
use super::super::msg::Effect;
use super::super::run::Run;
use super::super::state::{SPEEDS, State};
use crate::engine::{Command, Start};

/// Time has passed: notices go, the playhead moves when it is due.
pub(super) fn tick(state: &mut State, now: Duration) {
    state.now = state.now.max(now);
    if state.notice.as_ref().is_some_and(|n| n.until <= state.now) {
        state.notice = None;
    }
    let dwell = state.dwell();
    let now = state.now;
    let (play, Some(run)) = (&mut state.play, state.runs.current_mut()) else {
        return;
    };
    while play.on && now >= play.due {
        if run.playhead < run.newest() {
            run.playhead += 1;
            // Steps too short to be drawn one by one may come several at a time; longer ones are never cut short.
            let short = dwell < Duration::from_millis(16);
            play.due = if short { (play.due + dwell).max(now.saturating_sub(dwell * 8)) } else { now + dwell };
            if run.playhead == run.steps() && play.looping {
                play.due = now + (dwell * 3).max(Duration::from_millis(800));
            }
        } else if run.is_complete() && play.looping && run.newest() > 0 {
            run.playhead = 0;
            play.due = now + dwell;
        } else {
            // Waiting for the engine, or at the end.
            break;
        }
    }
    if run.is_complete() && run.playhead == run.newest() && !play.looping {
        play.on = false;
    }
}

/// Starts playing from where the playhead is.
pub(super) fn play(state: &mut State) {
    state.play.on = true;
    state.play.due = state.now + state.dwell();
}

/// Moves the playhead by hand, which pauses.
pub(super) fn go(state: &mut State, step: u32) {
    state.play.on = false;
    if let Some(run) = state.runs.current_mut() {
        run.ahead = 0;
        run.playhead = step.min(run.newest());
    }
}

pub(super) fn act(state: &mut State, action: Action) {
    let Some((playhead, newest, steps)) = state.run().map(|r| (r.playhead, r.newest(), r.steps())) else {
        return;
    };
    match action {
        Action::Play => {
            if state.play.on {
                state.play.on = false;
            } else {
                if playhead == newest && state.run().is_some_and(Run::is_complete) {
                    go(state, 0);
                }
                play(state);
            }
        }
        Action::StepBack => go(state, playhead.saturating_sub(1)),
        Action::StepForward => {
            if playhead < newest {
                go(state, playhead + 1);
            } else {
                state.play.on = false;
                if let Some(run) = state.runs.current_mut() {
                    // The playhead follows as the frames arrive.
                    run.ahead = (run.ahead + 1).min(steps - newest);
                }
            }
        }
        Action::First => go(state, 0),
        Action::Last => go(state, newest),
        Action::Digit(digit) => go(state, digit_step(digit, steps)),
        Action::Slower => speed(state, -1),
        Action::Faster => speed(state, 1),
        Action::Loop => {
            state.play.looping = !state.play.looping;
            if state.play.looping && !state.play.on {
                play(state);
            }
        }
        _ => {}
    }
}

/// The step a digit stands for: itself up to a budget of nine, that many tenths of a larger one.
fn digit_step(digit: u8, steps: u32) -> u32 {
    let digit = u32::from(digit);
    if steps <= 9 { digit.min(steps) } else { (digit * steps + 5) / 10 }
}

fn speed(state: &mut State, by: isize) {
    let before = state.dwell();
    state.play.speed = state.play.speed.saturating_add_signed(by).min(SPEEDS.len() - 1);
    // What is left of this step shrinks or grows with it.
    let left = state.play.due.saturating_sub(state.now);
    state.play.due = state.now + left.mul_f64(state.dwell().as_secs_f64() / before.as_secs_f64().max(1e-9));
}

/// Tells the engine how far the run on screen is wanted: to its end while playing, else as far as was asked for.
pub(super) fn ask_engine(state: &mut State, effects: &mut Vec<Effect>) {
    let playing = state.play.on;
    let (Some(live), Some(run)) = (&mut state.live, state.runs.current_mut()) else {
        return;
    };
    if run.is_complete() || run.failed.is_some() {
        return;
    }
    let newest = run.newest();
    let wanted = if playing { run.steps() } else { newest + run.ahead };
    if live.engine_run == Some(run.id) {
        // Nothing to say where both the old and the new wish are fulfilled.
        if wanted != run.told && wanted.max(run.told) > newest {
            effects.push(Effect::Engine(Command::Advance { run: run.id, upto: wanted }));
            run.told = wanted;
        }
    } else if wanted > newest {
        live.engine_run = Some(run.id);
        // What the judge still had to say about other runs is forgotten with them.
        state.score_asked.clear();
        run.told = wanted;
        // A branch goes on from its frame even where that is the noise: it may have been edited.
        let branch = run.parent.is_some();
        run.first = newest;
        let from = (newest > 0 || branch).then(|| (newest, run.timeline.ids(newest).to_vec()));
        effects.push(Effect::Engine(Command::Start(Start {
            run: run.id,
            config: run.config.clone(),
            from,
            upto: wanted,
            prompt_len: run.prompt_len(),
        })));
    }
}

#[cfg(test)]
mod tests {
    use super::digit_step;

    #[test]
    fn digits_are_steps_up_to_nine_and_tenths_above() {
        assert_eq!([0, 3, 8, 9].map(|d| digit_step(d, 8)), [0, 3, 8, 8]);
        assert_eq!([0, 1, 5, 9].map(|d| digit_step(d, 64)), [0, 6, 32, 58]);
        assert_eq!([0, 1, 9].map(|d| digit_step(d, 1024)), [0, 102, 922]);
    }
}
