//! Bytes of a weight file: on disk or compiled in.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::model::ModelError;

/// Something to read bytes from at an offset, by several threads at once.
#[derive(Debug)]
pub enum Store {
    /// Compiled into the binary.
    Static(&'static [u8]),
    /// A file on disk and its length when opened.
    File(File, u64),
}

impl Store {
    /// Opens a regular file; a folder, a pipe or a device is refused before it is opened, as opening could block.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let meta = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
        if meta.is_dir() {
            return Err(refuse(path, "is a folder", "name a file"));
        }
        if !meta.is_file() {
            return Err(refuse(path, "is not a regular file", "name a regular file"));
        }
        let file = File::open(path).map_err(|e| unreadable(path, &e))?;
        Ok(Self::File(file, meta.len()))
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Static(bytes) => bytes.len() as u64,
            Self::File(_, len) => *len,
        }
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset`.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Static(bytes) => {
                buf.copy_from_slice(slice(bytes, offset, buf.len())?);
                Ok(())
            }
            Self::File(file, _) => read_file_at(file, offset, buf),
        }
    }

    /// Passes `len` bytes from `offset` to `sink`, in pieces whose lengths are multiples of 8 (but for the last);
    /// compiled-in bytes are passed as they are, without a copy.
    pub fn stream(&self, offset: u64, len: u64, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        const CHUNK: u64 = 256 << 10;
        if let Self::Static(bytes) = self {
            sink(slice(bytes, offset, len as usize)?);
            return Ok(());
        }
        let mut buf = vec![0; len.min(CHUNK) as usize];
        let mut done = 0;
        while done < len {
            let now = (len - done).min(CHUNK) as usize;
            self.read_at(offset + done, &mut buf[..now])?;
            sink(&buf[..now]);
            done += now as u64;
        }
        Ok(())
    }
}

fn slice(bytes: &'static [u8], offset: u64, len: usize) -> io::Result<&'static [u8]> {
    usize::try_from(offset)
        .ok()
        .and_then(|o| bytes.get(o..o.checked_add(len)?))
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

#[cfg(unix)]
fn read_file_at(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

#[cfg(windows)]
fn read_file_at(file: &File, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_read(file, buf, offset)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        offset += n as u64;
        buf = &mut buf[n..];
    }
    Ok(())
}

/// Reads a small file whole, refusing one longer than `limit` bytes.
pub fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    let store = Store::open(path)?;
    if store.len() > limit {
        return Err(refuse(
            path,
            &format!("is {} bytes long, {limit} at most were expected", store.len()),
            "check that it is the file you meant",
        ));
    }
    let mut bytes = vec![0; store.len() as usize];
    store.read_at(0, &mut bytes).map_err(|e| unreadable(path, &e))?;
    Ok(bytes)
}

/// An error about one file.
pub(crate) fn refuse(path: &Path, problem: &str, fix: &str) -> ModelError {
    ModelError::File { path: path.to_owned(), problem: problem.to_owned(), fix: fix.to_owned() }
}

/// An error of the operating system about one file, in words.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> ModelError {
    match error.kind() {
        io::ErrorKind::NotFound => refuse(path, "not found", "check the path"),
        io::ErrorKind::PermissionDenied => refuse(path, "may not be read", "check its permissions"),
        io::ErrorKind::UnexpectedEof => refuse(path, "ends too early", "copy or download it again"),
        _ => refuse(path, &format!("cannot be read ({error})"), "check the file and its disk"),
    }
}
