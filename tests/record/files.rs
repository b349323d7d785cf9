//! Output files: whole or not there.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use fewstep::record::output::{Output, Unfinished};
use fewstep::record::recording::{Background, Options, Recording};
use fewstep::record::{RecordError, Recorder};
use tempfile::tempdir;

use crate::screens;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_appears_when_it_is_whole() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("out.svg");
    let mut output = Output::create(&path, false, Unfinished::Remove).expect("created");
    output.write_all(b"half").expect("written");
    assert!(!path.exists());
    output.commit().expect("renamed");
    assert_eq!(fs::read(&path).expect("there"), b"half");
    assert_eq!(names(folder.path()), ["out.svg"]);
}

#[test]
fn an_unfinished_export_leaves_nothing_and_a_recording_its_part() {
    let folder = tempdir().expect("a folder");
    for (unfinished, left) in [(Unfinished::Remove, 0), (Unfinished::Keep, 1)] {
        let mut output = Output::create(&folder.path().join("demo.cast"), false, unfinished).expect("created");
        output.write_all(b"half").expect("written");
        drop(output);
        assert_eq!(names(folder.path()).len(), left);
    }
    let name = &names(folder.path())[0];
    assert!(name.starts_with("demo.") && name.ends_with(".part.cast"), "{name}");
}

#[test]
fn an_existing_name_is_refused_unless_forced() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("out.svg");
    fs::write(&path, b"old").expect("written");
    let error = Output::create(&path, false, Unfinished::Remove).expect_err("exists");
    assert!(error.to_string().contains("out.svg: exists already; choose another name, or --force"), "{error}");
    let mut output = Output::create(&path, true, Unfinished::Remove).expect("forced");
    output.write_all(b"new").expect("written");
    assert_eq!(fs::read(&path).expect("there"), b"old", "the old file stays until the new one is whole");
    output.commit().expect("replaced");
    assert_eq!(fs::read(&path).expect("there"), b"new");
}

#[test]
fn a_name_taken_meanwhile_is_not_overwritten() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("out.svg");
    let output = Output::create(&path, false, Unfinished::Remove).expect("created");
    fs::write(&path, b"theirs").expect("written");
    assert!(output.commit().expect_err("taken").to_string().contains("exists already"));
    assert_eq!(fs::read(&path).expect("there"), b"theirs");
    assert_eq!(names(folder.path()), ["out.svg"]);
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let folder = tempdir().expect("a folder");
    let missing = folder.path().join("no/such/out.svg");
    let error = Output::create(&missing, false, Unfinished::Remove).expect_err("no folder").to_string();
    assert!(error.contains("out.svg: the folder does not exist; create it first"), "{error}");
    let error = Output::create(folder.path(), true, Unfinished::Remove).expect_err("a folder").to_string();
    assert!(error.ends_with("is a folder; give a file name"), "{error}");
}

#[cfg(unix)]
#[test]
fn the_file_gets_ordinary_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempdir().expect("a folder");
    let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
    Output::create(&ours, false, Unfinished::Remove).expect("created").commit().expect("renamed");
    fs::write(&plain, b"").expect("written");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}

#[test]
fn a_recording_gets_its_name_when_it_ends_and_keeps_its_part_if_it_never_does() {
    let folder = tempdir().expect("a folder");
    let screens = screens::sequence(20, 5, 3);
    for name in ["a.cast", "a.gif", "a.txt"] {
        let path = folder.path().join(name);
        let mut recording = Recording::start(&path, Options::new(screens::dark())).expect("started");
        for (screen, i) in screens.iter().zip(0..) {
            recording.frame(Duration::from_millis(i * 200), screen).expect("recorded");
        }
        assert!(!path.exists());
        recording.finish(Duration::from_secs(1)).expect("finished");
        assert!(fs::metadata(&path).expect("there").len() > 100);
    }
    assert_eq!(names(folder.path()), ["a.cast", "a.gif", "a.txt"]);
    let mut cut = Recording::start(&folder.path().join("b.cast"), Options::new(screens::dark())).expect("started");
    cut.frame(Duration::ZERO, &screens[0]).expect("recorded");
    let part = cut.partial().expect("a part").to_owned();
    drop(cut);
    let text = fs::read_to_string(part).expect("kept");
    assert!(text.lines().count() == 2 && text.ends_with('\n'), "a header and a whole event: it plays");
    let error = Recording::start(&folder.path().join("a.mov"), Options::new(screens::dark())).expect_err("no format");
    assert!(error.to_string().ends_with("end the name in .cast, .gif or .txt"), "{error}");
}

#[test]
fn a_recording_in_the_background_gives_the_same_bytes_and_tells_its_errors() {
    let folder = tempdir().expect("a folder");
    let screens = screens::sequence(20, 5, 20);
    let (here, there) = (folder.path().join("here.gif"), folder.path().join("there.gif"));
    let options = || Options::new(screens::dark());
    let mut recorders: [Box<dyn Recorder>; 2] = [
        Box::new(Recording::start(&here, options()).expect("started")),
        Box::new(Background::start(&there, options()).expect("started")),
    ];
    for recorder in &mut recorders {
        for (screen, i) in screens.iter().zip(0..) {
            recorder.frame(Duration::from_millis(i * 100), screen).expect("recorded");
            recorder.marker(Duration::from_millis(i * 100), "step").expect("marked");
        }
        recorder.finish(Duration::from_secs(3)).expect("finished");
    }
    assert_eq!(fs::read(here).expect("there"), fs::read(&there).expect("there"));
    let error = Background::start(&there, options()).expect_err("exists");
    assert!(matches!(error, RecordError::File { .. }), "{error}");
    let mut empty = Background::start(&folder.path().join("empty.gif"), options()).expect("started");
    assert!(empty.finish(Duration::ZERO).expect_err("nothing was drawn").to_string().contains("nothing was drawn"));
}
