//! The walk through the ledger for one link, with and without cached leaves.

use std::convert::Infallible;

use super::*;
use crate::base::ids::EntryId;
use crate::base::limits;
use crate::entry::ContentClass;
use crate::fixture::{Case, Federation, agency};

/// The room that a node leaves in a frame.
const ROOM: FrameRoom = FrameRoom { items: limits::FRAME_ITEMS, target_bytes: 128 * 1024 };

/// A ledger in memory, of one complaint.
#[derive(Default)]
struct Memory {
    entries: Vec<Entry>,
    leaves: Vec<Leaf>,
    contents: Vec<(LedgerIndex, Content)>,
    /// Own leaves from this one on are cached.
    cached_from: Option<LedgerIndex>,
    /// Routing records: the leaf before which each lies, the leaf that it names, and its routes.
    routing: Vec<(u64, LedgerIndex, Vec<Route>)>,
}

impl Memory {
    fn append(&mut self, entry: Entry, from: Option<&str>, routes: Vec<Route>) {
        let (index, from) = (LedgerIndex(self.leaves.len() as u64), from.map(agency));
        self.leaves.push(Leaf {
            index,
            from,
            relays: 0,
            routes,
            bytes: entry.bytes.clone(),
            envelope: entry.envelope.clone(),
        });
        self.entries.push(entry);
    }

    fn end(&self) -> Cursor {
        let size = self.leaves.len() as u64;
        let owed = self.routing.iter().filter(|(before, ..)| *before == size).count();
        Cursor::end(Epoch::FIRST, LedgerIndex(size), u32::try_from(owed).expect("few"))
    }

    /// All frames for a peer. Each begins at the cursor of the one before.
    fn prepared(&self, peer: &str, items: usize, give_back: Option<&GiveBack>) -> Vec<Prepared> {
        let (mut cursor, mut frames) = (Cursor::start(Epoch::FIRST), Vec::new());
        let room = FrameRoom { items, ..ROOM };
        while cursor < self.end() {
            let Ok(read) = prepare(self, &agency(peer), cursor, self.end(), give_back, room);
            assert!(read.summary.cursor > cursor, "it goes on");
            cursor = read.summary.cursor;
            frames.push(read);
        }
        frames
    }

    /// The entries in all frames for a peer.
    fn frames(&self, peer: &str, items: usize, give_back: Option<&GiveBack>) -> Vec<Vec<EntryId>> {
        self.prepared(peer, items, give_back)
            .into_iter()
            .map(|read| read.summary.entries.iter().map(|sent| sent.id).collect())
            .collect()
    }
}

impl LedgerView for Memory {
    type Error = Infallible;

    fn steps_from(
        &self,
        index: LedgerIndex,
    ) -> Result<impl Iterator<Item = Result<Step, Infallible>> + '_, Infallible> {
        Ok((index.0..=self.leaves.len() as u64).flat_map(|at| {
            let routing = self.routing.iter().filter(move |(before, ..)| *before == at);
            let routing =
                routing.map(|(_, leaf, routes)| Step::Routing { leaf: *leaf, routes: routes.clone(), is_again: false });
            routing.chain(self.leaves.get(at as usize).cloned().map(Step::Leaf)).map(Ok)
        }))
    }

    fn leaf(&self, index: LedgerIndex) -> Result<Leaf, Infallible> {
        Ok(self.leaves[index.0 as usize].clone())
    }

    fn entry(&self, leaf: &Leaf) -> Result<Entry, Infallible> {
        Ok(self.entries[leaf.index.0 as usize].clone())
    }

    fn contents(&self, index: LedgerIndex) -> Result<Vec<Content>, Infallible> {
        Ok(self.contents.iter().filter(|(leaf, _)| *leaf == index).map(|(_, content)| content.clone()).collect())
    }

    fn leaves_of(&self, _: &ComplaintId) -> Result<Vec<LedgerIndex>, Infallible> {
        Ok(self.leaves.iter().rev().map(|leaf| leaf.index).collect())
    }

    fn participants(&self, _: &ComplaintId, _: &Charters) -> Result<BTreeSet<AgencyId>, Infallible> {
        Ok(BTreeSet::new())
    }

    fn cached_leaves(&self, from: LedgerIndex, end: LedgerIndex) -> Vec<CachedLeaf> {
        (from.0..end.0).map_while(|index| self.cached_leaf(LedgerIndex(index)).map(CachedLeaf::Own)).collect()
    }

    fn cached_leaf(&self, index: LedgerIndex) -> Option<Arc<OwnLeaf>> {
        let Leaf { from: None, routes, .. } = &self.leaves[index.0 as usize] else { return None };
        self.cached_from.filter(|first| index >= *first)?;
        let (entry, routes) = (self.entries[index.0 as usize].clone(), routes.clone());
        let Ok(contents) = self.contents(index);
        Some(Arc::new(OwnLeaf { entry, routes, contents, earlier: (0..index.0).map(LedgerIndex).collect() }))
    }
}

/// Bandung lodged a complaint and worked on it. Then it offers the complaint to the ministry, whose link is new to the complaint.
fn offered_to_a_newcomer(federation: &Federation) -> Memory {
    let mut case = federation.case_at("kota-bandung");
    let mut memory = Memory::default();
    memory.append(federation.node("kota-bandung").lodges().entry(), None, Vec::new());
    for leaf in 1..5 {
        let entry = federation.node("kota-bandung").progresses(&case).at_leaf(leaf).entry();
        case.learn(&entry);
        memory.append(entry, None, Vec::new());
    }
    let offer = federation.node("kota-bandung").forwards(&case).to("kemendagri").entry();
    let route = Route { to: agency("kemendagri"), access: Access::Public, history: true };
    memory.append(offer, None, vec![route]);
    memory
}

#[test]
fn a_link_that_is_cut_within_the_history_goes_on_where_it_was() {
    let memory = offered_to_a_newcomer(&Federation::new());
    let all: Vec<EntryId> = memory.entries.iter().map(|entry| entry.id).collect();
    for items in 1..8 {
        let frames = memory.frames("kemendagri", items, None);
        assert!(frames.iter().all(|frame| frame.len() <= items));
        assert_eq!(frames.concat(), all, "in ledger order and once, {items} a frame");
    }
    assert_eq!(memory.frames("ksp", 4, None).concat(), [], "nothing is for another link");
}

#[test]
fn owed_items_go_before_their_leaf_and_also_after_the_last_leaf() {
    let mut memory = offered_to_a_newcomer(&Federation::new());
    let route = Route { to: agency("ksp"), access: Access::Entries, history: false };
    memory.routing = vec![(2, LedgerIndex(0), vec![route.clone()]), (6, LedgerIndex(1), vec![route])];
    let owed = [memory.entries[0].id, memory.entries[1].id];
    for items in 1..3 {
        assert_eq!(memory.frames("ksp", items, None).concat(), owed);
    }
}

#[test]
fn entries_from_a_peer_go_back_to_it_only_after_it_began_a_new_epoch() {
    let federation = Federation::new();
    let mut memory = offered_to_a_newcomer(&federation);
    for leaf in &mut memory.leaves[..5] {
        leaf.from = Some(agency("prov-jabar"));
    }
    memory.leaves[5].from = Some(agency("kota-bandung"));
    let give_back = GiveBack {
        epoch: Epoch(2),
        before: LedgerIndex(3),
        own: agency("kemendagri"),
        adjacent: BTreeSet::new(),
        charters: Arc::new(federation.charters.clone()),
    };
    let ids: Vec<EntryId> = memory.entries.iter().map(|entry| entry.id).collect();
    assert_eq!(memory.frames("prov-jabar", 9, None).concat(), []);
    assert_eq!(memory.frames("prov-jabar", 9, Some(&give_back)).concat(), ids[..3], "what it passed on before");
    assert_eq!(memory.frames("kota-bandung", 9, Some(&give_back)).concat(), ids, "what it wrote in epoch 1");
}

#[test]
fn a_peer_that_has_not_declared_its_epoch_is_given_back_everything() {
    let (two, three) = (Epoch(2), Epoch(3));
    let (leaf, size) = (LedgerIndex(7), LedgerIndex(90));
    assert_eq!(GiveBack::range(Epoch::FIRST, None, size), None);
    assert_eq!(GiveBack::range(two, Some((two, leaf)), size), Some((two, leaf)));
    assert_eq!(GiveBack::range(three, Some((two, leaf)), size), Some((three, size)));
    assert_eq!(GiveBack::range(Epoch::FIRST, Some((two, leaf)), size), Some((two, leaf)));
}

/// Bandung lodged a complaint, of which its supervisor gets the entry alone. Then it offers the complaint to the supervisor, which now may
/// have the text.
fn offered_to_the_supervisor(federation: &Federation) -> Memory {
    let text = Content { commitment: 0, salt: [7; 32], data: "Jalan rusak".into() };
    let lodged = federation.node("kota-bandung").lodges().committing(&text, ContentClass::Public).entry();
    let case = Case::lodged(federation, &lodged);
    let offer = federation.node("kota-bandung").forwards(&case).to("prov-jabar").at_leaf(1).entry();
    let route = |to, access, history| Route { to: agency(to), access, history };
    let mut memory = Memory { contents: vec![(LedgerIndex(0), text)], ..Memory::default() };
    let observer = route("ksp", Access::Entries, false);
    memory.append(lodged, None, vec![route("prov-jabar", Access::Entries, false), observer]);
    memory.append(offer, None, vec![route("prov-jabar", Access::Confidential, true)]);
    memory
}

#[test]
fn an_entry_that_is_already_in_the_frame_gets_its_text_there_and_goes_once() {
    let memory = offered_to_the_supervisor(&Federation::new());
    let texts = |from| {
        let start = Cursor { index: LedgerIndex(from), ..Cursor::start(Epoch::FIRST) };
        let Ok(read) = prepare(&memory, &agency("prov-jabar"), start, memory.end(), None, ROOM);
        read.frame.items.iter().map(|item| item.content.len()).collect::<Vec<_>>()
    };
    assert_eq!(texts(0), [1, 0]);
    assert_eq!(texts(1), [1, 0], "the entry without text went in an earlier frame");
}

#[test]
fn a_cached_leaf_goes_exactly_as_if_it_were_read() {
    let federation = Federation::new();
    for (mut memory, peer) in [
        (offered_to_the_supervisor(&federation), "prov-jabar"),
        (offered_to_the_supervisor(&federation), "ksp"),
        (offered_to_a_newcomer(&federation), "kemendagri"),
        (offered_to_a_newcomer(&federation), "ksp"),
    ] {
        for items in 1..8 {
            memory.cached_from = None;
            let read = memory.prepared(peer, items, None);
            for first in 0..memory.leaves.len() as u64 {
                memory.cached_from = Some(LedgerIndex(first));
                let cached = memory.prepared(peer, items, None);
                let all = |frames: &[Prepared]| frames.iter().map(|read| read.frame.clone()).collect::<Vec<_>>();
                assert_eq!(all(&cached), all(&read), "to {peer}, {items} a frame, cached from {first} on");
            }
        }
    }
}
