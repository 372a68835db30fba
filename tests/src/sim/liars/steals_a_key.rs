//! The liar has stolen the entry key of another agency. It signs offers of complaints that the agency holds, before and after the managers revoke the
//! key, and shows them to everybody who reads the complaint.
//!
//! Once the key is revoked, the offers have no effect anywhere, whoever had accepted them, and nothing under the key convicts its owner.

use std::collections::BTreeSet;

use bytes::Bytes;
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::complaint::{Complaint, NoEffect, Standing};
use sinergi_proto::entry::{EntryDraft, Place};
use sinergi_proto::wire::{self, entry::Body};

use super::forgery::id_of;
use super::{Broken, Detection, HonestNodes, LiarAction, Lie, LieKind, any_agency};
use crate::sim::managers::signing_keys;
use crate::sim::names::FEDERATION;
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "steals_a_key",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Steals::default()),
};

/// Most offers that the thief signs.
const MOST: usize = 6;
/// A place far beyond the owner's ledger: the owner looks set back.
const FAR: u64 = 1_000_000;
/// How long the addressee has to answer, in milliseconds.
const ANSWER_WITHIN: u64 = 4 * 3600 * 1000;

#[derive(Default)]
struct Steals {
    victim: Option<AgencyId>,
    /// Whether it has declared an epoch of the victim's ledger that no honest agency would believe.
    has_declared: bool,
    signed: BTreeSet<EntryId>,
    offered: BTreeSet<EntryId>,
}

impl Steals {
    /// A complaint that the victim holds and that is not on offer. The first one that is found chooses the victim.
    fn held<'a>(&self, liar: &'a Node) -> Option<&'a Complaint> {
        let charter = liar.charter();
        let is_target = |complaint: &&Complaint| {
            let custody = complaint.custody();
            let is_chosen = self.victim.as_ref().map_or(custody.holder != liar.id, |victim| *victim == custody.holder);
            let is_free = custody.offer.is_none() && !self.offered.contains(&complaint.tip());
            is_chosen && is_free && complaint.case().phase.is_open() && !charter.is_oversight(&custody.holder)
        };
        liar.ledger.cases.values().map(|case| &case.complaint).find(is_target)
    }
}

/// A declaration that the victim's ledger has begun a far epoch.
fn declared(liar: &Node, victim: &AgencyId, now: u64) -> Bytes {
    let reset = wire::LedgerReset { old_epoch: u32::MAX - 1, ..Default::default() };
    let draft = EntryDraft {
        federation: FEDERATION.to_owned(),
        author: victim.clone(),
        charter: liar.charters().version(1).expect("the first").name(),
        place: Place { epoch: Epoch(u32::MAX), index: LedgerIndex(0) },
        complaint: None,
        parents: Vec::new(),
        clock: HybridClock::new(liar.wall(now), 0),
        content: Vec::new(),
        body: Body::LedgerReset(reset),
    };
    let [key, ..] = signing_keys(victim, 0, liar.signatures());
    draft.sign(&key).bytes
}

impl Lie for Steals {
    fn on_tick(&mut self, liar: &Node, now: u64) -> LiarAction {
        if let Some(victim) = self.victim.clone().filter(|_| !self.has_declared) {
            self.has_declared = true;
            return LiarAction::WriteEntry(declared(liar, &victim, now));
        }
        if self.signed.len() >= MOST {
            return LiarAction::Nothing;
        }
        let Some(complaint) = self.held(liar) else { return LiarAction::Nothing };
        let victim = complaint.custody().holder.clone();
        // Even after the revocation the thief names the charter that lists the key. Then the complaint must not have moved on to the next one.
        let Some(charter) = liar.charters().version(1) else { return LiarAction::Nothing };
        let parents = complaint.parents_of_next();
        let is_older = |parent: &EntryId| complaint.entry(parent).is_some_and(|known| known.charter.version == 1);
        let Some(to) = liar.adjacent().iter().find(|peer| **peer != victim).cloned() else {
            return LiarAction::Nothing;
        };
        let Some(clock) = HybridClock::tick(liar.wall(now), complaint.newest_clock()) else {
            return LiarAction::Nothing;
        };
        self.offered.insert(complaint.tip());
        if !parents.iter().all(is_older) {
            return LiarAction::Nothing;
        }
        // Some places are taken by entries of the owner, others are far ahead of its ledger.
        let number = self.signed.len() as u64;
        let index = if number.is_multiple_of(2) { number } else { FAR + number };
        let body = wire::Forwarded {
            basis: complaint.tip().0.to_vec(),
            to: to.to_string(),
            reason: wire::ForwardReason::Competence.into(),
            answer_by: clock.millis() + ANSWER_WITHIN,
        };
        let draft = EntryDraft {
            federation: FEDERATION.to_owned(),
            author: victim.clone(),
            charter: charter.name(),
            place: Place { epoch: Epoch::FIRST, index: LedgerIndex(index) },
            complaint: Some(complaint.id()),
            parents,
            clock,
            content: Vec::new(),
            body: Body::Forwarded(body),
        };
        let [key, ..] = signing_keys(&victim, 0, liar.signatures());
        let signed = draft.sign(&key).bytes;
        self.signed.insert(id_of(&signed));
        self.victim = Some(victim);
        LiarAction::WriteEntry(signed)
    }

    fn victim(&self) -> Option<&AgencyId> {
        self.victim.as_ref()
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let has = |node: &&Node| self.signed.iter().any(|offer| node.ledger.leaf_of(offer).is_some());
        honest.all().filter(has).collect()
    }

    fn must_hold(&self, _: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for node in honest.all() {
            for complaint in node.ledger.cases.values().map(|case| &case.complaint) {
                let counts = |id: &&EntryId| {
                    let standing = complaint.standing(id);
                    standing
                        .is_some_and(|standing| !matches!(standing, Standing::WithoutEffect(NoEffect::Disputed { .. })))
                };
                if let Some(offer) = self.signed.iter().find(counts) {
                    let what = format!("{offer} counts at {}: {:?}", node.id, complaint.standing(offer));
                    return Err(("what_a_thief_signed_counts_nowhere", what));
                }
            }
        }
        Ok(())
    }
}
