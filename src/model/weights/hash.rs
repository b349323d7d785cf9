//! A digest of what a network's tensors hold, so that a trace can say which weights made it.
//!
//! SHA-256 over the tensors in order of their names; each adds `name\0dtype\0d0,d1,…\0` and then its stored bytes,
//! little-endian and row-major. The first 16 bytes are shown, in hex. File layout, metadata, key prefixes and
//! neighbours in the same file do not matter, nor do the rotary frequencies, which are no parameter; a different dtype
//! does.

use std::fmt::Write;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::Tensors;
use super::layout::ROTARY;
use crate::model::ModelError;

/// The digest of all of `tensors`, which are read once.
pub fn digest(tensors: &dyn Tensors) -> Result<String, ModelError> {
    let mut names = tensors.names();
    names.retain(|name| name != ROTARY);
    names.sort_unstable();
    let mut hash = Sha256::new();
    for name in names {
        let (Some(shape), Some(dtype)) = (tensors.shape(&name), tensors.dtype(&name)) else {
            continue;
        };
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        hash.update(format!("{name}\0{}\0{}\0", dtype.name(), shape.join(",")));
        tensors.read(&name, &mut |bytes| hash.update(bytes))?;
    }
    let mut hex = String::new();
    for byte in &hash.finalize()[..16] {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

/// The digest, computed at the first call only.
pub(super) fn cached<'a>(cell: &'a OnceLock<String>, tensors: &dyn Tensors) -> Result<&'a str, ModelError> {
    if cell.get().is_none() {
        // Two threads may both compute it; they get the same.
        let _ = cell.set(digest(tensors)?);
    }
    Ok(cell.get().map_or("", String::as_str))
}
