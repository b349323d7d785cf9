//! Buffers that start on a cache line, so that a 64-byte load never straddles two.

use std::ops::{Deref, DerefMut};

/// A zeroed buffer whose first element lies on a 64-byte boundary.
#[derive(Debug)]
pub(crate) struct Aligned<T> {
    store: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    pub(crate) fn new(len: usize) -> Self {
        let spare = 64 / size_of::<T>();
        let store = vec![T::default(); len + spare];
        let start = store.as_ptr().align_offset(64).min(spare);
        Self { store, start, len }
    }

    /// Makes room for `len` elements; contents are kept only where nothing had to grow.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.len < len {
            *self = Self::new(len);
        }
    }
}

impl<T: Copy + Default> Default for Aligned<T> {
    fn default() -> Self {
        Self::new(0)
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.store[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.store[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_on_a_cache_line() {
        for len in [0, 1, 7, 1000] {
            let buffer = Aligned::<i8>::new(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            let moved = Box::new(buffer);
            assert_eq!(moved.as_ptr() as usize % 64, 0);
        }
    }
}
