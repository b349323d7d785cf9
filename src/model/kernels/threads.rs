//! Work spread over threads, with scratch that is kept between calls.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::model::ModelError;

/// A pool of threads, each with its own scratch.
///
/// Fresh memory costs a page fault every 4 KiB, so scratch is made once a thread and grows to its largest use.
pub(crate) struct Threads<S> {
    own: Option<rayon::ThreadPool>,
    scratch: Vec<Mutex<S>>,
}

impl<S: Default + Send> Threads<S> {
    /// `count` threads: those of the pool one is called from where that has as many, else a pool of their own.
    pub(crate) fn new(count: usize) -> Result<Self, ModelError> {
        let count = count.max(1);
        let own = if rayon::current_num_threads() == count {
            None
        } else {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(count)
                .thread_name(|i| format!("kernels-{i}"))
                .build()
                .map_err(|e| ModelError::Request(format!("cannot start {count} threads: {e}; try --threads 1")))?;
            Some(pool)
        };
        let scratch = (0..count).map(|_| Mutex::default()).collect();
        Ok(Self { own, scratch })
    }

    pub(crate) fn count(&self) -> usize {
        self.scratch.len()
    }

    /// Calls `f` once an item, in no particular order. `f` must not wait for other items.
    pub(crate) fn each<T: Send>(&self, items: &mut [T], f: impl Fn(usize, &mut T, &mut S) + Sync) {
        let one = |(i, item): (usize, &mut T)| {
            let thread = rayon::current_thread_index().unwrap_or(0) % self.scratch.len();
            let mut scratch = self.scratch[thread].lock().unwrap_or_else(PoisonError::into_inner);
            f(i, item, &mut scratch);
        };
        if items.len() == 1 {
            one((0, &mut items[0]));
            return;
        }
        let all = items.par_iter_mut().with_max_len(1).enumerate();
        match &self.own {
            Some(pool) => pool.install(|| all.for_each(one)),
            None => all.for_each(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_visited_once_and_scratch_is_kept() {
        for count in [1, 2, 5] {
            let threads = Threads::<u64>::new(count).expect("a pool");
            assert_eq!(threads.count(), count);
            let mut items: Vec<u64> = (0..100).collect();
            threads.each(&mut items, |i, item, seen| {
                assert_eq!(*item, i as u64);
                *item += 1;
                *seen += 1;
            });
            assert_eq!(items, (1..=100).collect::<Vec<_>>());
            let seen: u64 = threads.scratch.iter().map(|s| *s.lock().expect("unpoisoned")).sum();
            assert_eq!(seen, 100);
        }
    }
}
