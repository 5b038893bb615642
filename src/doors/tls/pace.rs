//! Turns. A full handshake costs the one thread of the data path about ten times what a frame costs. So one handshake has its turn at a time,
//! takes one step, and gives the turn on only when everybody else who was ready has been looked at, the sockets included: a flood
//! of handshakes stretches a frame's way by one step, not by the flood.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// The one turn that there is.
#[derive(Debug)]
pub(super) struct Pace(Semaphore);

impl Default for Pace {
    fn default() -> Self {
        Self(Semaphore::const_new(1))
    }
}

impl Pace {
    /// Drives `work` to its end, one poll a turn.
    pub(super) async fn drive<F: Future + Unpin>(&self, mut work: F) -> F::Output {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        loop {
            // Never closed: an error could only mean that nobody counts turns any more.
            let turn = self.0.acquire().await.ok();
            bell.rang.store(false, Ordering::Release);
            let step = Pin::new(&mut work).poll(&mut Context::from_waker(&waker));
            // Resumed only after the runtime has asked the sockets and run whoever was ready.
            yield_now().await;
            drop(turn);
            if let Poll::Ready(end) = step {
                return end;
            }
            poll_fn(|cx| bell.poll(cx)).await;
        }
    }
}

/// Remembers that the work was woken. It wakes the task only while that waits for it: a wake while the turn is held would end the
/// hold early.
#[derive(Debug, Default)]
struct Bell {
    rang: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Bell {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if self.rang.load(Ordering::Acquire) {
            *task = None;
            return Poll::Ready(());
        }
        *task = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Under the lock: whoever is about to wait has either been seen here or sees that it rang.
        let task = {
            let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            self.rang.store(true, Ordering::Release);
            task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::tasks::{Tasks, Writers};

    /// Wants so many polls, and wakes itself for each.
    struct Steps(u32, Arc<AtomicU32>);

    impl Future for Steps {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            self.1.fetch_add(1, Ordering::Relaxed);
            if self.0 == 0 {
                return Poll::Ready(());
            }
            self.0 -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn between_two_steps_of_any_handshakes_everybody_else_has_a_turn() {
        let (pace, steps) = (Arc::new(Pace::default()), Arc::new(AtomicU32::new(0)));
        let tasks = Tasks::new(Writers::Inline);
        for _ in 0..20 {
            let (pace, steps) = (Arc::clone(&pace), Arc::clone(&steps));
            tasks.spawn(async move { pace.drive(Steps(9, steps)).await });
        }
        let mut most = 0;
        while steps.load(Ordering::Relaxed) < 200 {
            let before = steps.load(Ordering::Relaxed);
            yield_now().await;
            most = most.max(steps.load(Ordering::Relaxed) - before);
        }
        assert!(most <= 2, "{most} steps of handshakes between two looks at the frames");
    }

    #[tokio::test]
    async fn a_step_that_is_woken_while_the_turn_is_held_is_not_forgotten() {
        let (pace, steps) = (Pace::default(), Arc::new(AtomicU32::new(0)));
        pace.drive(Steps(3, Arc::clone(&steps))).await;
        assert_eq!(steps.load(Ordering::Relaxed), 4);
    }
}
