//! Branches and what they branched off, in runs that come from a trace.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use fewstep::app::{Msg, Runs, Session, State};
use fewstep::config::{Depth, Theme};
use fewstep::trace::io::Header;
use fewstep::trace::{Trace, TraceWriter, WriteOptions};

use crate::fixture::{World, looks};

/// A screen that replays a trace.
pub(crate) fn replayed(trace: &[u8]) -> Session {
    let trace = Trace::read(trace).expect("a trace");
    let state = State::replay(looks(Theme::dark(Depth::True)), "toy".to_owned(), Arc::clone(&trace.vocab));
    let mut session = Session::new(state, 120, 36);
    for run in trace.runs {
        session.handle(Duration::ZERO, Msg::Run(Box::new(run)));
    }
    session
}

/// A trace of runs of one step with these numbers and parents.
fn family(runs: &[(u32, Option<u32>)]) -> Vec<u8> {
    let mut text = "{\"type\":\"header\",\"format\":\"fewstep-trace\",\"version\":1,\"tokens\":2}\n".to_owned();
    for (run, parent) in runs {
        let parent = parent.map_or_else(String::new, |p| format!(",\"parent\":{{\"run\":{p},\"step\":1}}"));
        writeln!(text, "{{\"type\":\"run\",\"run\":{run},\"steps\":1{parent}}}").expect("a string");
        for step in 0..2 {
            writeln!(text, "{{\"type\":\"frame\",\"run\":{run},\"step\":{step},\"ids\":[{step},{run}]}}")
                .expect("a string");
        }
    }
    text.into_bytes()
}

/// The tree, and by index what each run is compared with.
fn seen(runs: &Runs) -> (Vec<(usize, usize)>, Vec<Option<u32>>) {
    (runs.tree(), runs.all().iter().map(|run| runs.compared(run).map(|other| other.id)).collect())
}

#[test]
fn parents_are_found_by_the_numbers_of_the_file() {
    let session = replayed(&family(&[(1, None), (2, Some(1)), (3, Some(2)), (4, Some(1))]));
    let runs = &session.state().runs;
    assert_eq!(seen(runs), (vec![(0, 0), (1, 1), (2, 2), (3, 1)], vec![None, Some(0), Some(1), Some(0)]));
    let session = replayed(&family(&[(70, None), (5, None), (9, Some(70))]));
    assert_eq!(seen(&session.state().runs), (vec![(0, 0), (2, 1), (1, 0)], vec![None, Some(0), Some(0)]));
}

#[test]
fn runs_with_impossible_parents_are_roots() {
    // Not in the file, itself, and one that comes later.
    for parents in [[Some(99), Some(99)], [Some(1), Some(2)], [Some(2), None]] {
        let session = replayed(&family(&[(1, parents[0]), (2, parents[1])]));
        let expected = (vec![(0, 0), (1, 0)], vec![None, Some(0)]);
        assert_eq!(seen(&session.state().runs), expected, "{parents:?}");
    }
}

#[test]
fn a_family_is_saved_whole_and_comes_back_as_a_tree() {
    let mut world = World::new(120, 36, 8);
    world.ready();
    world.finish();
    // A run of another budget is no relative; the branches are.
    world.key("]");
    world.finish();
    world.keys("{ 3 z");
    world.finish();
    world.keys("5 z");
    world.finish();
    let runs = &world.session.state().runs;
    assert_eq!(runs.tree(), [(0, 0), (2, 1), (3, 2), (1, 0)]);
    let numbers = |id| runs.family(id).iter().map(|run| run.id).collect::<Vec<_>>();
    for id in [0, 2, 3] {
        assert_eq!(numbers(id), [0, 2, 3], "of {id}");
    }
    assert_eq!(numbers(1), [1]);
    assert!(numbers(17).is_empty());

    let vocab = world.session.state().vocab.clone().expect("a vocabulary");
    let mut writer = TraceWriter::new(Vec::new(), &Header::default(), vocab, WriteOptions::FILE).expect("a header");
    runs.family(3).iter().for_each(|run| writer.timeline(&run.timeline).expect("lines"));
    let session = replayed(&writer.into_inner());
    assert_eq!(seen(&session.state().runs), (vec![(0, 0), (1, 1), (2, 2)], vec![None, Some(0), Some(1)]));
}
