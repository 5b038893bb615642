//! The one way to start work. A crash in the simulation ends exactly the tasks that were started here; on a real gateway
//! this is where a task whose death matters is watched.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;

/// How the long-running writers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// Each on its own thread, blocking on the disk.
    Threads,
    /// As tasks of the one simulated thread.
    Inline,
}

/// The tasks of one life of the gateway.
#[derive(Clone, Debug)]
pub struct Tasks {
    writers: Writers,
    live: Arc<Mutex<Vec<AbortHandle>>>,
    /// The writers, where they are tasks: an orderly end needs them longest.
    inline: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Tasks {
    /// No tasks yet.
    pub fn new(writers: Writers) -> Self {
        Self { writers, live: Arc::default(), inline: Arc::default() }
    }

    /// Starts a task.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        Self::start(&self.live, work);
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    fn start(list: &Mutex<Vec<AbortHandle>>, work: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(work).abort_handle();
        let mut live = list.lock().unwrap_or_else(PoisonError::into_inner);
        // INVARIANT: the list is never more than twice the number of live tasks.
        if live.len().is_power_of_two() {
            live.retain(|task| !task.is_finished());
        }
        live.push(handle);
    }

    /// Starts a writer: a thread named `name` on a real gateway, a task in the simulation.
    pub fn writer(&self, name: &str, work: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        match self.writers {
            Writers::Inline => Self::start(&self.inline, work),
            Writers::Threads => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
                std::thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(work))?;
            }
        }
        Ok(())
    }

    /// Runs blocking work beside the data path: on a thread, or at once in the simulation.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        match self.writers {
            Writers::Inline => Ok(work()),
            Writers::Threads => {
                #[expect(clippy::disallowed_methods, reason = "the one place that starts a thread")]
                let work = tokio::task::spawn_blocking(work);
                work.await.map_err(io::Error::other)
            }
        }
    }

    /// Ends every task, each at the await point where it stands.
    pub fn abort_all(&self) {
        self.abort_work();
        for task in self.inline.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }

    /// Ends every task but the writers.
    pub fn abort_work(&self) {
        for task in self.live.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}
