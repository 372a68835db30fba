//! Entries that no honest node writes. Every node judges them, and the verdicts must not depend on the other entries that a node has.

use rand::RngExt;
use rand::rngs::StdRng;
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::entry::{EntryDraft, Place};
use sinergi_proto::wire::{self, entry::Body as Wire};

use super::node::Node;
use super::topology::{FEDERATION, Topology};

/// A random entry for a complaint that the node has. It is mostly invalid, in one way or several, and sometimes valid.
pub fn write(node: &Node, members: &[AgencyId], topology: &Topology, rng: &mut StdRng) -> Option<wire::Item> {
    let number = rng.random_range(0..node.ledger.cases.len().max(1));
    let complaint = &node.ledger.cases.values().nth(number)?.complaint;
    let author = members[rng.random_range(0..members.len())].clone();
    let known: Vec<(EntryId, HybridClock)> = complaint.timeline().map(|(id, known)| (id, known.clock)).collect();
    let mut any = || known[rng.random_range(0..known.len())];
    let basis = any().0.0.to_vec();
    let mut parents: Vec<(EntryId, HybridClock)> = (0..3).map(|_| any()).collect();
    parents.dedup();
    if rng.random_bool(0.3) {
        parents = complaint.parents_of_next().into_iter().map(|id| (id, complaint.newest_clock())).collect();
    }
    let newest = parents.iter().map(|(_, clock)| *clock).max().unwrap_or_default();
    let clock = if rng.random_bool(0.2) { any_before(newest, rng) } else { HybridClock::tick(0, newest)? };
    let body = match rng.random_range(0..3) {
        0 => Wire::Forwarded(wire::Forwarded {
            basis,
            to: members[rng.random_range(0..members.len())].to_string(),
            reason: 1,
            answer_by: clock.millis() + 60_000,
        }),
        1 => Wire::Accepted(wire::Accepted { basis }),
        _ => Wire::Progressed(wire::Progressed { basis, state: 1 }),
    };
    let version = rng.random_range(1..=topology.charters().newest().version);
    let charter = topology.charters().version(version)?;
    let signer = if rng.random_bool(0.1) { &members[0] } else { &author };
    let draft = EntryDraft {
        federation: FEDERATION.to_owned(),
        author: author.clone(),
        charter: charter.name(),
        place: Place { epoch: Epoch::FIRST, index: LedgerIndex(u64::from(u32::MAX)) },
        complaint: Some(complaint.id()),
        parents: parents.into_iter().map(|(id, _)| id).collect(),
        clock,
        content: Vec::new(),
        body,
    };
    let signed_entry = draft.sign(&topology.key(signer)).bytes;
    Some(wire::Item { signed_entry, ..Default::default() })
}

fn any_before(newest: HybridClock, rng: &mut StdRng) -> HybridClock {
    HybridClock::new(newest.millis().saturating_sub(rng.random_range(0..600_000)), 0)
}
