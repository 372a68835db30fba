//! A tree of the store that reports damage. Damage may be in a part that is not read when the store is opened, so every call is checked.

use std::ops::RangeBounds;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sled::IVec;
use tokio::sync::watch;

use super::StoreError;

/// Most values fit in this many bytes: one allocation is enough for them.
const USUAL_BYTES: usize = 256;

/// Runs `work` on a store that may be damaged. sled panics at some kinds of damage; the panic becomes an error here.
///
/// # Errors
/// The error of `work`, or [`StoreError::Panicked`].
pub fn guarded<T, E: From<StoreError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("nothing");
        Err(StoreError::Panicked(text.to_owned()).into())
    })
}

/// Whether the store has proved damaged since it was opened. Cheap to clone.
#[derive(Clone)]
pub(super) struct Health(Arc<watch::Sender<Option<Damage>>>);

/// The first sign of damage.
#[derive(Clone)]
enum Damage {
    Error(sled::Error),
    Panic(String),
}

impl Health {
    pub(super) fn good() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Runs a call of sled. If it shows damage, the tasks that wait in [`Self::damage`] are woken.
    pub(super) fn judged<T>(&self, work: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        let done = guarded(|| work().map_err(StoreError::from));
        let damage = match &done {
            Err(StoreError::Damaged(error)) => Damage::Error(error.clone()),
            Err(StoreError::Panicked(text)) => Damage::Panic(text.clone()),
            _ => return done,
        };
        self.0.send_if_modified(|first| first.is_none() && first.replace(damage).is_none());
        done
    }

    /// Waits until the store proves damaged.
    pub(super) async fn damage(&self) -> StoreError {
        let mut found = self.0.subscribe();
        let first = found.wait_for(Option::is_some).await.ok().and_then(|first| first.clone());
        match first {
            Some(Damage::Error(error)) => StoreError::Damaged(error),
            Some(Damage::Panic(text)) => StoreError::Panicked(text),
            // The sender lives in `self`.
            None => std::future::pending().await,
        }
    }
}

/// A tree.
#[derive(Clone)]
pub(super) struct Tree {
    tree: sled::Tree,
    health: Health,
}

impl Tree {
    pub(super) fn open(db: &sled::Db, name: &str, health: &Health) -> Result<Self, StoreError> {
        Ok(Self { tree: health.judged(|| db.open_tree(name))?, health: health.clone() })
    }

    pub(super) fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<IVec>, StoreError> {
        self.health.judged(|| self.tree.get(key))
    }

    pub(super) fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool, StoreError> {
        self.health.judged(|| self.tree.contains_key(key))
    }

    pub(super) fn get_lt(&self, key: impl AsRef<[u8]>) -> Result<Option<(IVec, IVec)>, StoreError> {
        self.health.judged(|| self.tree.get_lt(key))
    }

    pub(super) fn first(&self) -> Result<Option<(IVec, IVec)>, StoreError> {
        self.health.judged(|| self.tree.first())
    }

    pub(super) fn get_gt(&self, key: impl AsRef<[u8]>) -> Result<Option<(IVec, IVec)>, StoreError> {
        self.health.judged(|| self.tree.get_gt(key))
    }

    pub(super) fn insert(&self, key: impl AsRef<[u8]>, value: impl Into<IVec>) -> Result<Option<IVec>, StoreError> {
        self.health.judged(|| self.tree.insert(key, value))
    }

    /// Inserts all in one step.
    pub(super) fn insert_together(&self, rows: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        rows.into_iter().for_each(|(key, value)| batch.insert(key, value));
        self.health.judged(|| self.tree.apply_batch(batch))
    }

    pub(super) fn remove(&self, key: impl AsRef<[u8]>) -> Result<Option<IVec>, StoreError> {
        self.health.judged(|| self.tree.remove(key))
    }

    pub(super) fn iter(&self) -> Rows {
        self.rows(self.tree.iter())
    }

    pub(super) fn scan_prefix(&self, prefix: impl AsRef<[u8]>) -> Rows {
        self.rows(self.tree.scan_prefix(prefix))
    }

    pub(super) fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Rows {
        self.rows(self.tree.range(range))
    }

    pub(super) fn len(&self) -> usize {
        self.tree.len()
    }

    fn rows(&self, rows: sled::Iter) -> Rows {
        Rows { rows, health: self.health.clone() }
    }
}

/// Rows of a tree, in the order of their keys.
pub(super) struct Rows {
    rows: sled::Iter,
    health: Health,
}

impl Rows {
    pub(super) fn keys(self) -> impl DoubleEndedIterator<Item = Result<IVec, StoreError>> {
        self.map(|row| row.map(|(key, _)| key))
    }
}

impl Iterator for Rows {
    type Item = Result<(IVec, IVec), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.health.judged(|| self.rows.next().transpose()).transpose()
    }
}

impl DoubleEndedIterator for Rows {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.health.judged(|| self.rows.next_back().transpose()).transpose()
    }
}

/// The bytes of a value.
pub(super) fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_extend(value, Vec::with_capacity(USUAL_BYTES)).expect("values hold nothing that postcard cannot write")
}
