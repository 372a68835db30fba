//! What the operator must hear of, until it is settled: each with what to do. Shown by `sinergi status`, alarms first.
//!
//! In memory: what must outlast a restart is raised again by whoever finds it again.

use std::sync::Arc;

use parking_lot::Mutex;

/// Alarms kept; the oldest of a full list gives way.
const MOST: usize = 100;

/// The raised alarms with their topics: raising a topic again replaces its words.
#[derive(Clone, Default)]
pub struct Alarms(Arc<Mutex<Vec<(String, String)>>>);

impl Alarms {
    /// Raises an alarm, and logs it when it is new.
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

    /// Settles a topic.
    pub fn settle(&self, topic: &str) {
        let mut alarms = self.0.lock();
        let before = alarms.len();
        alarms.retain(|(raised, _)| raised != topic);
        if alarms.len() < before {
            tracing::info!(topic, "settled");
        }
    }

    /// Whether a topic is raised.
    pub fn is_raised(&self, topic: &str) -> bool {
        self.0.lock().iter().any(|(raised, _)| raised == topic)
    }

    /// All raised alarms, oldest first.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().iter().map(|(_, text)| text.clone()).collect()
    }
}
