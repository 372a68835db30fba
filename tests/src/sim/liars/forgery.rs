//! Tools for forging: the choice of entries, changes of frames, and entries that the engine would not write.

use bytes::Bytes;
use prost::Message;
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{EntryId, Epoch, LedgerIndex};
use sinergi_proto::charter::{KeyUse, Member};
use sinergi_proto::complaint::{Complaint, CustodyState};
use sinergi_proto::entry::{Entry, EntryDraft, Place, open};
use sinergi_proto::routing::outbox::Prepared;
use sinergi_proto::wire::{self, entry::Body};

use crate::sim::node::Node;
use crate::sim::topology::FEDERATION;

/// Chooses a quarter of all entries, the same ones at every node.
pub(super) fn is_chosen(entry: &EntryId) -> bool {
    entry.0[31].is_multiple_of(4)
}

/// Removes some entries from a frame that was read for a peer.
pub(super) fn without(mut prepared: Prepared, is_dropped: impl Fn(&Entry) -> bool) -> Prepared {
    let keeps = |item: &wire::Item| {
        Entry::parse(item.signed_entry.clone(), FEDERATION).map_or(true, |entry| !is_dropped(&entry))
    };
    let kept: Vec<bool> = prepared.frame.items.iter().map(keeps).collect();
    let (mut of_items, mut of_entries) = (kept.iter(), kept.iter());
    prepared.frame.items.retain(|_| of_items.next() == Some(&true));
    prepared.summary.entries.retain(|_| of_entries.next() == Some(&true));
    prepared
}

/// The liar's first entry of a complaint in its ledger.
pub(super) fn first_own_entry(liar: &Node) -> Option<(LedgerIndex, EntryId)> {
    let own = |leaf: &crate::sim::ledger::Leaf| leaf.entry.author == liar.id && leaf.entry.complaint.is_some();
    let place = liar.ledger.leaves.iter().position(own)?;
    Some((LedgerIndex(place as u64), liar.ledger.leaves[place].entry.id))
}

/// The complaints that the liar took in and still holds, and that it offers to nobody.
pub(super) fn kept(liar: &Node) -> impl Iterator<Item = &Complaint> {
    let is_kept = |complaint: &&Complaint| {
        let custody = complaint.custody();
        *complaint.intake() == liar.id && custody.holder == liar.id && custody.offer.is_none()
    };
    liar.ledger.cases.values().map(|case| &case.complaint).filter(is_kept)
}

/// A custody step at which the liar held the complaint, and the liar's own custody entry that follows it.
pub(super) fn gave_away(liar: &Node, complaint: &Complaint) -> Option<(EntryId, EntryId)> {
    let path: Vec<_> = complaint.path().collect();
    let held = |custody: &CustodyState| custody.holder == liar.id && custody.offer.is_none();
    let mut steps = path.iter().zip(path.iter().skip(1));
    let given = steps.find(|((_, before), (_, after))| before.custody().is_some_and(held) && after.author == liar.id);
    given.map(|((basis, _), (left, _))| (*basis, *left))
}

/// Signs an entry of the liar for the next leaf of its ledger.
pub(super) fn signed_entry(
    liar: &Node,
    complaint: &Complaint,
    parents: Vec<EntryId>,
    clock: Option<HybridClock>,
    body: Body,
) -> Option<Bytes> {
    let draft = EntryDraft {
        federation: FEDERATION.to_owned(),
        author: liar.id.clone(),
        charter: liar.charter().name(),
        place: Place { epoch: liar.ledger.epoch, index: liar.next_leaf()? },
        complaint: Some(complaint.id()),
        parents,
        clock: clock?,
        content: Vec::new(),
        body,
    };
    Some(draft.sign(liar.entry_key()).bytes)
}

/// An entry that says to be another agency's, under that agency's key. Nobody signed it.
pub(super) fn entry_of_another(liar: &Node, millis: u64) -> Option<Bytes> {
    let entry_key = |member: &&Member| member.keys.iter().find(|key| key.key_use == KeyUse::Entry).map(|key| key.id);
    let others = liar.charter().members().filter(|member| member.id != liar.id);
    let (author, key_id) = others.filter_map(|member| Some((member.id.clone(), entry_key(&member)?))).next()?;
    let draft = EntryDraft {
        federation: FEDERATION.to_owned(),
        author,
        charter: liar.charter().name(),
        place: Place { epoch: Epoch::FIRST, index: LedgerIndex(millis) },
        complaint: None,
        parents: Vec::new(),
        clock: HybridClock::new(millis, 0),
        content: Vec::new(),
        body: Body::Witnessed(wire::Witnessed { root: vec![0; 32], peers: 0 }),
    };
    let (entry, _) = open(draft.sign(liar.entry_key()).bytes).ok()?;
    let mut message = wire::Entry::decode(entry).ok()?;
    message.key_id = key_id;
    Some(message.encode_to_vec().into())
}

/// The id of a signed entry.
pub(super) fn id_of(signed: &Bytes) -> EntryId {
    Entry::parse(signed.clone(), FEDERATION).expect("it was just signed").id
}

/// The entry in a finding. `None` if the bytes hold none.
pub(super) fn parsed(signed: &[u8]) -> Option<Entry> {
    Entry::parse(Bytes::copy_from_slice(signed), FEDERATION).ok()
}

/// The id of the entry in a finding.
pub(super) fn id_in(signed: &[u8]) -> Option<EntryId> {
    parsed(signed).map(|entry| entry.id)
}

/// The index of the entry in a finding, in its author's ledger.
pub(super) fn place_in(signed: &[u8]) -> Option<LedgerIndex> {
    parsed(signed).map(|entry| entry.place.index)
}

/// The number of leaves in the checkpoint of a finding. `None` if the note is no checkpoint.
pub(super) fn size_in(note: &[u8]) -> Option<u64> {
    std::str::from_utf8(note).ok()?.lines().nth(1)?.parse().ok()
}
