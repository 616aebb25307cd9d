//! Blocking functions beside a task: on threads that nothing waits for.

use alloc::sync::Arc;
use core::{
    future::poll_fn,
    task::{Poll, Waker},
};
use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

/// The result of a thread, and the task that waits for it.
struct Work<V> {
    value: Option<V>,
    is_over: bool,
    waiter: Option<Waker>,
}

/// Runs a blocking function on a separate thread, which ends when the function returns, even if the future is dropped
/// before. Neither a runtime nor the process waits for it when they end: a name server that does not answer can hold a
/// look-up for a long time.
pub(super) fn unblock<V: Send + 'static>(
    work: impl FnOnce() -> V + Send + 'static,
) -> io::Result<impl Future<Output = io::Result<V>> + Send> {
    let ours = Arc::new(Mutex::new(Work {
        value: None,
        is_over: false,
        waiter: None,
    }));
    let theirs = Over(Arc::clone(&ours));
    thread::Builder::new().spawn(move || {
        let value = work();
        lock(&theirs.0).value = Some(value);
    })?;
    Ok(poll_fn(move |cx| {
        let mut work = lock(&ours);
        match (work.value.take(), work.is_over) {
            (Some(value), _) => Poll::Ready(Ok(value)),
            (None, true) => Poll::Ready(Err(io::Error::other("the thread panicked"))),
            (None, false) => {
                work.waiter = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }))
}

/// Wakes the waiting task when a thread is over, even after a panic.
struct Over<V>(Arc<Mutex<Work<V>>>);

impl<V> Drop for Over<V> {
    fn drop(&mut self) {
        let mut work = lock(&self.0);
        work.is_over = true;
        let waiter = work.waiter.take();
        drop(work);
        waiter.into_iter().for_each(Waker::wake);
    }
}

fn lock<V>(work: &Mutex<Work<V>>) -> MutexGuard<'_, Work<V>> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use alloc::task::Wake;
    use core::{pin::pin, task::Context};

    use super::*;

    /// Polls until there is a value, as an executor that is no runtime.
    fn block_on<V>(future: impl Future<Output = V>) -> V {
        struct Unpark(thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(value) => return value,
                Poll::Pending => thread::park(),
            }
        }
    }

    #[test]
    fn what_blocks_runs_elsewhere() {
        let here = thread::current().id();
        let there = block_on(unblock(|| thread::current().id()).expect("a thread"));
        assert_ne!(there.expect("no panic"), here);
        // A panic is reported as an error, and leaves no task waiting.
        let lost = block_on(unblock(|| panic!("as expected")).expect("a thread"));
        assert!(lost.is_err());
        // The result need not be waited for.
        drop(unblock(|| 1).expect("a thread"));
    }
}
