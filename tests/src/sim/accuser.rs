//! Makes every possible accusation against every agency from everything that was ever shown, and lets the product's judge decide.
//!
//! An accusation is made even if it looks unfounded: the judge must tell whether there is a contradiction. An accusation that the judge
//! cannot read would check nothing, and is a defect of the simulation.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::entry::Entry;
use sinergi_proto::receipt::{ItemOutcome, item_receipt};
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::tlog::tree::{TreeNodes, nodes_needed};
use sinergi_proto::transparency::evidence::{Finding, Judge, NotProven};
use sinergi_proto::transparency::watch::{Prefix, Taken, VerifiedCheckpoint, Watched, two_trees};
use sinergi_proto::wire::{self, accusation::Finding as Kind, concealed::KnownBy};
use tlog_tiles::HashReader;

use super::archive::{Archive, GivenReceipt};
use super::ledger::{Ledger, Seen, SignedCheckpoint};
use super::node::Node;
use super::topology::Topology;

/// An accusation that the judge found proven.
#[derive(Clone, Debug)]
pub struct ProvenFinding {
    /// The accused agency.
    pub accused: AgencyId,
    /// The epoch of its ledger.
    pub epoch: Epoch,
    /// The kind of finding.
    pub finding: Finding,
    /// The finding in words.
    pub text: String,
}

/// An accuser that knows everything that was ever shown.
pub struct Accuser<'a> {
    topology: &'a Topology,
    nodes: &'a BTreeMap<AgencyId, Node>,
    archive: &'a Archive,
    now: u64,
    entries: BTreeMap<EntryId, &'a Entry>,
    trees: BTreeMap<(AgencyId, Epoch), Tree<'a>>,
}

/// A ledger with a checkpoint that was signed over it.
#[derive(Clone, Copy)]
struct Tree<'a> {
    ledger: &'a Ledger,
    seen: Seen,
    note: &'a [u8],
}

/// An accusation: the accused agency, the epoch of its ledger, and the finding with its proofs.
pub type Accusation = (AgencyId, Epoch, Kind);

impl<'a> Accuser<'a> {
    /// The accuser at the time `now`.
    pub fn new(topology: &'a Topology, nodes: &'a BTreeMap<AgencyId, Node>, archive: &'a Archive, now: u64) -> Self {
        let (entries, trees) = (BTreeMap::new(), BTreeMap::new());
        Self { topology, nodes, archive, now, entries, trees }
    }

    /// Each ledger with the largest checkpoint that was signed over it.
    fn whole_trees(&self) -> BTreeMap<(AgencyId, Epoch), Tree<'a>> {
        let over = self.archive.ledgers.iter().map(|((agency, epoch), ledger)| (agency, *epoch, ledger, None));
        let present = self.nodes.values().map(|node| (&node.id, node.ledger.epoch, &node.ledger, node.signed()));
        let tree = |(agency, epoch, ledger, signed): (&AgencyId, Epoch, &'a Ledger, Option<&'a SignedCheckpoint>)| {
            let signed = signed.map(|signed| (&signed.seen, &signed.note[..]));
            let of_it = |(seen, _): &(&Seen, &[u8])| seen.epoch == epoch && ledger.has_tree_of(seen);
            let (seen, note) = self.shown_by(agency).chain(signed).filter(of_it).max_by_key(|(seen, _)| *seen)?;
            Some(((agency.clone(), epoch), Tree { ledger, seen: *seen, note }))
        };
        over.chain(present).filter_map(tree).collect()
    }

    /// Makes every accusation that the agencies' own signatures may prove, and returns the proven ones.
    ///
    /// # Errors
    /// An accusation that the judge cannot read.
    pub fn prove_all(mut self) -> Result<Vec<ProvenFinding>, String> {
        let leaves = self.nodes.values().flat_map(|node| &node.ledger.leaves).map(|leaf| (leaf.entry.id, &leaf.entry));
        self.entries = self.archive.entries.iter().map(|(id, entry)| (*id, entry)).chain(leaves).collect();
        self.trees = self.whole_trees();
        let mut all = self.two_entries();
        all.extend(self.displaced());
        all.extend(self.back_dated());
        all.extend(self.two_trees());
        all.extend(self.rolled_back());
        all.extend(self.undeclared());
        all.extend(self.omitted());
        all.extend(self.concealed());
        all.extend(self.refused());
        all.extend(self.watched());
        self.judge_all(all)
    }

    /// Judges accusations and returns the proven ones.
    ///
    /// # Errors
    /// An accusation that the judge cannot read.
    pub fn judge_all(&self, all: Vec<Accusation>) -> Result<Vec<ProvenFinding>, String> {
        let judge = Judge::new(self.topology.charters());
        let mut found = Vec::new();
        for (accused, epoch, finding) in all {
            // The liar's peers must find its lie. `every_lie_is_found` checks that.
            if self.nodes[&accused].lie().is_some() {
                continue;
            }
            let accusation = wire::Accusation { accused: accused.to_string(), finding: Some(finding) };
            match judge.judge(&accusation, self.now) {
                Ok(said) => found.push(ProvenFinding { accused, epoch, finding: said.finding, text: said.text }),
                // A disputed part proves nothing against anybody.
                Err(NotProven::NoContradiction(_) | NotProven::Disputed { .. }) => {}
                Err(problem) => {
                    return Err(format!("an accusation of {accused} cannot be judged: {problem}: {accusation:?}"));
                }
            }
        }
        Ok(found)
    }

    // Accusations about entries.

    fn two_entries(&self) -> Vec<Accusation> {
        let mut places: BTreeMap<_, &Entry> = BTreeMap::new();
        let mut all = Vec::new();
        for entry in self.entries.values() {
            if let Some(other) = places.insert((&entry.author, entry.place), entry) {
                let two = wire::TwoEntries { one: entry.signed().to_vec(), other: other.signed().to_vec() };
                all.push((entry.author.clone(), entry.place.epoch, Kind::ForkedEntries(two)));
            }
        }
        all
    }

    fn displaced(&self) -> Vec<Accusation> {
        let accuse = |entry: &&Entry| {
            let leaf = self.leaf(&entry.author, entry.place.epoch, entry.place.index)?;
            let displaced = wire::Displaced { entry: entry.signed().to_vec(), leaf: Some(leaf) };
            Some((entry.author.clone(), entry.place.epoch, Kind::ForkedLeaf(displaced)))
        };
        self.entries.values().filter_map(accuse).collect()
    }

    fn back_dated(&self) -> Vec<Accusation> {
        let accuse = |entry: &&Entry| {
            let before = |(seen, _): &(&Seen, _)| seen.epoch == entry.place.epoch && seen.size <= entry.place.index.0;
            let (_, latest) = self
                .shown_by(&entry.author)
                .filter(before)
                .filter(|(seen, _)| seen.seconds.is_some())
                .max_by_key(|(seen, _)| seen.seconds)?;
            let dated = wire::BackDated { entry: entry.signed().to_vec(), checkpoint: latest.to_vec() };
            Some((entry.author.clone(), entry.place.epoch, Kind::BackDated(dated)))
        };
        self.entries.values().filter_map(accuse).collect()
    }

    // Accusations about trees.

    fn shown_by(&self, agency: &AgencyId) -> impl Iterator<Item = (&'a Seen, &'a [u8])> {
        self.archive.checkpoints.get(agency).into_iter().flatten().map(|(seen, note)| (seen, &note[..]))
    }

    fn two_trees(&self) -> Vec<Accusation> {
        let mut all = Vec::new();
        for ((agency, epoch), tree) in &self.trees {
            let within = |(shown, _): &(&Seen, _)| shown.epoch == *epoch && shown.size <= tree.seen.size;
            for (shown, smaller) in self.shown_by(agency).filter(within) {
                let Prefix { root, proof, .. } = tree.prefix(shown.size);
                all.push((agency.clone(), *epoch, two_trees(smaller, tree.note, root, &proof)));
            }
        }
        all
    }

    fn rolled_back(&self) -> Vec<Accusation> {
        let mut all = Vec::new();
        for agency in self.nodes.keys() {
            // The smaller checkpoint with the latest time.
            let mut latest: Option<(&Seen, &[u8])> = None;
            for (shown, note) in self.shown_by(agency).filter(|(shown, _)| shown.seconds.is_some()) {
                let is_smaller = |(smaller, _): &(&Seen, _)| (smaller.epoch, smaller.size) < (shown.epoch, shown.size);
                if let Some((_, smaller)) = latest.filter(is_smaller) {
                    let back = wire::RolledBack { earlier: note.to_vec(), later: smaller.to_vec() };
                    all.push((agency.clone(), shown.epoch, Kind::RolledBack(back)));
                }
                if latest.is_none_or(|(known, _)| known.epoch != shown.epoch || known.seconds <= shown.seconds) {
                    latest = Some((shown, note));
                }
            }
        }
        all
    }

    fn undeclared(&self) -> Vec<Accusation> {
        let later = self.trees.iter().filter(|((_, epoch), tree)| *epoch > Epoch::FIRST && tree.seen.size > 0);
        let accuse = |((agency, epoch), tree): (&(AgencyId, Epoch), &Tree<'_>)| {
            let (index, first) =
                (LedgerIndex::default(), tree.ledger.leaf(LedgerIndex::default()).entry.signed().to_vec());
            let begun = wire::Undeclared { first, leaf: Some(leaf_of(*tree, index)) };
            (agency.clone(), *epoch, Kind::UndeclaredEpoch(begun))
        };
        later.map(accuse).collect()
    }

    /// The findings of a watch that gets all checkpoints late, twice and out of order, and then asks for consistency proofs.
    fn watched(&self) -> Vec<Accusation> {
        let mut all = Vec::new();
        for ((agency, epoch), tree) in &self.trees {
            let noted = |(seen, note): (&Seen, &[u8])| {
                let Seen { epoch, size, seconds, root } = *seen;
                let checkpoint = Checkpoint { epoch, size, root, seconds };
                VerifiedCheckpoint { checkpoint, note: note.to_vec() }
            };
            let of_epoch = self.shown_by(agency).filter(|(seen, _)| seen.epoch == *epoch);
            let shown: Vec<VerifiedCheckpoint> = of_epoch.map(noted).collect();
            let (early, late) = shown.split_at(shown.len() / 2);
            let mut watched = Watched::default();
            let taken = late.iter().chain(early.iter().rev()).chain(late).map(|shown| watched.take(shown.clone()));
            let taken: Vec<Taken> = taken.collect();
            all.extend(taken.into_iter().filter_map(|taken| match taken {
                Taken::Contradicts(finding) => Some((agency.clone(), *epoch, *finding)),
                Taken::Newest | Taken::Nothing | Taken::Back => None,
            }));
            let sizes = watched.to_ask();
            let sizes: Vec<u64> = sizes.into_iter().filter(|size| *size <= tree.seen.size).collect();
            let beginnings = sizes.into_iter().map(|size| tree.prefix(size)).collect();
            let finding = watched.answered(noted((&tree.seen, tree.note)), beginnings);
            all.extend(finding.map(|finding| (agency.clone(), *epoch, finding)));
        }
        all
    }

    fn omitted(&self) -> Vec<Accusation> {
        let mut all = Vec::new();
        for (agency, given) in self.receipts_given() {
            for (entry, index) in given.leaves() {
                let epoch = given.checkpoint.epoch;
                let Some(leaf) = self.leaf(agency, epoch, index) else { continue };
                let entry = self.entries[&entry].signed().to_vec();
                let omitted = wire::Omitted { entry, receipt: given.ack.clone(), leaf: Some(leaf) };
                all.push((agency.clone(), epoch, Kind::Omitted(omitted)));
            }
        }
        all
    }

    // Accusations about custody.

    fn concealed(&self) -> Vec<Accusation> {
        let mut of_complaint: BTreeMap<ComplaintId, Vec<&Entry>> = BTreeMap::new();
        for entry in self.entries.values() {
            let Some(complaint) = entry.complaint else { continue };
            of_complaint.entry(complaint).or_default().push(entry);
        }
        let mut all = Vec::new();
        for custody in of_complaint.values() {
            for entry in custody {
                let Some(past) = self.past_of(entry) else { continue };
                for left_out in custody.iter().filter(|other| other.id != entry.id && !past.contains(&other.id)) {
                    for known_by in self.known_by(&entry.author, entry.place.epoch, left_out) {
                        let ancestors = past.iter().map(|id| self.entries[id].signed().to_vec()).collect();
                        let (signed, left_out) = (entry.signed().to_vec(), left_out.signed().to_vec());
                        let left_out_ancestors = Vec::new();
                        let known_by = Some(known_by);
                        let concealed =
                            wire::Concealed { entry: signed, ancestors, left_out, left_out_ancestors, known_by };
                        all.push((entry.author.clone(), entry.place.epoch, Kind::Concealed(concealed)));
                    }
                }
            }
        }
        all
    }

    /// Every refusal in a receipt, also one that the rules give.
    fn refused(&self) -> Vec<Accusation> {
        let mut all = Vec::new();
        for (agency, given) in self.receipts_given() {
            for (number, result) in given.receipt.results.iter().enumerate() {
                let entry =
                    self.entries.get(&result.entry).filter(|_| matches!(result.outcome, ItemOutcome::Refused(_)));
                let Some((entry, past)) = entry.and_then(|entry| Some((entry, self.past_of(entry)?))) else { continue };
                let mut past: Vec<&Entry> = past.iter().map(|id| self.entries[id]).collect();
                past.sort_by_key(|known| known.clock);
                let ancestors = past.into_iter().map(|known| known.signed().to_vec()).collect();
                let ack = wire::Ack::decode(&given.ack[..]).expect("an archived receipt");
                let (entry, refusal) = (entry.signed().to_vec(), item_receipt(&ack, number));
                let refused = wire::RefusedWrongly { entry, ancestors, refusal };
                all.push((agency.clone(), given.checkpoint.epoch, Kind::RefusedWrongly(refused)));
            }
        }
        all
    }

    /// All ancestors of an entry; `None` if one of them is lost.
    fn past_of(&self, entry: &Entry) -> Option<BTreeSet<EntryId>> {
        let (mut past, mut next) = (BTreeSet::new(), entry.parents.clone());
        while let Some(id) = next.pop() {
            if past.insert(id) {
                next.extend(&self.entries.get(&id)?.parents);
            }
        }
        Some(past)
    }

    /// Every proof of the time since when a ledger has an entry.
    fn known_by(&self, agency: &AgencyId, epoch: Epoch, entry: &Entry) -> Vec<KnownBy> {
        let own = (entry.author == *agency).then_some(KnownBy::Own(true));
        let tree = self.trees.get(&(agency.clone(), epoch));
        let leaf = tree.and_then(|tree| self.leaf(agency, epoch, tree.ledger.leaf_of(&entry.id)?));
        let names =
            |given: &GivenReceipt| given.checkpoint.epoch == epoch && given.leaves().any(|(id, _)| id == entry.id);
        let receipts = self.receipts_given().filter(|(by, given)| *by == agency && names(given));
        let receipts = receipts.map(|(_, given)| KnownBy::Receipt(given.ack.clone()));
        own.into_iter().chain(leaf.map(KnownBy::Leaf)).chain(receipts).collect()
    }

    // Signed statements.

    fn receipts_given(&self) -> impl Iterator<Item = (&'a AgencyId, &'a GivenReceipt)> {
        self.archive.receipts.iter().flat_map(|(by, given)| given.iter().map(move |given| (by, given)))
    }

    fn leaf(&self, agency: &AgencyId, epoch: Epoch, index: LedgerIndex) -> Option<wire::LeafProof> {
        let tree = self.trees.get(&(agency.clone(), epoch)).filter(|tree| index.0 < tree.seen.size)?;
        Some(leaf_of(*tree, index))
    }
}

fn leaf_of(tree: Tree<'_>, index: LedgerIndex) -> wire::LeafProof {
    let inclusion = tree.nodes(&[index], &[]).inclusion(index, tree.seen.root).expect("a ledger proves its leaves");
    wire::LeafProof {
        checkpoint: tree.note.to_vec(),
        index: index.0,
        hash: inclusion.leaf_hash.to_vec(),
        path: inclusion.path.iter().map(|hash| hash.to_vec()).collect(),
    }
}

impl Tree<'_> {
    fn prefix(&self, size: u64) -> Prefix {
        let shown = self.nodes(&[], &[size]).consistency(size, self.seen.root);
        let (root, proof) = shown.expect("a ledger proves its own beginnings");
        Prefix { size, root, proof }
    }

    fn nodes(&self, leaves: &[LedgerIndex], sizes: &[u64]) -> TreeNodes {
        let numbers = nodes_needed(self.seen.size, leaves, sizes).expect("the numbers are within the tree");
        let hashes = self.ledger.read_hashes(&numbers).expect("the numbers are within the tree");
        let node = |(number, hash): (u64, tlog_tiles::Hash)| wire::TreeNode { number, hash: hash.0.to_vec() };
        let nodes: Vec<wire::TreeNode> = numbers.into_iter().zip(hashes).map(node).collect();
        TreeNodes::from_wire(self.seen.size, &nodes).expect("hashes of 32 bytes")
    }
}
