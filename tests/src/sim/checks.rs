//! Checks of signatures that many nodes of a run make of the same bytes.
//!
//! Curve arithmetic would take most of the time of a run, so what a check came to is remembered, for each chain of charters: the same bytes come
//! to the same for every node that goes by it.

use std::cell::RefCell;
use std::collections::HashMap;

use prost::Message;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sinergi_proto::admission::received::{Received, receive_items};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::charter::Charters;
use sinergi_proto::tlog::checkpoint::{Checkpoint, CheckpointKeys};
use sinergi_proto::wire;

use super::names::FEDERATION;

/// The newest charter of a chain names the whole chain.
type Chain = [u8; 32];

/// The product's checks.
pub struct Checks {
    remembers: bool,
    memory: RefCell<Memory>,
}

#[derive(Default)]
struct Memory {
    items: HashMap<(Chain, Vec<u8>), Received>,
    shown: HashMap<(Chain, Vec<u8>), Option<Checkpoint>>,
    kept: HashMap<(Chain, Vec<u8>), Option<Checkpoint>>,
}

impl Checks {
    /// Checks that look everything up which they have checked before, or that never do.
    pub fn new(remembers: bool) -> Self {
        Self { remembers, memory: RefCell::default() }
    }

    /// What items of a delivery are.
    pub fn items(&self, items: Vec<wire::Item>, charters: &Charters) -> Vec<Received> {
        // The numbers of a batch check do not decide what it finds.
        let check = |items| receive_items(items, FEDERATION, charters, StdRng::seed_from_u64(0));
        if !self.remembers {
            return check(items);
        }
        let chain = charters.newest().hash;
        let keys: Vec<_> = items.iter().map(|item| (chain, item.encode_to_vec())).collect();
        let memory = &mut self.memory.borrow_mut().items;
        let new: Vec<_> = keys.iter().zip(&items).filter(|(key, _)| !memory.contains_key(*key)).collect();
        let (new_keys, new): (Vec<_>, Vec<_>) = new.into_iter().map(|(key, item)| (key.clone(), item.clone())).unzip();
        memory.extend(new_keys.into_iter().zip(check(new)));
        keys.iter().map(|key| memory[key].clone()).collect()
    }

    /// The checkpoint of an agency that a note is which somebody shows, if its signatures verify under the keys that the agency has now.
    pub fn shown(&self, note: &[u8], agency: &AgencyId, charters: &Charters) -> Option<Checkpoint> {
        let check = || open(note, agency, charters.newest().checkpoint_keys(agency)?);
        if !self.remembers {
            return check();
        }
        let key = (charters.newest().hash, note.to_vec());
        self.memory.borrow_mut().shown.entry(key).or_insert_with(check).clone()
    }

    /// The checkpoint that a note of the own ledger is, if its signatures verify under keys that the agency ever had.
    pub fn kept(&self, note: &[u8], agency: &AgencyId, charters: &Charters) -> Option<Checkpoint> {
        let check = || open(note, agency, charters.checkpoint_keys(agency)?);
        if !self.remembers {
            return check();
        }
        let key = (charters.newest().hash, note.to_vec());
        self.memory.borrow_mut().kept.entry(key).or_insert_with(check).clone()
    }
}

fn open(note: &[u8], agency: &AgencyId, keys: CheckpointKeys) -> Option<Checkpoint> {
    Checkpoint::open(note, FEDERATION, agency, &keys).ok()
}
