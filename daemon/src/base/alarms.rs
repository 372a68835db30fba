//! Alarms: problems that an operator must act on. Each says what to do. `sinergi status` shows them until they are settled.
//!
//! Alarms live in memory. After a restart, the part that finds the problem again raises its alarm again.

use std::sync::Arc;

use parking_lot::Mutex;

/// Largest number of alarms; a new one then replaces the oldest.
const MOST: usize = 100;

/// The raised alarms, each a topic and a text. Raising a topic again replaces its text. Clones share the alarms.
#[derive(Clone, Default)]
pub struct Alarms(Arc<Mutex<Vec<(String, String)>>>);

impl Alarms {
    /// Raises an alarm, and logs it if it is new or its text has changed.
    pub fn raise(&self, topic: impl Into<String>, text: impl Into<String>) {
        let (topic, text) = (topic.into(), text.into());
        let mut alarms = self.0.lock();
        if alarms.iter().any(|(raised, words)| *raised == topic && *words == text) {
            return;
        }
        tracing::warn!(topic, "{text}");
        alarms.retain(|(raised, _)| *raised != topic);
        if alarms.len() >= MOST {
            alarms.remove(0);
        }
        alarms.push((topic, text));
    }

    /// Removes the alarm of a topic: its problem is solved.
    pub fn settle(&self, topic: &str) {
        let mut alarms = self.0.lock();
        let before = alarms.len();
        alarms.retain(|(raised, _)| raised != topic);
        if alarms.len() < before {
            tracing::info!(topic, "settled");
        }
    }

    /// Whether the topic has an alarm.
    pub fn is_raised(&self, topic: &str) -> bool {
        self.0.lock().iter().any(|(raised, _)| raised == topic)
    }

    /// The texts of all alarms, oldest first.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().iter().map(|(_, text)| text.clone()).collect()
    }
}
