//! What the loader does with files that are damaged, hostile, or not what they seem: always one line that names the
//! file and the fix, never a panic, never more memory than the file is long.

mod files;
mod folder;
mod judge;
mod pth;

use std::path::Path;

use fewstep::model::{Checkpoint, ModelError, ModelPlace, OpenOptions, Place, Precision, network, open_model};

/// Opens and loads, so that damage to headers and to values both show.
fn load(path: &Path) -> Result<Checkpoint, ModelError> {
    load_with(path, &OpenOptions::default())
}

fn load_with(path: &Path, options: &OpenOptions) -> Result<Checkpoint, ModelError> {
    let checkpoint = open_model(&ModelPlace::Path(path.to_owned()), options)?;
    network(&checkpoint, Precision::F32, Place::Cpu, 1, &|_| ())?;
    Ok(checkpoint)
}

/// Checks that the error is one line, names a file below `place`, and says `what`.
#[track_caller]
fn refused<T>(result: Result<T, ModelError>, place: &Path, what: &str) {
    let Err(error) = result else {
        panic!("was accepted; expected {what:?}");
    };
    let text = error.to_string();
    assert!(matches!(error, ModelError::File { .. }), "{text}");
    assert!(!text.contains('\n'), "{text}");
    assert!(text.starts_with(&*place.to_string_lossy()), "does not name {}: {text}", place.display());
    assert!(text.contains(what), "does not say {what:?}: {text}");
    let fix = text.rsplit("; ").next().unwrap();
    assert!(fix.len() > 8 && text.contains("; "), "has no fix: {text}");
}
