//! `fewstep export`, from trace files to every format.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use fewstep::cli::Cli;
use fewstep::record::html::{Scheme, write};
use fewstep::record::output::{Output, Unfinished};
use fewstep::record::{Progress, RecordError};
use fewstep::run;
use fewstep::trace::io::{Header, Trace, WriteOptions, save};
use tempfile::TempDir;

use crate::runs;

fn traced() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.fstrace");
    let runs = [runs::plain(60, 8), runs::hostile(50, 5)];
    save(&path, false, &Header::default(), Arc::new(runs::vocab()), &runs, WriteOptions::FILE).expect("saved");
    (folder, path)
}

fn export(trace: &Path, out: &Path, more: &[&str]) -> Result<(), fewstep::error::Error> {
    let (trace, out) = (trace.display().to_string(), out.display().to_string());
    let argv = ["fewstep", "export", &trace, "-o", &out].into_iter().chain(more.iter().copied());
    run::dispatch(Cli::try_parse_from(argv).expect("arguments"))
}

#[test]
fn every_format_by_its_extension() {
    let (folder, trace) = traced();
    for (name, starts) in [
        ("a.html", &b"<!DOCTYPE html>"[..]),
        ("a.svg", b"<svg "),
        ("a.png", b"\x89PNG"),
        ("a.gif", b"GIF89a"),
        ("a.cast", b"{"),
        ("a.tex", b"% "),
        ("a.txt", b" once"),
        ("a.ansi", b"\x1b["),
        ("a.json", b"{"),
    ] {
        let out = folder.path().join(name);
        export(&trace, &out, &["--size", "7", "--width", "70", "--height", "20"])
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let bytes = fs::read(&out).expect(name);
        assert!(bytes.starts_with(starts), "{name}: {:?}", &bytes[..20.min(bytes.len())]);
    }
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 10, "nothing but the trace and the exports");
}

#[test]
fn steps_runs_and_strips_are_chosen() {
    let (folder, trace) = traced();
    let text = |more: &[&str]| {
        let out = folder.path().join("out.txt");
        export(&trace, &out, &[more, &["--force"]].concat()).expect("exported");
        fs::read_to_string(out).expect("text")
    };
    let vocab = runs::vocab();
    let plain = |run: &fewstep::trace::Timeline, step| fewstep::text::plain(&vocab, &run.ids(step));
    let trimmed = |text: String| text.trim_end_matches('\n').to_owned() + "\n";
    assert_eq!(text(&["--run", "1", "--step", "3"]), trimmed(plain(&runs::plain(60, 8), 3)));
    assert_eq!(text(&["--run", "1"]), trimmed(plain(&runs::plain(60, 8), 8)));
    assert_eq!(text(&[]), trimmed(plain(&runs::hostile(50, 5), 5)), "the last run, at its end");
    assert!(text(&["--run", "1", "--strip", "3", "--format", "ansi"]).contains("step 4/8"));
    for (more, problem) in [
        (&["--step", "99"][..], "--step 99: the run ends at step 5"),
        (&["--run", "3"], "--run 3: the trace has the runs 1, 2"),
    ] {
        let error = export(&trace, &folder.path().join("no.txt"), more).expect_err("not there").to_string();
        assert_eq!(error, problem);
        assert!(!folder.path().join("no.txt").exists());
    }
}

#[test]
fn names_that_say_nothing_or_exist_are_refused() {
    let (folder, trace) = traced();
    let error = export(&trace, &folder.path().join("a.doc"), &[]).expect_err("no format").to_string();
    assert!(error.contains("no format ends in \"doc\"") && error.contains("--format"), "{error}");
    for name in ["html", "tex", "txt", "json", "gif", "cast"] {
        let out = folder.path().join("strip").with_extension(name);
        let error = export(&trace, &out, &["--strip", "3"]).expect_err("no strips").to_string();
        assert_eq!(error, format!("--strip: {name} has no strips; use svg, png or ansi"));
        assert!(!out.exists());
    }
    let out = folder.path().join("a.svg");
    fs::write(&out, "mine").expect("written");
    let error = export(&trace, &out, &[]).expect_err("exists").to_string();
    assert!(error.contains("exists already"), "{error}");
    assert_eq!(fs::read_to_string(&out).expect("there"), "mine");
    export(&trace, &out, &["--force"]).expect("replaced");
    let error = export(&folder.path().join("none.fstrace"), &folder.path().join("b.svg"), &[]).expect_err("no trace");
    assert!(error.to_string().contains("none.fstrace"), "{error}");
    assert!(!folder.path().join("b.svg").exists());
}

/// Stops after so many frames.
struct Impatient(u64);

impl Progress for Impatient {
    fn at(&mut self, done: u64, _: u64) -> Result<(), RecordError> {
        if done >= self.0 { Err(RecordError::Cancelled) } else { Ok(()) }
    }
}

#[test]
fn a_cancelled_export_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.html");
    let mut output = Output::create(&path, false, Unfinished::Remove).expect("created");
    let (vocab, run) = (runs::vocab(), runs::plain(60, 8));
    let result = write(&mut output, &vocab, &[&run], (0, None), Scheme::Auto, &mut Impatient(4));
    assert!(matches!(result, Err(RecordError::Cancelled)));
    drop(output);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn diffusers_json_reads_back() {
    let (folder, trace) = traced();
    let out = folder.path().join("a.json");
    export(&trace, &out, &["--run", "1"]).expect("exported");
    assert_eq!(Trace::open(&out).expect("a trace").runs.len(), 1);
}
