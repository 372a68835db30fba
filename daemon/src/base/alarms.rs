//! Alarms: problems that an operator must act on. Each says what to do. `sinergi status` shows them.
//!
//! Must not know the parts that raise them. [`AlarmKind`] says how grave each kind is, and how long it stays.
//!
//! Invariants:
//! - there are at most 100 alarms, and a lesser one never takes the place of a graver one;
//! - an alarm about an event is stored, and stays until the operator confirms it. An alarm about a state is not stored;
//! - raising an alarm does not wait for the disk, and an alarm that cannot be stored stays in memory.

mod kind;

pub use kind::{AlarmKind, Severity};

use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::atomic_file;
use super::time::now_millis;

/// Largest number of alarms. One agency raises at most a dozen, except about single complaints, which are the least severe.
const MOST: usize = 100;
/// The shortest time between two writes of the file. A hostile peer raises alarms as often as it likes.
const PAUSE: Duration = Duration::from_secs(1);

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Names the problem. There is one alarm for a topic.
    pub topic: String,
    /// How grave it is.
    pub severity: Severity,
    /// The time at which it was raised first, in milliseconds since 1970; 0 if it is not known.
    pub since: u64,
    /// The problem and the advice, in words.
    pub text: String,
}

/// An alarm cannot be confirmed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotConfirmed {
    /// There is no such alarm.
    #[error("there is no alarm {0:?}: `sinergi status` shows the topics of all alarms")]
    Unknown(String),
    /// The alarm is about a state.
    #[error("the alarm {0:?} is about something that lasts: it goes when its cause is gone, so do what it says")]
    Lasts(String),
}

/// The raised alarms. Clones share them.
#[derive(Clone, Default)]
pub struct Alarms(Arc<Inner>);

#[derive(Default)]
struct Inner {
    raised: Mutex<Raised>,
    /// The file of the alarms about events. `None` if they are kept in memory only.
    file: Option<PathBuf>,
    /// Held while the file is written.
    writing: Mutex<()>,
    /// Told when there is something to store.
    changed: Notify,
}

/// The alarms, oldest first.
#[derive(Default)]
struct Raised {
    alarms: Vec<Alarm>,
    /// Number of alarms for which there was no room since the operator last confirmed all.
    dropped: u64,
    /// Whether the file lacks something.
    is_unsaved: bool,
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
struct Stored {
    dropped: u64,
    alarms: Vec<Alarm>,
}

impl Alarms {
    /// The alarms of a node with this data folder: those about events that its operator has not confirmed. Blocks.
    pub fn load(data: &Path) -> Self {
        let file = data.join("alarms.json");
        let Stored { dropped, alarms } = read(&file);
        let raised = Mutex::new(Raised { alarms, dropped, is_unsaved: false });
        Self(Arc::new(Inner { raised, file: Some(file), ..Inner::default() }))
    }

    /// Raises an alarm, and logs it if it is new or its text has changed. Raising a topic again replaces its text.
    pub fn raise(&self, topic: impl Into<String>, text: impl Into<String>) {
        let (topic, text) = (topic.into(), text.into());
        let severity = AlarmKind::of(&topic).severity();
        self.change(|raised| raised.take(Alarm { topic, severity, since: now_millis(), text }));
    }

    /// Removes the alarm of a topic: its problem is solved.
    pub fn settle(&self, topic: &str) {
        self.change(|raised| {
            if raised.remove(topic).is_some() {
                tracing::info!(topic, "settled");
            }
        });
    }

    /// Removes the alarm of a topic, because the operator has seen it. Returns the number of alarms that are left.
    ///
    /// # Errors
    /// There is no such alarm, or it is about a state.
    pub fn confirm(&self, topic: &str) -> Result<usize, NotConfirmed> {
        self.change(|raised| {
            if !raised.alarms.iter().any(|alarm| alarm.topic == topic) {
                return Err(NotConfirmed::Unknown(topic.chars().take(200).collect()));
            }
            if !AlarmKind::of(topic).is_event() {
                return Err(NotConfirmed::Lasts(topic.to_owned()));
            }
            raised.remove(topic);
            tracing::info!(topic, "the operator confirmed the alarm");
            Ok(raised.alarms.len())
        })
    }

    /// All alarms: the gravest first, then the oldest first.
    pub fn all(&self) -> Vec<Alarm> {
        let mut alarms = self.0.raised.lock().alarms.clone();
        alarms.sort_by_key(|alarm| Reverse(alarm.severity));
        alarms
    }

    /// Number of alarms for which there was no room since the operator last confirmed all.
    pub fn dropped(&self) -> u64 {
        self.0.raised.lock().dropped
    }

    /// Stores new alarms until the node stops.
    pub async fn keep_stored(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.changed.notified() => {}
            }
            // The file system may take long, and the runtime must not wait for it.
            let alarms = self.clone();
            if tokio::task::spawn_blocking(move || alarms.store()).await.is_err() {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Stores what is not stored yet. Blocks.
    pub fn store(&self) {
        let Some(file) = &self.0.file else { return };
        let _one_at_a_time = self.0.writing.lock();
        let stored = {
            let mut raised = self.0.raised.lock();
            if !std::mem::take(&mut raised.is_unsaved) {
                return;
            }
            let events = raised.alarms.iter().filter(|alarm| AlarmKind::of(&alarm.topic).is_event());
            Stored { dropped: raised.dropped, alarms: events.cloned().collect() }
        };
        let bytes = serde_json::to_vec_pretty(&stored).map_err(io::Error::other);
        if let Err(error) = bytes.and_then(|bytes| atomic_file::replace(file, &bytes)) {
            tracing::warn!("{}: {error}: new alarms are lost if the node stops before the next write", file.display());
            self.0.raised.lock().is_unsaved = true;
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Raised) -> T) -> T {
        let mut raised = self.0.raised.lock();
        let changed = change(&mut raised);
        if raised.is_unsaved {
            self.0.changed.notify_one();
        }
        changed
    }
}

impl Raised {
    /// Takes a new alarm, or a new text for its topic.
    fn take(&mut self, new: Alarm) {
        let known = self.alarms.iter_mut().find(|alarm| alarm.topic == new.topic);
        if known.as_ref().is_some_and(|alarm| alarm.text == new.text) {
            return;
        }
        let Alarm { topic, severity, text, .. } = &new;
        tracing::warn!(topic, severity = severity.name(), "{text}");
        if let Some(known) = known {
            known.text.clone_from(text);
        } else if self.makes_room(&new) {
            self.alarms.push(new.clone());
        } else {
            return;
        }
        self.is_unsaved |= AlarmKind::of(&new.topic).is_event();
    }

    /// Makes room for a new alarm if there is none, by dropping the oldest of the least severe alarms. Returns `false` if the new one is itself less
    /// severe than all others.
    fn makes_room(&mut self, new: &Alarm) -> bool {
        let least = self.alarms.iter().enumerate().min_by_key(|(_, alarm)| alarm.severity);
        let Some((at, least)) = least.filter(|_| self.alarms.len() >= MOST) else { return true };
        let is_graver = new.severity >= least.severity;
        let gone = if is_graver { least } else { new };
        tracing::warn!(
            topic = gone.topic,
            "there are {MOST} alarms: this one is dropped, because it is among the least severe"
        );
        self.dropped += 1;
        self.is_unsaved = true;
        if is_graver {
            self.alarms.remove(at);
        }
        is_graver
    }

    fn remove(&mut self, topic: &str) -> Option<Alarm> {
        let at = self.alarms.iter().position(|alarm| alarm.topic == topic)?;
        let gone = self.alarms.remove(at);
        let is_event = |alarm: &Alarm| AlarmKind::of(&alarm.topic).is_event();
        self.is_unsaved |= is_event(&gone);
        if self.dropped > 0 && !self.alarms.iter().any(is_event) {
            (self.dropped, self.is_unsaved) = (0, true);
        }
        Some(gone)
    }
}

/// The stored alarms. A file that cannot be read is moved aside, because alarms must not keep a node from its work.
fn read(file: &Path) -> Stored {
    let nothing = || Stored { dropped: 0, alarms: Vec::new() };
    let read = match std::fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return nothing(),
        read => read.and_then(|bytes| Ok(serde_json::from_slice::<Stored>(&bytes)?)),
    };
    read.map(|mut stored| {
        stored.alarms.truncate(MOST);
        stored
    })
    .unwrap_or_else(|error| {
        let aside = file.with_extension("damaged");
        let moved = match std::fs::rename(file, &aside) {
            Ok(()) => format!("it is now {}", aside.display()),
            Err(error) => format!("it cannot be moved aside: {error}"),
        };
        tracing::warn!("{}: {error}: the alarms in it are not shown; {moved}", file.display());
        nothing()
    })
}

#[cfg(test)]
mod tests;
