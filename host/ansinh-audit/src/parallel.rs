//! Work on several threads, with results in the order of the input: a report never depends on the number of threads.

use std::num::NonZero;
use std::sync::Mutex;
use std::thread;

/// Applies `work` to every item on `jobs` threads.
pub(crate) fn map<T: Sync, R: Send>(
    items: &[T],
    jobs: NonZero<usize>,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let queue = Mutex::new(items.iter().enumerate());
    // A thread that panicked has taken its item already, so the queue behind the lock is sound.
    let next = || {
        queue
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .next()
    };
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            while let Some((index, item)) = next() {
                done.push((index, work(item)));
            }
            done
        };
        let threads: Vec<_> = (0..jobs.get()).map(|_| scope.spawn(worker)).collect();
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.flatten().collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order() {
        let items: Vec<u32> = (0..1000).collect();
        let doubled: Vec<u32> = items.iter().map(|item| item * 2).collect();
        for jobs in [1, 2, 7] {
            assert_eq!(map(&items, NonZero::new(jobs).unwrap(), |item| item * 2), doubled);
        }
    }
}
