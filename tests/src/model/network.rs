//! The nodes, and a network that loses, repeats and reorders messages.
//!
//! A message is one entry on its way to one agency. It stays until it is delivered or lost, and any message may be the next. A repeated
//! message is delivered and stays. A lost message cannot be delivered until it is sent again.
//!
//! Invariant: a state has only numbers. The entries and views that they refer to are in the [`Book`].

use std::collections::BTreeSet;

use super::book::{Arrival, Book, EntryRef, ViewRef};
use super::members::Agency;
use super::time::Moment;

/// One state of the federation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The time.
    pub moment: Moment,
    /// The nodes, by [`Agency::index`].
    pub nodes: Vec<Node>,
    /// Messages in flight.
    pub network: BTreeSet<Message>,
    /// Messages that were delivered and will be delivered once more.
    pub repeated: BTreeSet<Message>,
    /// Messages that were lost and not sent again.
    pub lost: BTreeSet<Message>,
    /// The number of entries.
    pub written: usize,
    /// The number of entries that are lies.
    pub lies: usize,
}

/// One agency's node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its view of the complaint; `None` if it has no entry.
    pub view: Option<ViewRef>,
    /// Entries that wait for a parent, or until the node's clock is late enough.
    pub waiting: BTreeSet<EntryRef>,
    /// Entries that it has refused.
    pub refused: BTreeSet<EntryRef>,
}

/// An entry on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    /// The receiver.
    pub to: Agency,
    /// The entry.
    pub entry: EntryRef,
}

impl State {
    /// The state before the first step.
    pub fn new(nodes: usize) -> Self {
        let (network, repeated, lost) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { moment: 0, nodes: vec![Node::default(); nodes], network, repeated, lost, written: 0, lies: 0 }
    }

    /// A node.
    pub fn node(&self, agency: Agency) -> &Node {
        &self.nodes[agency.index()]
    }

    /// All agencies that have the complaint, with their views.
    pub fn views<'a>(&'a self, book: &'a Book) -> impl Iterator<Item = (Agency, ViewRef)> + 'a {
        book.members().all().filter_map(|agency| Some((agency, self.node(agency).view?)))
    }

    /// Whether no message is in flight, to be repeated or lost, and no entry waits.
    pub fn is_quiet(&self) -> bool {
        self.network.is_empty()
            && self.repeated.is_empty()
            && self.lost.is_empty()
            && self.nodes.iter().all(|node| node.waiting.is_empty())
    }

    /// Delivers a message. With `stays`, it will be delivered once more.
    pub fn deliver(&mut self, book: &mut Book, message: Message, stays: bool) {
        if !self.network.remove(&message) {
            self.repeated.remove(&message);
        }
        if stays {
            self.repeated.insert(message);
        }
        self.receive(book, message);
        self.retry(book, message.to);
    }

    /// Loses a message. It counts as lost unless it was delivered before.
    pub fn lose(&mut self, message: Message) {
        if self.network.remove(&message) {
            self.lost.insert(message);
        } else {
            self.repeated.remove(&message);
        }
    }

    /// Sends all lost messages again.
    pub fn resend(&mut self) {
        self.network.append(&mut self.lost);
    }

    /// Moves to the next moment. Nodes try their waiting entries again.
    pub fn pass_time(&mut self, book: &mut Book) {
        self.moment += 1;
        for agency in book.members().all().collect::<Vec<_>>() {
            self.retry(book, agency);
        }
    }

    /// A node writes an entry and sends it.
    pub fn write(&mut self, book: &mut Book, by: Agency, entry: EntryRef) {
        self.written += 1;
        self.receive(book, Message { to: by, entry });
    }

    /// A node gets an entry, its own or another's. It accepts the entry and passes on the entries that others lack, or keeps it waiting, or
    /// refuses it.
    fn receive(&mut self, book: &mut Book, message: Message) {
        let Message { to, entry } = message;
        let moment = self.moment;
        let node = &mut self.nodes[to.index()];
        match book.arrives(node.view, entry, to, moment) {
            Arrival::Waits => drop(node.waiting.insert(entry)),
            Arrival::Refused => drop(node.refused.insert(entry)),
            Arrival::Taken(view) => {
                let is_new = node.view != Some(view);
                node.view = Some(view);
                if !is_new {
                    return;
                }
                self.send(book, to, view);
                if let Some(answer) = book.answer_to_recall(view, to, moment) {
                    self.write(book, to, answer);
                }
            }
        }
    }

    /// Sends each reader all entries that were not delivered to it, including lost ones.
    fn send(&mut self, book: &Book, from: Agency, view: ViewRef) {
        let view = book.view(view);
        for reader in view.readers.iter().filter(|reader| **reader != from) {
            for entry in &view.entries {
                let message = Message { to: *reader, entry: *entry };
                if !self.has_come(book, message) {
                    self.lost.remove(&message);
                    self.network.insert(message);
                }
            }
        }
    }

    /// Whether an entry was delivered to a node.
    fn has_come(&self, book: &Book, message: Message) -> bool {
        let node = self.node(message.to);
        node.view.is_some_and(|view| book.view(view).entries.contains(&message.entry))
            || node.waiting.contains(&message.entry)
            || node.refused.contains(&message.entry)
    }

    /// Tries the waiting entries of a node until it accepts no more.
    fn retry(&mut self, book: &mut Book, at: Agency) {
        loop {
            let node = self.node(at);
            let settled = |entry: &EntryRef| book.arrives(node.view, *entry, at, self.moment) != Arrival::Waits;
            let Some(entry) = node.waiting.clone().into_iter().find(settled) else { return };
            self.nodes[at.index()].waiting.remove(&entry);
            self.receive(book, Message { to: at, entry });
        }
    }
}
