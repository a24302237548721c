//! The threads that gather answers from the store.

use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// How long a thread without a question stays: for good, as far as anybody notices.
const STAYS: Duration = Duration::from_hours(24);

/// A few threads, and always the same ones: what is read stays in the store's cache, in memory of the thread that read it,
/// and with a hundred of them, of which each answers now and then, the same cache takes twice as much.
pub struct Readers {
    threads: Handle,
    runtime: Option<Runtime>,
}

impl Readers {
    /// So many threads, each started when it is needed.
    pub fn new(threads: usize) -> Self {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(threads)
            .thread_keep_alive(STAYS)
            .thread_name("answers")
            .build()
            .expect("a runtime without clocks and sockets asks nothing of the system");
        Self {
            threads: runtime.handle().clone(),
            runtime: Some(runtime),
        }
    }

    /// Has one of them do some work, in its turn.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        self.threads.spawn_blocking(work)
    }
}

impl Drop for Readers {
    /// Waits for none of them: this may happen on a thread that must not wait.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
