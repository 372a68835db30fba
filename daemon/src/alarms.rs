//! What the operator must hear of, until it is settled: each with what to do. Shown by `sinergi status`, alarms first.
//!
//! In memory: what must outlast a restart is raised again by whoever finds it again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Alarms kept; the oldest of a full list gives way.
const MOST: usize = 100;

/// The raised alarms, by topic: raising a topic again replaces its words.
#[derive(Clone, Default)]
pub struct Alarms(Arc<Mutex<BTreeMap<String, String>>>);

impl Alarms {
    /// Raises an alarm, and logs it when it is new.
    pub fn raise(&self, topic: impl Into<String>, text: impl Into<String>) {
        let (topic, text) = (topic.into(), text.into());
        let mut alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if alarms.get(&topic) == Some(&text) {
            return;
        }
        tracing::warn!(topic, "{text}");
        if alarms.len() >= MOST && !alarms.contains_key(&topic) {
            alarms.pop_first();
        }
        alarms.insert(topic, text);
    }

    /// Settles a topic.
    pub fn settle(&self, topic: &str) {
        let mut alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if alarms.remove(topic).is_some() {
            tracing::info!(topic, "settled");
        }
    }

    /// All raised alarms.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
