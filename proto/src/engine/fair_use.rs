//! Fair use: no agency fills this node's disk.
//!
//! Each agency has a share of the disk for a week, as author of the entries that this node takes, and another one as the peer that brings what waits
//! here. A share refills evenly over the week. What is over a share is not kept; the peer sends it again later (606). The share is an eighth of the free
//! disk, and at least [`PeerQuotas::share_bytes_a_week`]: an import, a backlog of a week and a busy day fit into it. So one agency
//! never takes more than a part of what is left, and the operator hears of it weeks before the disk is full.
//!
//! While the disk is nearly full, nothing of peers is kept. The rest is for this node's own work.
//!
//! Must not know how free space is measured.
//!
//! Invariants:
//! - entries of this node's own agency are not counted: its operator answers for them, and peers give them back after a loss;
//! - the shares are kept in memory only. After a restart each is whole again.

use std::collections::{BTreeMap, BTreeSet};

use super::config::PeerQuotas;
use super::record::{PutOffHeader, Record};
use super::{Batch, Engine, Warning};
use crate::base::ids::{AgencyId, EntryId};
use crate::base::limits;
use crate::base::refusal::DeferralCode;
use crate::entry::Entry;
use crate::receipt::{Deferral, ItemOutcome, ItemResult};
use crate::wire;

/// The part of the free disk that one agency may take in a week.
const PART_OF_FREE: u64 = 8;
/// The time in which a share refills, in milliseconds.
const WEEK: u64 = 7 * 24 * 3600 * 1000;
/// Bytes of disk that an entry or item costs in addition to its own: the frames of its records, its hashes, and its rows in the store.
const OVERHEAD: u64 = 1024;
/// The least time between two records of deferred items of one peer, in milliseconds.
const RECORDED_EVERY: u64 = 3600 * 1000;
/// A share has room for so many entries that belong to no complaint. An honest agency writes about one a day that goes to others.
const NODE_ENTRIES: u64 = 3500;

/// The room on this node's disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskSpace {
    /// The free space in bytes. It may be rounded.
    pub free: u64,
    /// Whether the disk is nearly full, so that nothing of peers is kept.
    pub is_low: bool,
}

/// The shares of all agencies.
#[derive(Debug)]
pub(super) struct FairUse {
    least: u64,
    space: DiskSpace,
    /// Whether everything is kept and nothing counted, because the node takes over its own old ledger.
    takes_over: bool,
    authors: BTreeMap<AgencyId, Used>,
    peers: BTreeMap<AgencyId, Used>,
    /// The used part of the share that other nodes grant this one.
    own: Used,
    /// The authors that the operator was told of.
    told: BTreeSet<AgencyId>,
    /// The time of the newest record that items of a peer were put off, in milliseconds since 1970.
    recorded: BTreeMap<AgencyId, u64>,
}

/// The used part of a share.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    bytes: u64,
    /// The time at which these bytes were in use, in milliseconds since 1970.
    at: u64,
}

impl Used {
    fn at(self, share: u64, now: u64) -> u64 {
        let refilled = u128::from(share) * u128::from(now.saturating_sub(self.at)) / u128::from(WEEK);
        self.bytes.saturating_sub(u64::try_from(refilled).unwrap_or(u64::MAX))
    }
}

impl FairUse {
    /// Whole shares.
    pub(super) fn new(quotas: PeerQuotas) -> Self {
        Self {
            least: quotas.share_bytes_a_week,
            space: DiskSpace::default(),
            takes_over: false,
            authors: BTreeMap::new(),
            peers: BTreeMap::new(),
            own: Used::default(),
            told: BTreeSet::new(),
            recorded: BTreeMap::new(),
        }
    }

    /// The disk has this room from now on.
    pub(super) fn measured(&mut self, space: DiskSpace) {
        self.space = space;
    }

    /// Whether the disk is nearly full.
    pub(super) fn is_low(&self) -> bool {
        self.space.is_low && !self.takes_over
    }

    /// Whether the node takes over its own old ledger from now on. What it had it keeps.
    pub(super) fn takes_over(&mut self, takes_over: bool) {
        self.takes_over = takes_over;
    }

    fn share(&self) -> u64 {
        self.least.max(self.space.free / PART_OF_FREE)
    }

    /// Whether an entry with the contents of this item fits into its author's share at `now`, in milliseconds since 1970.
    pub(super) fn has_room(&self, entry: &Entry, contents: &[wire::Content], now: u64) -> bool {
        let used = self.authors.get(&entry.author).copied().unwrap_or_default().at(self.share(), now);
        self.takes_over || !self.is_low() && used.saturating_add(self.size_of(entry, contents)) <= self.share()
    }

    /// Whether contents of an entry that is here fit into its author's share, beside the entry.
    pub(super) fn has_room_for_contents(&self, entry: &Entry, contents: &[wire::Content], now: u64) -> bool {
        let used = self.authors.get(&entry.author).copied().unwrap_or_default().at(self.share(), now);
        self.takes_over || !self.is_low() && used.saturating_add(committed(entry, contents) as u64) <= self.share()
    }

    /// Counts a content that came after its entry.
    pub(super) fn take_content(&mut self, entry: &Entry, bytes: usize, now: u64) {
        if !self.takes_over {
            let share = self.share();
            count(&mut self.authors, &entry.author, share, bytes as u64, now);
        }
    }

    /// Whether an author's share has room for one more entry of the largest size.
    pub(super) fn has_any_room(&self, author: &AgencyId, now: u64) -> bool {
        let used = self.authors.get(author).copied().unwrap_or_default().at(self.share(), now);
        !self.space.is_low && used.saturating_add((limits::ENTRY_BYTES + limits::CONTENT_BYTES) as u64) <= self.share()
    }

    /// Counts an entry that is taken, with the contents of its item.
    pub(super) fn take(&mut self, entry: &Entry, contents: &[wire::Content], now: u64) {
        let (share, bytes) = (self.share(), self.size_of(entry, contents));
        if self.takes_over {
            return;
        }
        count(&mut self.authors, &entry.author, share, bytes, now);
    }

    /// Counts an item of this size that waits here, if it fits into the share of the peer that brings it. Returns whether it fits.
    pub(super) fn keep(&mut self, peer: &AgencyId, bytes: usize, now: u64) -> bool {
        let share = self.share();
        let used = self.peers.get(peer).copied().unwrap_or_default().at(share, now);
        let bytes = OVERHEAD.saturating_add(bytes as u64);
        let fits = self.takes_over || !self.is_low() && used.saturating_add(bytes) <= share;
        if fits && !self.takes_over {
            count(&mut self.peers, peer, share, bytes, now);
        }
        fits
    }

    /// Counts an own entry with contents of this size.
    pub(super) fn wrote(&mut self, entry: &Entry, contents: usize, now: u64) {
        let bytes = OVERHEAD.saturating_add((entry.bytes.len() + contents) as u64);
        self.own = Used { bytes: self.own.at(self.least, now).saturating_add(bytes), at: now };
    }

    /// The time for which an import has to wait, in milliseconds. Imports leave a quarter of the least share to other work: others may have no more room for
    /// this node's entries.
    pub(super) fn import_waits(&self, now: u64) -> u64 {
        let most = self.least / 4 * 3;
        let over = self.own.at(self.least, now).saturating_sub(most);
        u64::try_from(u128::from(over) * u128::from(WEEK) / u128::from(self.least.max(1))).unwrap_or(u64::MAX)
    }

    fn size_of(&self, entry: &Entry, contents: &[wire::Content]) -> u64 {
        let bytes = OVERHEAD.saturating_add((entry.bytes.len() + committed(entry, contents)) as u64);
        match entry.complaint {
            None => bytes.max(self.share() / NODE_ENTRIES),
            Some(_) => bytes,
        }
    }
}

/// The bytes of the contents to which an entry commits. Whoever passes an entry on chooses the contents, so others do not count for its author.
fn committed(entry: &Entry, contents: &[wire::Content]) -> usize {
    let is_here = |number: &usize| contents.iter().any(|content| content.commitment as usize == *number);
    let here = entry.commitments.iter().enumerate().filter(|(number, _)| is_here(number));
    here.map(|(_, commitment)| commitment.length as usize).sum()
}

fn count(of: &mut BTreeMap<AgencyId, Used>, agency: &AgencyId, share: u64, bytes: u64, now: u64) {
    let used = of.get(agency).copied().unwrap_or_default().at(share, now);
    of.insert(agency.clone(), Used { bytes: used.saturating_add(bytes), at: now });
}

impl Engine {
    /// Whether an entry that a peer delivered is put off, because its author's share is used up or the disk is nearly full.
    pub(super) fn is_over_share(&self, entry: &Entry, contents: &[wire::Content], now: u64) -> bool {
        entry.author != self.config.own && !self.fair_use.has_room(entry, contents, now)
    }

    /// Records that an item of a peer was not kept, at most once an hour: until it comes again, this node must not accuse the peer of having withheld it.
    pub(super) fn note_put_off(&mut self, peer: &AgencyId, now: u64, batch: &mut Batch) {
        let newest = self.fair_use.recorded.get(peer);
        if newest.is_none_or(|newest| now.abs_diff(*newest) >= RECORDED_EVERY) {
            self.fair_use.recorded.insert(peer.clone(), now);
            self.record(Record::PutOff(PutOffHeader { at: now, peer: peer.clone() }), batch);
        }
    }

    /// Puts an item of a peer off: nothing of it is kept, and the peer sends it again.
    pub(super) fn put_off(&mut self, peer: &AgencyId, entry: EntryId, now: u64, batch: &mut Batch) -> ItemResult {
        self.note_put_off(peer, now, batch);
        let deferral = Deferral { code: DeferralCode::OverShare.number(), kept: false, copy: None };
        ItemResult::without_contents(entry, ItemOutcome::Deferred(deferral))
    }

    /// Tries items again that wait for room, of each author that has some, and those of this node while the disk is not full.
    pub(super) fn unblock_put_off(&mut self, now: u64) {
        let Self { fair_use, deferred, config, .. } = self;
        let is_low = fair_use.is_low();
        deferred
            .unblock_put_off(|author| if *author == config.own { !is_low } else { fair_use.has_any_room(author, now) });
    }

    /// Tells the operator of an author whose entries are put off. While the disk is nearly full, the operator knows that already.
    pub(super) fn warn_of_author(&mut self, author: &AgencyId, batch: &mut Batch) {
        if !self.fair_use.is_low() && self.fair_use.told.insert(author.clone()) {
            batch.warnings.push(Warning::OverShare(author.clone(), Some(self.fair_use.share())));
        }
    }

    /// Ends the operator's warning about each author whose share has a tenth of its room again.
    pub(super) fn warn_of_authors(&mut self, now: u64, batch: &mut Batch) {
        let FairUse { authors, told, .. } = &self.fair_use;
        let share = self.fair_use.share();
        let used = |author: &AgencyId| authors.get(author).copied().unwrap_or_default().at(share, now);
        let over: Vec<AgencyId> = told.iter().filter(|author| used(author) <= share / 10 * 9).cloned().collect();
        for author in over {
            self.fair_use.told.remove(&author);
            batch.warnings.push(Warning::OverShare(author, None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::ContentClass;
    use crate::entry::content::Content;
    use crate::fixture::{Federation, QUOTAS, agency};

    const DAY: u64 = 24 * 3600 * 1000;

    fn fair_use() -> FairUse {
        FairUse::new(PeerQuotas { share_bytes_a_week: 1 << 20, ..QUOTAS })
    }

    /// Takes entries until there is no room. Returns their number.
    fn fill(fair_use: &mut FairUse, entry: &Entry, now: u64) -> u64 {
        let mut taken = 0;
        while fair_use.has_room(entry, &[], now) {
            fair_use.take(entry, &[], now);
            taken += 1;
        }
        taken
    }

    #[test]
    fn each_author_has_its_share_and_it_refills_evenly_over_a_week() {
        let federation = Federation::new();
        let (one, other) = (federation.node("kota-bandung").lodges().entry(), federation.node("ksp").lodges().entry());
        let mut fair_use = fair_use();
        let all = fill(&mut fair_use, &one, 0);
        assert!((300..1024).contains(&all), "{all}");
        assert!(fill(&mut fair_use, &other, 0).abs_diff(all) < 10, "another author's room is its own");
        assert!(fill(&mut fair_use, &one, DAY).abs_diff(all / 7) <= 1);
        assert!(fill(&mut fair_use, &one, 100 * DAY).abs_diff(all) <= 1, "never more than a week's");
        assert_eq!(fill(&mut fair_use, &one, 0), 0, "a clock that is set back refills nothing");
    }

    #[test]
    fn a_large_disk_gives_larger_shares_and_a_full_one_none() {
        let federation = Federation::new();
        let entry = federation.node("kota-bandung").lodges().entry();
        let mut fair_use = fair_use();
        let least = fill(&mut fair_use, &entry, 0);
        fair_use.measured(DiskSpace { free: (4 * PART_OF_FREE) << 20, is_low: false });
        assert!(fill(&mut fair_use, &entry, 0).abs_diff(3 * least) <= 3);
        fair_use.measured(DiskSpace { free: u64::MAX, is_low: true });
        assert!(!fair_use.has_room(&entry, &[], 0) && !fair_use.keep(&agency("ksp"), 1, 0));
    }

    #[test]
    fn contents_count_and_entries_of_nodes_count_more() {
        let federation = Federation::new();
        let lodged = federation.node("kota-bandung").lodges().entry();
        let text = Content { commitment: 0, salt: [7; 32], data: vec![0; limits::CONTENT_BYTES].into() };
        let writing = federation.node("kota-bandung").lodges().committing(&text, ContentClass::Public);
        let (with_text, contents) = (writing.entry(), [text.to_wire()]);
        assert!(fair_use().has_room(&with_text, &contents, 0));
        let mut small = fair_use();
        (0..3).for_each(|_| small.take(&with_text, &contents, 0));
        assert!(!small.has_room(&with_text, &contents, 0) && !small.has_room_for_contents(&with_text, &contents, 0));
        assert!(small.has_room(&lodged, &[], 0));
        // Contents to which the entry does not commit cost its author nothing.
        assert_eq!(committed(&lodged, &contents), 0);
        assert_eq!(committed(&with_text, &[text.to_wire(), text.to_wire()]), limits::CONTENT_BYTES);
        let of_node = federation.node("kota-bandung").witnesses().entry();
        let mut large = FairUse::new(PeerQuotas { share_bytes_a_week: 1 << 30, ..QUOTAS });
        assert_eq!(fill(&mut large, &of_node, 0), NODE_ENTRIES);
    }

    #[test]
    fn a_node_that_takes_over_its_old_ledger_keeps_everything() {
        let entry = Federation::new().node("kota-bandung").lodges().entry();
        let mut fair_use = fair_use();
        fill(&mut fair_use, &entry, 0);
        fair_use.measured(DiskSpace { free: 0, is_low: true });
        fair_use.takes_over(true);
        assert!(fair_use.has_room(&entry, &[], 0) && fair_use.keep(&agency("ksp"), 1 << 30, 0) && !fair_use.is_low());
        fair_use.takes_over(false);
        assert!(!fair_use.has_room(&entry, &[], 0));
    }

    #[test]
    fn an_import_leaves_a_quarter_of_the_share_to_other_work() {
        let entry = Federation::new().node("kota-bandung").lodges().entry();
        let mut fair_use = fair_use();
        fair_use.wrote(&entry, (3 << 18) - 4096, 0);
        assert_eq!(fair_use.import_waits(0), 0);
        fair_use.wrote(&entry, 1 << 17, 0);
        let wait = fair_use.import_waits(0);
        assert!(wait > DAY / 2 && wait < DAY, "{wait}");
        assert_eq!(fair_use.import_waits(wait + 1), 0);
    }

    #[test]
    fn a_deferred_item_is_counted_for_the_peer_that_brings_it() {
        let mut fair_use = fair_use();
        let (one, other) = (agency("kota-bandung"), agency("ksp"));
        assert!(fair_use.keep(&one, 1 << 19, 0));
        assert!(!fair_use.keep(&one, 1 << 19, 0));
        assert!(fair_use.keep(&other, 1 << 19, 0));
        assert!(fair_use.keep(&one, 1 << 19, 7 * DAY));
    }
}
