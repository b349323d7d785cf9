//! Output files: whole or not there.

use std::fs;
use std::io::Write;
use std::path::Path;

use fewstep::record::output::{Output, Unfinished};
use tempfile::tempdir;

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
