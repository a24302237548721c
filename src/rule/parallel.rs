//! The same work for many things, on all processors, with the answers in the order of the things.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As many things are worth a thread.
const WORTH_A_THREAD: usize = 16;

/// Is told how many are done, and of how many.
pub type Progress<'p> = &'p (dyn Fn(usize, usize) + Sync);

/// Does `work` for each of `things`.
pub(super) fn each<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync, progress: Progress<'_>) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads.min(things.len() / WORTH_A_THREAD).max(1);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let some = || {
        let mut answers = Vec::new();
        while let nth = next.fetch_add(1, Ordering::Relaxed)
            && let Some(thing) = things.get(nth)
        {
            answers.push((nth, work(thing)));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, things.len());
        }
        answers
    };
    let mut answers: Vec<(usize, R)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(some)).collect();
        let mut answers = some();
        for other in others {
            match other.join() {
                Ok(more) => answers.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        answers
    });
    answers.sort_unstable_by_key(|(nth, _)| *nth);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order_and_all_are_counted() {
        let things: Vec<usize> = (0..1_000).collect();
        let told = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let answers = each(&things, |thing| thing * 2, &|done, of| {
            assert_eq!(of, 1_000);
            told.fetch_add(1, Ordering::Relaxed);
            most.fetch_max(done, Ordering::Relaxed);
        });
        assert!(answers.iter().copied().eq((0..1_000).map(|nth| nth * 2)));
        assert_eq!((told.into_inner(), most.into_inner()), (1_000, 1_000));
        assert!(each(&[], |thing: &usize| *thing, &|_, _| ()).is_empty());
    }
}
