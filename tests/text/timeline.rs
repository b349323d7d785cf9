//! A timeline against the plain definition of everything it answers.

use std::sync::Arc;

use fewstep::trace::{Cell, Change, ChangeMap, Score, Timeline};
use proptest::prelude::*;

use crate::support::{Lcg, frame, meta};

fn timeline(frames: &[Vec<u32>], budget: usize, detail: bool) -> Timeline {
    let at = |step: usize| frame(step as u32, budget as u32, &frames[step], detail);
    let mut timeline = Timeline::new(meta(budget, frames[0].len()), at(0)).unwrap();
    (1..frames.len()).for_each(|step| timeline.push(at(step)).unwrap());
    timeline
}

/// Up to 80 frames of up to 12 tokens; a third of the positions change in a step.
fn frames() -> impl Strategy<Value = Vec<Vec<u32>>> {
    (1usize..12, 1usize..80, any::<u64>()).prop_map(|(tokens, len, seed)| {
        let mut random = Lcg(seed);
        let mut ids: Vec<u32> = (0..tokens).map(|_| random.below(5)).collect();
        let mut frames = vec![ids.clone()];
        for _ in 1..len {
            for id in &mut ids {
                if random.below(3) == 0 {
                    *id = random.below(5);
                }
            }
            frames.push(ids.clone());
        }
        frames
    })
}

fn naive_changed(frames: &[Vec<u32>], step: usize) -> Vec<u32> {
    if step == 0 {
        return Vec::new();
    }
    (0..frames[0].len()).filter(|&p| frames[step][p] != frames[step - 1][p]).map(|p| p as u32).collect()
}

proptest! {
    #[test]
    fn answers_are_those_of_the_frames(frames in frames(), extra in 0usize..3) {
        let newest = frames.len() - 1;
        let t = timeline(&frames, newest + extra, true);
        prop_assert_eq!((t.len(), t.newest() as usize, t.steps() as usize), (frames.len(), newest, newest + extra));
        prop_assert_eq!(t.is_complete(), extra == 0);
        let tokens = frames[0].len();
        for step in 0..frames.len() {
            let s = step as u32;
            let changes: Vec<Vec<u32>> = (0..=step).map(|i| naive_changed(&frames, i)).collect();
            let changed_at = |pos: u32| -> Vec<usize> { (0..=step).filter(|&i| changes[i].contains(&pos)).collect() };
            prop_assert_eq!(&*t.ids(s), &*frames[step]);
            prop_assert_eq!(t.changed(s), &*naive_changed(&frames, step));
            prop_assert_eq!(t.changed_count(s), naive_changed(&frames, step).len());
            for &pos in t.changed(s) {
                prop_assert!(t.changed_to(s).contains(&frames[step][pos as usize]));
            }
            for pos in 0..tokens as u32 {
                let at = changed_at(pos);
                prop_assert_eq!(t.last_change(s)[pos as usize] as usize, at.last().copied().unwrap_or(0));
                prop_assert_eq!(t.revisions(s)[pos as usize] as usize, at.len());
            }
            let settled = step.checked_sub(1).map_or(0, |before| {
                (0..tokens).filter(|&p| frames[before..].iter().all(|f| f[p] == frames[before][p])).count()
            });
            prop_assert_eq!(t.settled(s), settled as f64 / tokens as f64);
            prop_assert_eq!(t.frame(s).ids, frame(s, 1, &frames[step], false).ids);
        }
        for pos in 0..tokens {
            let mut naive = vec![Change { step: 0, id: frames[0][pos] }];
            for step in 1..frames.len() {
                if frames[step][pos] != frames[step - 1][pos] {
                    naive.push(Change { step: step as u32, id: frames[step][pos] });
                }
            }
            prop_assert_eq!(t.history(pos as u32), naive);
        }
    }

    #[test]
    fn the_map_never_drops_a_change(frames in frames(), cols in 1usize..20, rows in 1usize..90) {
        let budget = frames.len().max(2) - 1;
        let t = timeline(&frames, budget, false);
        let map = ChangeMap::new(&t, cols, rows);
        prop_assert!(map.cols() <= cols && map.rows() <= rows);
        let mut cells = vec![(0, 0); map.cols() * map.rows()];
        for step in 1..frames.len() {
            for pos in naive_changed(&frames, step) {
                let (col, row) = (map.col_of(pos), map.row_of(step as u32));
                prop_assert!(map.positions(col).contains(&pos));
                prop_assert!(map.steps(row).contains(&(step as u32)));
                let cell = &mut cells[row * map.cols() + col];
                *cell = (step as u32, cell.1 + 1);
            }
        }
        for (i, naive) in cells.into_iter().enumerate() {
            let cell = map.cell(i % map.cols(), i / map.cols());
            prop_assert_eq!((cell.step, cell.changes), naive);
        }
        // Column and row ranges tile everything.
        let positions: usize = (0..map.cols()).map(|c| map.positions(c).len()).sum();
        prop_assert_eq!(positions, frames[0].len());
        let steps: usize = (0..map.rows()).map(|r| map.steps(r).count()).sum();
        prop_assert_eq!(steps, budget);
        // Growing a map step by step gives the same as making it at the end.
        let mut grown = ChangeMap::new(&timeline(&frames[..1], budget, false), cols, rows);
        (1..=frames.len()).for_each(|n| grown.update(&timeline(&frames[..n], budget, false)));
        prop_assert_eq!(grown, map);
    }

    #[test]
    fn a_branch_is_the_run_up_to_its_step(frames in frames(), at in any::<prop::sample::Index>()) {
        let t = timeline(&frames, frames.len(), true);
        let step = at.index(frames.len()) as u32;
        let mut edited = frames[step as usize].clone();
        edited[0] = 9;
        let branch = t.branch(meta(frames.len(), edited.len()), step, &edited).unwrap();
        prop_assert_eq!(branch.newest(), step);
        prop_assert_eq!(branch.meta().parent.map(|p| (p.run, p.step)), Some((0, step)));
        prop_assert_eq!(&*branch.ids(step), &*edited);
        for kept in 0..step {
            prop_assert_eq!(branch.state(kept), t.state(kept));
            prop_assert_eq!(branch.frame(kept).detail, t.frame(kept).detail);
        }
    }
}

#[test]
fn numbers_beside_the_ids_are_kept() {
    let frames = vec![vec![1, 2, 3, 4], vec![1, 2, 5, 4]];
    let mut t = timeline(&frames, 1, true);
    assert!(t.detail(0).is_none() && t.jumps(0).is_none());
    let detail = t.detail(1).unwrap();
    assert_eq!(detail.len(), 4);
    assert_eq!(detail.get(2), frame(1, 1, &frames[1], true).detail.map(|d| d[2]));
    assert_eq!(detail.get(4), None);
    assert_eq!(t.jumps(1).unwrap().actual, 2);
    assert_eq!(t.most_likely(1).as_deref(), Some([1, 2, 5, 4].as_slice()));
    assert_eq!((t.t(1), t.h(1), t.ms(1)), (1.0, 1.0, Some(1.5)));
    assert_eq!(t.entropy(0), 2.0);
    assert!(t.score(1).is_none());
    t.set_score(1, Score { perplexity: Some(12.5), nll: Some(Arc::from([0.5f32])) });
    t.set_score(77, Score::default());
    assert_eq!((t.perplexity(1), t.perplexity(0)), (Some(12.5), None));
    // Beyond the newest step reads as the newest.
    assert_eq!(t.ids(99), t.ids(1));
}

#[test]
fn frames_that_do_not_fit_are_refused() {
    let first = frame(0, 2, &[1, 2], false);
    assert!(Timeline::new(meta(2, 2), frame(1, 2, &[1, 2], false)).is_err());
    assert!(Timeline::new(meta(2, 2), frame(0, 2, &[1, u32::MAX], false)).is_err());
    let mut t = Timeline::new(meta(2, 2), first).unwrap();
    for bad in [frame(2, 2, &[1, 2], false), frame(0, 2, &[1, 2], false), frame(1, 2, &[1], false)] {
        let error = t.push(bad).unwrap_err().to_string();
        assert!(error.contains("step"), "{error}");
    }
    assert!(t.push(frame(1, 2, &[1, 1 << 24], false)).is_err());
    assert_eq!(t.len(), 1);
    // Numbers of the wrong length are dropped rather than misread.
    let mut odd = frame(1, 2, &[1, 3], true);
    odd.detail = frame(1, 2, &[1], true).detail;
    t.push(odd).unwrap();
    assert!(t.detail(1).is_none());
    let empty = Timeline::new(meta(0, 0), frame(0, 1, &[], false)).unwrap();
    assert_eq!((empty.settled(0), empty.entropy(0), empty.tokens()), (0.0, 0.0, 0));
    assert_eq!(ChangeMap::new(&empty, 0, 0).cell(0, 0), Cell::default());
}

#[test]
fn a_long_run_stays_small() {
    let (tokens, budget) = (1024, 1024);
    let run = |detail: bool| {
        let mut random = Lcg(1);
        let mut ids: Vec<u32> = (0..tokens).map(|_| random.below(50_257)).collect();
        let mut t = Timeline::new(meta(budget, tokens), frame(0, budget as u32, &ids, detail)).unwrap();
        for step in 1..=budget as u32 {
            // As uniform noise does under the paper's rule: a hundredth of the positions a step.
            for id in &mut ids {
                if random.below(100) == 0 {
                    *id = random.below(50_257);
                }
            }
            t.push(frame(step, budget as u32, &ids, detail)).unwrap();
        }
        t.memory()
    };
    let (with, without) = (run(true), run(false));
    assert!(with < 45 << 20, "{with} bytes with detail");
    assert!(without < 2 << 20, "{without} bytes without");
}
