//! The store as everybody but the ledger holds it: always the one in use, also after it was renewed or opened again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::View;

/// How long a store that is opened again waits for those who read it, and they for it.
const WAIT_MOST: Duration = Duration::from_secs(10);

/// How often it is looked whether they are done.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Reads the store in use. Clones are cheap.
#[derive(Clone)]
pub struct Reader(Arc<Shared>);

struct Shared {
    tree: Mutex<Option<Arc<sled::Db>>>,
    changed: Condvar,
}

/// A store that was in use before: its files must stay as long as somebody reads it.
pub struct Former(Weak<sled::Db>);

impl Reader {
    /// Of the store that has this tree.
    pub(super) fn new(tree: Option<Arc<sled::Db>>) -> Self {
        Self(Arc::new(Shared {
            tree: Mutex::new(tree),
            changed: Condvar::new(),
        }))
    }

    /// What can be looked up now. Waits while the store is opened again.
    pub fn view(&self) -> View {
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.lock(), WAIT_MOST, |tree| tree.is_none());
        let (tree, _) = waited.unwrap_or_else(PoisonError::into_inner);
        View::of(tree.clone())
    }

    /// From now on this tree is read; without one, readers wait.
    pub(super) fn set(&self, tree: Option<Arc<sled::Db>>) {
        *self.lock() = tree;
        self.0.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<sled::Db>>> {
        self.0.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Former {
    /// Of the store that has this tree.
    pub(super) fn of(tree: Option<&Arc<sled::Db>>) -> Self {
        Self(tree.map_or_else(Weak::new, Arc::downgrade))
    }

    /// Whether somebody still reads it.
    pub fn is_read(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// Waits until nobody but the caller holds the tree.
///
/// # Errors
/// When that takes too long.
pub(super) fn wait_for_readers(tree: &Arc<sled::Db>) -> Result<()> {
    let began = Instant::now();
    while Arc::strong_count(tree) > 1 {
        ensure!(
            began.elapsed() < WAIT_MOST / 2,
            "somebody does not stop reading the store"
        );
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Opens a store that was open a moment ago: sled's own threads let go of it a little later than we do.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn when_let_go<T>(open: impl Fn() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        match open() {
            Err(error) if format!("{error:#}").contains("acquire lock") && began.elapsed() < WAIT_MOST / 2 => {
                std::thread::sleep(LOOK_EVERY);
            }
            opened => return opened,
        }
    }
}
