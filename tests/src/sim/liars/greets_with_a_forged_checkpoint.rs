//! In its Hello the liar shows each peer a checkpoint or an entry of the peer's own ledger that the peer never signed, beyond the end of that
//! ledger, to stop the peer.
//!
//! A proof that the peer has not signed itself has no effect.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use data_encoding::BASE64;
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, Epoch, LedgerIndex};
use sinergi_proto::entry::{EntryDraft, Place};
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::transparency::rollback_guard::Proof;
use sinergi_proto::wire::entry::Body;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Broken, Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::Node;
use crate::sim::topology::FEDERATION;

pub(super) const KIND: LieKind = LieKind {
    name: "greets_with_a_forged_checkpoint",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Forges::default()),
};

/// Number of leaves in the forged checkpoint: more than any ledger of a run has.
const MORE: u64 = 1 << 20;
/// The time in the forged checkpoint, in seconds since 1970. It is within the run.
const SECONDS: u64 = 1_764_000_100;
/// Number of forgeries to one peer of which at least one has surely arrived.
const ENOUGH: u32 = 2;

#[derive(Default)]
struct Forges {
    /// The number of forgeries shown to each peer.
    shown: BTreeMap<AgencyId, u32>,
    /// The forged notes and, as base64, the forged entries.
    forged: BTreeSet<String>,
}

impl Forges {
    /// A checkpoint of the peer, signed with the liar's keys.
    fn checkpoint(&mut self, liar: &Node, to: &AgencyId, epoch: Epoch) -> Vec<u8> {
        self.keep(liar.forged_signer(to, epoch).sign(MORE, [7; 32], SECONDS))
    }

    /// A genuine checkpoint of the peer with another size. The names of the keys are right, and the signatures are not.
    fn edited(&mut self, genuine: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(genuine).ok()?;
        let (origin, rest) = text.split_once('\n')?;
        let (_, rest) = rest.split_once('\n')?;
        Some(self.keep(format!("{origin}\n{MORE}\n{rest}").into_bytes()))
    }

    fn keep(&mut self, note: Vec<u8>) -> Vec<u8> {
        self.forged.insert(String::from_utf8_lossy(&note).into_owned());
        note
    }

    /// An entry that says to be the peer's, signed by the liar.
    fn entry(&mut self, liar: &Node, to: &AgencyId, epoch: Epoch) -> Bytes {
        let draft = EntryDraft {
            federation: FEDERATION.to_owned(),
            author: to.clone(),
            charter: liar.charter().name(),
            place: Place { epoch, index: LedgerIndex(MORE) },
            complaint: None,
            parents: Vec::new(),
            clock: HybridClock::new(SECONDS * 1000, 0),
            content: Vec::new(),
            body: Body::Witnessed(wire::Witnessed { root: vec![0; 32], peers: 0 }),
        };
        let signed = draft.sign(liar.entry_key()).bytes;
        self.forged.insert(BASE64.encode(&signed));
        signed
    }
}

impl Lie for Forges {
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let Some(Kind::Hello(mut hello)) = frame.kind else { return vec![frame] };
        let seen = Checkpoint::ledger_of(&hello.seen_of_you, FEDERATION).map(|(_, epoch)| epoch);
        let epoch = seen.unwrap_or(Epoch::FIRST);
        *self.shown.entry(to.clone()).or_default() += 1;
        match self.shown.values().sum::<u32>() % 3 {
            0 => hello.seen_of_you = self.checkpoint(liar, to, epoch),
            1 => hello.entry_of_you = self.entry(liar, to, epoch).to_vec(),
            _ => match self.edited(&hello.seen_of_you) {
                Some(edited) => hello.seen_of_you = edited,
                None => hello.seen_of_you = self.checkpoint(liar, to, epoch),
            },
        }
        vec![Frame { kind: Some(Kind::Hello(hello)) }]
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let is_reached = |node: &&Node| self.shown.get(&node.id).is_some_and(|shown| *shown >= ENOUGH);
        honest.all().filter(is_reached).collect()
    }

    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        let is_forged = |proof: &Proof| match proof {
            Proof::Checkpoint(shown) | Proof::Entry(shown) => self.forged.contains(shown),
            Proof::Applied { .. } | Proof::Mark { .. } | Proof::Tree { .. } => false,
        };
        for node in honest.all() {
            if node.stopped_by.iter().any(|sighting| is_forged(&sighting.proof)) {
                return Err(("a_forgery_stops_nobody", format!("{} was stopped by {}", node.id, liar.id)));
            }
        }
        Ok(())
    }
}
