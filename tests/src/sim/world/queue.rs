//! The event queue.
//!
//! Must not know what an event is.
//!
//! Invariant: events come out in the order of (time, number), and no two have the same number.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Events that wait for their time, in milliseconds.
pub(super) struct Queue<T> {
    number: u64,
    due: BinaryHeap<Reverse<Due<T>>>,
}

struct Due<T> {
    at: u64,
    number: u64,
    event: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { number: 0, due: BinaryHeap::new() }
    }
}

impl<T> Queue<T> {
    /// Adds an event. Events of the same time happen in the order in which they were added.
    pub(super) fn add(&mut self, at: u64, event: T) {
        self.number += 1;
        self.due.push(Reverse(Due { at, number: self.number, event }));
    }

    /// Takes the next event, with its time, if it happens at `end` or before.
    pub(super) fn next_until(&mut self, end: u64) -> Option<(u64, T)> {
        self.due.peek().filter(|Reverse(due)| due.at <= end)?;
        self.due.pop().map(|Reverse(Due { at, event, .. })| (at, event))
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
