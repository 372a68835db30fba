//! Checks of signatures that many nodes of a run make of the same bytes.
//!
//! Curve arithmetic would take most of the time of a run, so what a check came to is remembered. All nodes have one charter, so the same bytes
//! come to the same for each of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sinergi_proto::admission::received::{Received, receive_items};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::charter::Charters;
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::wire;

use super::topology::FEDERATION;

/// The product's checks under the charter of a run.
pub struct Checks {
    charters: Arc<Charters>,
    remembers: bool,
    memory: RefCell<Memory>,
}

#[derive(Default)]
struct Memory {
    items: HashMap<Vec<u8>, Received>,
    checkpoints: HashMap<(AgencyId, Vec<u8>), Option<Checkpoint>>,
}

impl Checks {
    /// Checks that look everything up which they have checked before, or that never do.
    pub fn new(charters: Arc<Charters>, remembers: bool) -> Self {
        Self { charters, remembers, memory: RefCell::default() }
    }

    /// What items of a delivery are.
    pub fn items(&self, items: Vec<wire::Item>) -> Vec<Received> {
        // The numbers of a batch check do not decide what it finds.
        let check = |items| receive_items(items, FEDERATION, &self.charters, StdRng::seed_from_u64(0));
        if !self.remembers {
            return check(items);
        }
        let keys: Vec<Vec<u8>> = items.iter().map(Message::encode_to_vec).collect();
        let memory = &mut self.memory.borrow_mut().items;
        let new: Vec<_> = keys.iter().zip(&items).filter(|(key, _)| !memory.contains_key(*key)).collect();
        let (new_keys, new): (Vec<_>, Vec<_>) = new.into_iter().map(|(key, item)| (key.clone(), item.clone())).unzip();
        memory.extend(new_keys.into_iter().zip(check(new)));
        keys.iter().map(|key| memory[key].clone()).collect()
    }

    /// The checkpoint of an agency that a note is, if its signatures verify.
    pub fn checkpoint(&self, note: &[u8], agency: &AgencyId) -> Option<Checkpoint> {
        let check = || {
            let keys = self.charters.checkpoint_keys(agency)?;
            Checkpoint::open(note, FEDERATION, agency, &keys).ok()
        };
        if !self.remembers {
            return check();
        }
        let key = (agency.clone(), note.to_vec());
        self.memory.borrow_mut().checkpoints.entry(key).or_insert_with(check).clone()
    }
}
