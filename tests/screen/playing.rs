//! Scripted sessions of playing: the playhead over time, and the keys that move it.

use std::time::Duration;

use crate::fixture::World;
use crate::script::finished;

#[test]
fn it_starts_at_once_with_noise_on_screen_and_plays_when_frames_come() {
    let mut world = World::new(120, 36, 8);
    assert!(world.session.state().play.on);
    assert_eq!(world.job.as_ref().map(|j| (j.upto, j.prompt_len)), Some((8, 0)));
    assert!(world.text().contains("step 0/8") && world.text().contains("loading model"));
    // Nothing to wait for but the engine: no timer runs.
    world.wait(5000);
    assert_eq!(world.session.wake_at(), None);
    assert!(world.compute());
    assert_eq!(world.playhead(), 1, "the noise has been on screen long enough");
}

#[test]
fn a_step_stays_400_ms_and_a_long_run_8_seconds() {
    let mut world = World::new(120, 36, 8);
    while world.compute() {}
    assert_eq!(world.playhead(), 0);
    world.wait(399);
    assert_eq!(world.playhead(), 0);
    world.wait(1);
    assert_eq!(world.playhead(), 1);
    for step in 2..=8 {
        world.wait(400);
        assert_eq!(world.playhead(), step);
    }
    assert!(!world.session.state().play.on && world.session.wake_at().is_none(), "the end, and idle");

    let mut world = World::new(120, 36, 1024);
    while world.compute() {}
    let mut ms = 0;
    while world.playhead() < 1024 {
        world.wait(16);
        ms += 16;
        assert!(ms <= 8_200, "at step {} after {ms} ms", world.playhead());
    }
    assert!(ms >= 7_500, "{ms}");
}

#[test]
fn late_frames_are_not_rushed_through() {
    let mut world = World::new(120, 36, 8);
    world.wait(3000);
    world.compute();
    world.compute();
    assert_eq!(world.playhead(), 1);
    world.wait(399);
    assert_eq!(world.playhead(), 1);
    world.wait(1);
    assert_eq!(world.playhead(), 2);
}

#[test]
fn arrows_home_end_and_digits_move_the_playhead() {
    let mut world = finished();
    world.key("left");
    assert_eq!(world.playhead(), 7);
    world.keys("left left");
    assert_eq!(world.playhead(), 5);
    world.key("right");
    assert_eq!(world.playhead(), 6);
    world.key("home");
    assert_eq!(world.playhead(), 0);
    world.key("left");
    assert_eq!(world.playhead(), 0);
    world.key("end");
    assert_eq!(world.playhead(), 8);
    world.key("right");
    assert_eq!((world.playhead(), world.effects.len()), (8, 0), "there is nothing after the end");
    for digit in 0..=8 {
        world.key(&digit.to_string());
        assert_eq!(world.playhead(), digit);
    }
    world.key("9");
    assert_eq!(world.playhead(), 8);
}

#[test]
fn space_plays_pauses_and_replays_at_the_end() {
    let mut world = finished();
    world.key("space");
    assert_eq!((world.playhead(), world.session.state().play.on), (0, true));
    world.wait(800);
    world.key("space");
    let at = world.playhead();
    assert!(!world.session.state().play.on && at > 0);
    world.wait(5000);
    assert_eq!(world.playhead(), at);
    world.key("space");
    world.wait(400);
    assert_eq!(world.playhead(), at + 1);
}

#[test]
fn right_at_the_newest_frame_computes_the_next() {
    let mut world = World::new(120, 36, 8);
    world.key("left");
    let told = |w: &World| w.job.as_ref().map(|j| j.upto);
    assert_eq!(told(&world), Some(0), "pausing stops the engine after the step it is at");
    assert!(!world.compute());
    world.key("right");
    assert_eq!((world.playhead(), told(&world)), (0, Some(1)));
    assert!(world.text().contains("computing"));
    assert!(world.compute());
    assert_eq!(world.playhead(), 1);
    assert!(!world.compute(), "one step, no more");
    // Asked for twice: two steps, and the playhead follows both.
    world.keys("right right");
    assert_eq!(told(&world), Some(3));
    assert!(world.compute() && world.compute() && !world.compute());
    assert_eq!(world.playhead(), 3);
    world.key("space");
    assert_eq!(told(&world), Some(8));
}

#[test]
fn speed_and_loop() {
    let mut world = finished();
    assert!((world.session.state().speed() - 1.0).abs() < 1e-9);
    world.keys("> >");
    assert!((world.session.state().speed() - 4.0).abs() < 1e-9);
    world.key("space");
    world.wait(100);
    assert_eq!(world.playhead(), 1);
    world.keys("< < < < < <");
    assert!((world.session.state().speed() - 0.25).abs() < 1e-9);
    assert_eq!(world.session.state().dwell(), Duration::from_millis(1600));
    world.keys("> > > > > > > L end space");
    for _ in 0..60 {
        world.wait(50);
    }
    assert!(world.session.state().play.on, "a loop has no end");
    assert!(world.session.wake_at().is_some());
    world.key("L");
    for _ in 0..60 {
        world.wait(50);
    }
    assert!(!world.session.state().play.on && world.playhead() == 8);
}
