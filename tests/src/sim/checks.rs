//! A cache of signature checks. Many nodes of a run check the same bytes.
//!
//! Curve arithmetic would take most of the time of a run. The result depends only on the bytes and on the chain of charters, so it is
//! cached by both.

use std::cell::RefCell;
use std::collections::HashMap;

use prost::Message;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sinergi_proto::admission::VerifiedBatches;
use sinergi_proto::admission::received::{Received, receive_items};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::charter::Charters;
use sinergi_proto::tlog::checkpoint::{Checkpoint, CheckpointKeys};
use sinergi_proto::wire;

use super::names::FEDERATION;

/// The hash of the newest charter. It identifies the whole chain.
type Chain = [u8; 32];

/// The product's signature checks, with a cache.
pub struct Checks {
    remembers: bool,
    known: VerifiedBatches,
    memory: RefCell<Memory>,
}

#[derive(Default)]
struct Memory {
    items: HashMap<(Chain, Vec<u8>), Received>,
    with_newest_keys: HashMap<(Chain, AgencyId, Vec<u8>), Option<Checkpoint>>,
    with_any_keys: HashMap<(Chain, AgencyId, Vec<u8>), Option<Checkpoint>>,
}

impl Checks {
    /// New checks, with a cache or without one.
    pub fn new(remembers: bool) -> Self {
        Self { remembers, known: VerifiedBatches::default(), memory: RefCell::default() }
    }

    /// Checks the items of a delivery.
    pub fn items(&self, items: Vec<wire::Item>, charters: &Charters) -> Vec<Received> {
        // The random numbers of a batch check do not change its result.
        let check = |items| receive_items(items, FEDERATION, charters, &self.known, StdRng::seed_from_u64(0));
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

    /// Opens a note with a checkpoint of an agency. `None` if the signatures do not verify under the agency's present keys.
    pub fn open_with_newest_keys(&self, note: &[u8], agency: &AgencyId, charters: &Charters) -> Option<Checkpoint> {
        let check = || open(note, agency, charters.newest().checkpoint_keys(agency)?);
        if !self.remembers {
            return check();
        }
        let key = (charters.newest().hash, agency.clone(), note.to_vec());
        self.memory.borrow_mut().with_newest_keys.entry(key).or_insert_with(check).clone()
    }

    /// Opens a note with a checkpoint of an agency. `None` if the signatures do not verify under any keys that the agency ever had and that are not
    /// revoked.
    pub fn open_with_any_keys(&self, note: &[u8], agency: &AgencyId, charters: &Charters) -> Option<Checkpoint> {
        let check = || charters.open_checkpoint(note, agency).ok();
        if !self.remembers {
            return check();
        }
        let key = (charters.newest().hash, agency.clone(), note.to_vec());
        self.memory.borrow_mut().with_any_keys.entry(key).or_insert_with(check).clone()
    }
}

fn open(note: &[u8], agency: &AgencyId, keys: CheckpointKeys) -> Option<Checkpoint> {
    Checkpoint::open(note, FEDERATION, agency, &keys).ok()
}
